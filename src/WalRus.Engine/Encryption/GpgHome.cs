using System.Diagnostics;
using System.Security.Cryptography;
using WalRus.Streaming;

namespace WalRus.Encryption;

/// <summary>
/// GnuPG's folder for this process alone: the user's own key rings, agents and settings are neither used nor touched.
/// On Linux it is in memory (/dev/shm), so that no private key reaches a disk. What a crashed process left is removed
/// by the next one; its agent ends by itself within seconds.
/// </summary>
internal sealed class GpgHome : IDisposable
{
    private const string Prefix = "walrus-gpg-";
    private const string LockName = "walrus.lock";

    /// <summary>
    /// The agent's own count would cost a second at each object, and this folder is as private as the passphrase itself;
    /// without more memory for secrets the agent fails some of about fifty decryptions at a time.
    /// </summary>
    private const string AgentOptions = """
        allow-loopback-pinentry
        disable-scdaemon
        s2k-count 65536
        ignore-invalid-option auto-expand-secmem
        auto-expand-secmem

        """;

    private static readonly TimeSpan AgentLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan YoungestStale = TimeSpan.FromHours(1);
    private readonly FileStream held;
    private Process? agentKeeper;
    private int disposed;

    private GpgHome(string path, FileStream held)
    {
        Path = path;
        this.held = held;
        AppDomain.CurrentDomain.ProcessExit += OnProcessExit;
    }

    public string Path { get; }

    public static GpgHome Create()
    {
        foreach (var parent in Parents())
        {
            var path = System.IO.Path.Combine(parent, Prefix + Convert.ToHexString(RandomNumberGenerator.GetBytes(6)));
            try
            {
                var home = CreateAt(path);
                if (!IsStale(path))
                {
                    // Locks work here, so that those of others can be trusted.
                    RemoveStale(parent);
                }

                return home;
            }
            catch (Exception refused) when (refused is IOException or UnauthorizedAccessException && parent != Parents().Last())
            {
                // Read-only or not there: the next place will do as well.
            }
        }

        throw new UnreachableException();
    }

    /// <summary>
    /// Starts the agent that private keys need, as the parent of a shell that waits for the end of its input: when this
    /// process goes, however it goes, that input ends, the shell ends, and the agent follows. On Windows gpg starts it.
    /// </summary>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.EncryptionToolMissing"/>; <see cref="ErrorCode.DeadlineExceeded"/>.
    /// </exception>
    public async Task StartAgentAsync(CancellationToken cancellationToken)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        var keeper = GpgProcess.StartTool("gpg-agent",
        [
            "--homedir", Path, "--quiet", "--log-file", "/dev/null", "--daemon",
            "--", "/bin/sh", "-c", "echo ready; cat > /dev/null",
        ]);
        agentKeeper = keeper;
        var report = new GpgReport();
        var reporting = report.CollectAsync(keeper.StandardError.BaseStream);
        using var deadline = new Deadline(AgentLimit, cancellationToken);
        try
        {
            var buffer = new byte[16];
            if (await keeper.StandardOutput.BaseStream.ReadAsync(buffer, deadline.Token).ConfigureAwait(false) == 0)
            {
                await reporting.WaitAsync(deadline.Token).ConfigureAwait(false);
                throw new WalRusException(
                    ErrorCode.EncryptionToolMissing,
                    $"gpg-agent did not start: {report.Messages}.",
                    "Check that 'gpg-agent --daemon' works for this user.");
            }
        }
        catch (OperationCanceledException) when (deadline.HasPassed)
        {
            throw new WalRusException(
                ErrorCode.DeadlineExceeded, "gpg-agent did not start within 30 seconds.", "Check that it works for this user.");
        }
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) != 0)
        {
            return;
        }

        AppDomain.CurrentDomain.ProcessExit -= OnProcessExit;
        StopAgent();
        held.Dispose();
        RemoveFolder(Path);
    }

    private static GpgHome CreateAt(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(path);
        }
        else
        {
            Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        var held = new FileStream(
            System.IO.Path.Combine(path, LockName), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, bufferSize: 1);

        // GnuPG 2.4 would otherwise start its key box daemon in a new folder.
        File.WriteAllBytes(System.IO.Path.Combine(path, "common.conf"), []);
        File.WriteAllText(System.IO.Path.Combine(path, "gpg-agent.conf"), AgentOptions);
        return new GpgHome(path, held);
    }

    /// <summary>A socket's path has about a hundred characters at most: the short places first.</summary>
    private static IEnumerable<string> Parents()
    {
        if (!OperatingSystem.IsWindows())
        {
            if (Directory.Exists("/dev/shm"))
            {
                yield return "/dev/shm";
            }

            yield return "/tmp";
        }

        yield return System.IO.Path.GetTempPath();
    }

    /// <summary>Removes folders whose process is gone: their lock can be taken.</summary>
    private static void RemoveStale(string parent)
    {
        try
        {
            foreach (var folder in Directory.EnumerateDirectories(parent, Prefix + "*"))
            {
                if (IsStale(folder))
                {
                    RemoveFolder(folder);
                }
            }
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            // Tidying up after others is not worth an error.
        }
    }

    private static bool IsStale(string folder)
    {
        try
        {
            using var theirs = new FileStream(
                System.IO.Path.Combine(folder, LockName), FileMode.Open, FileAccess.ReadWrite, FileShare.None, bufferSize: 1);
            return true;
        }
        catch (FileNotFoundException)
        {
            // Just being made, or a crash came between folder and lock.
            return DateTime.UtcNow - Directory.GetCreationTimeUtc(folder) > YoungestStale;
        }
        catch (Exception inUse) when (inUse is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static void RemoveFolder(string path)
    {
        using var pause = new ManualResetEventSlim();
        for (var attempt = 0; attempt < 10; attempt++)
        {
            try
            {
                Directory.Delete(path, recursive: true);
                return;
            }
            catch (DirectoryNotFoundException)
            {
                return;
            }
            catch (Exception busy) when (busy is IOException or UnauthorizedAccessException)
            {
                // The ending agent removes its sockets at the same time.
                pause.Wait(20);
            }
        }
    }

    private void StopAgent()
    {
        if (agentKeeper is null && !OperatingSystem.IsWindows())
        {
            return;
        }

        try
        {
            using var stopping = GpgProcess.StartTool("gpgconf", ["--homedir", Path, "--kill", "gpg-agent"]);
            if (!stopping.WaitForExit(5000))
            {
                stopping.Kill();
            }
        }
        catch (WalRusException)
        {
            // Without gpgconf the agent still ends when its shell does.
        }

        agentKeeper?.StandardInput.BaseStream.Dispose();
        agentKeeper?.WaitForExit(1000);
        agentKeeper?.Dispose();
        agentKeeper = null;
    }

    private void OnProcessExit(object? sender, EventArgs arguments) => Dispose();
}
