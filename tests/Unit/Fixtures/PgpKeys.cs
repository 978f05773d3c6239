using System.Diagnostics;

namespace WalRus.Tests;

/// <summary>OpenPGP keys made for one test with the system's gpg; skips the test where there is none.</summary>
internal static class PgpKeys
{
    /// <returns>An armored secret key without a passphrase.</returns>
    public static async Task<string> GenerateAsync(string home)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/gpg"), "gpg is not on this machine (apt install gnupg).");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(home, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        await GpgAsync(home, "--batch", "--passphrase", "", "--quick-gen-key", "test@walrus.invalid", "rsa2048", "sign,encrypt", "1d");
        return await GpgAsync(home, "--batch", "--armor", "--export-secret-keys");
    }

    private static async Task<string> GpgAsync(string home, params string[] arguments)
    {
        var start = new ProcessStartInfo("/usr/bin/gpg") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])["--homedir", home, .. arguments])
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, $"gpg {string.Join(' ', arguments)}: {await errors}");
        return output;
    }
}
