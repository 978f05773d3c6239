using System.ComponentModel;
using System.Diagnostics;
using WalRus.Streaming;

namespace WalRus.Encryption;

/// <summary>
/// One run of gpg: bytes to its input, bytes from its output, what it said in a bounded report. A cancelled call kills
/// it; so does a run that neither takes nor gives a byte for <see cref="StallLimit"/>.
/// </summary>
internal sealed class GpgProcess : IDisposable
{
    private static readonly TimeSpan StallLimit = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan ExitLimit = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan WatchPeriod = TimeSpan.FromSeconds(10);

    private readonly Process process;
    private readonly Task reporting;
    private readonly Timer watch;
    private long writingSince;
    private long readingSince;
    private volatile bool inputClosed;
    private volatile bool stalled;

    private GpgProcess(Process process)
    {
        this.process = process;
        reporting = Report.CollectAsync(process.StandardError.BaseStream);
        watch = new Timer(static state => ((GpgProcess)state!).KillIfStalled(), this, WatchPeriod, WatchPeriod);
    }

    /// <summary>What it said; complete once <see cref="WaitAsync"/> has returned.</summary>
    public GpgReport Report { get; } = new();

    /// <summary>Starts a program of GnuPG's with all three streams redirected.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.EncryptionToolMissing"/>.</exception>
    public static Process StartTool(string tool, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo
        {
            UseShellExecute = false,
            CreateNoWindow = true,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        // Its messages go into errors: in the language of the others.
        start.Environment["LC_ALL"] = "C";
        foreach (var file in FilesOf(tool))
        {
            try
            {
                start.FileName = file;
                return Process.Start(start)!;
            }
            catch (Win32Exception) when (file != tool)
            {
                // Not installed there; the last candidate decides.
            }
            catch (Win32Exception missing)
            {
                throw Missing(tool, missing);
            }
        }

        throw new UnreachableException();
    }

    /// <param name="home">GnuPG's own folder of this run.</param>
    /// <param name="arguments">The command and its options.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.EncryptionToolMissing"/>.</exception>
    public static GpgProcess Start(string home, IEnumerable<string> arguments) => new(StartTool("gpg",
    [
        "--homedir", home, "--batch", "--no-tty", "--quiet", "--no-options", "--status-fd", "2",
        "--pinentry-mode", "loopback", "--trust-model", "always", "--no-auto-key-locate", "--disable-dirmngr",
        .. arguments,
    ]));

    /// <exception cref="IOException">gpg has ended and takes no more.</exception>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        using var killer = cancellationToken.UnsafeRegister(static state => ((GpgProcess)state!).Kill(), this);
        Volatile.Write(ref writingSince, Environment.TickCount64);
        try
        {
            var input = process.StandardInput.BaseStream;
            await input.WriteAsync(data, cancellationToken).ConfigureAwait(false);
            await input.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Volatile.Write(ref writingSince, 0);
        }

        cancellationToken.ThrowIfCancellationRequested();
    }

    public void CloseInput()
    {
        inputClosed = true;
        try
        {
            process.StandardInput.BaseStream.Dispose();
        }
        catch (IOException)
        {
            // gpg has ended; its exit code says why.
        }
    }

    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        using var killer = cancellationToken.UnsafeRegister(static state => ((GpgProcess)state!).Kill(), this);
        Volatile.Write(ref readingSince, Environment.TickCount64);
        int read;
        try
        {
            read = await process.StandardOutput.BaseStream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            Volatile.Write(ref readingSince, 0);
        }

        // The end of a killed run is no end.
        cancellationToken.ThrowIfCancellationRequested();
        return read;
    }

    /// <summary>Waits for the end, which comes soon after the end of the output; returns the exit code.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.DeadlineExceeded"/>.</exception>
    public async ValueTask<int> WaitAsync(CancellationToken cancellationToken)
    {
        using var deadline = new Deadline(ExitLimit, cancellationToken);
        try
        {
            await process.WaitForExitAsync(deadline.Token).ConfigureAwait(false);
            await reporting.WaitAsync(deadline.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (deadline.HasPassed)
        {
            Kill();
            stalled = true;
        }

        return stalled
            ? throw new WalRusException(
                ErrorCode.DeadlineExceeded,
                "gpg took and gave no byte for two minutes and was ended.",
                "Check that gpg and gpg-agent work on this machine, and that it has free memory and entropy.")
            : process.ExitCode;
    }

    public void Kill()
    {
        try
        {
            process.Kill();
        }
        catch (Exception ended) when (ended is InvalidOperationException or Win32Exception)
        {
            // It ended by itself.
        }
    }

    public void Dispose()
    {
        Kill();
        watch.Dispose();
        process.Dispose();
    }

    private static IEnumerable<string> FilesOf(string tool)
    {
        if (OperatingSystem.IsWindows())
        {
            foreach (var programs in new[] { Environment.SpecialFolder.ProgramFilesX86, Environment.SpecialFolder.ProgramFiles })
            {
                var path = Path.Combine(Environment.GetFolderPath(programs), "GnuPG", "bin", tool + ".exe");
                if (File.Exists(path))
                {
                    yield return path;
                }
            }
        }

        yield return tool;
    }

    private static WalRusException Missing(string tool, Exception inner) => new(
        ErrorCode.EncryptionToolMissing,
        $"OpenPGP encryption needs {tool}, which cannot be started: {inner.Message}",
        OperatingSystem.IsWindows()
            ? "Install Gpg4win (or GnuPG for Windows) and open a new session."
            : OperatingSystem.IsMacOS()
                ? "Install it with 'brew install gnupg'."
                : "Install it with 'apt install gpg gpg-agent' or 'dnf install gnupg2'.",
        inner);

    private void KillIfStalled()
    {
        var now = Environment.TickCount64;
        if (Waits(ref readingSince, now) && (inputClosed || Waits(ref writingSince, now)))
        {
            stalled = true;
            Kill();
        }
    }

    private static bool Waits(ref long since, long now)
    {
        var began = Volatile.Read(ref since);
        return began != 0 && now - began > StallLimit.TotalMilliseconds;
    }
}
