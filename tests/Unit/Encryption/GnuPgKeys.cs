using System.Diagnostics;

namespace WalRus.Tests.Encryption;

/// <summary>Makes OpenPGP keys with the machine's gpg, in a folder that goes when disposed.</summary>
public sealed class GnuPgKeys : IDisposable
{
    public const string Passphrase = "walrus tusk 'ü\" \\n";
    private readonly string home;

    public GnuPgKeys()
    {
        home = Directory.CreateTempSubdirectory("wr").FullName;
        if (!IsInstalled)
        {
            return;
        }

        File.WriteAllText(Path.Combine(home, "gpg-agent.conf"), "s2k-count 65536\n");
        Generate("plain@example.org", "");
        Generate("locked@example.org", Passphrase);
        Plain = Export("--export-secret-keys", "plain@example.org");
        Locked = Export("--export-secret-keys", "locked@example.org");
        PlainPublic = Export("--export", "plain@example.org");
        BothPublic = Export("--export", "plain@example.org", "locked@example.org");
    }

    public static bool IsInstalled { get; } = FindGpg();

    public string Plain { get; } = "";

    public string Locked { get; } = "";

    public string PlainPublic { get; } = "";

    public string BothPublic { get; } = "";

    public void Dispose()
    {
        if (IsInstalled)
        {
            Run("gpgconf", ["--homedir", home, "--kill", "gpg-agent"], null);
        }

        for (var attempt = 0; attempt < 20 && Directory.Exists(home); attempt++)
        {
            try
            {
                Directory.Delete(home, recursive: true);
            }
            catch (IOException)
            {
                // The agent is still removing its sockets.
                Task.Delay(20, CancellationToken.None).GetAwaiter().GetResult();
            }
        }
    }

    /// <summary>What gpg itself makes of some input.</summary>
    public byte[] Gpg(byte[] input, params string[] arguments) => Run(
        "gpg", ["--homedir", home, "--batch", "--quiet", "--trust-model", "always", .. arguments], input);

    private static bool FindGpg()
    {
        try
        {
            Run("gpg", ["--version"], null);
            return true;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    private static byte[] Run(string tool, string[] arguments, byte[]? input)
    {
        var start = new ProcessStartInfo(tool, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var writing = Task.Run(() =>
        {
            process.StandardInput.BaseStream.Write(input ?? []);
            process.StandardInput.Close();
        });
        var output = new MemoryStream();
        process.StandardOutput.BaseStream.CopyTo(output);
        process.WaitForExit();
        writing.GetAwaiter().GetResult();
        Assert.True(process.ExitCode == 0, errors.GetAwaiter().GetResult());
        return output.ToArray();
    }

    private void Generate(string user, string passphrase) => Run(
        "gpg",
        [
            "--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase", passphrase,
            "--quick-generate-key", user, "future-default", "default", "never",
        ],
        null);

    private string Export(string command, params string[] users) => System.Text.Encoding.ASCII.GetString(Run(
        "gpg",
        [
            "--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase", Passphrase, "--armor", command,
            .. users,
        ],
        null));
}
