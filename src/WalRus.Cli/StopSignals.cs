using System.Runtime.InteropServices;

namespace WalRus.Cli;

/// <summary>The first SIGINT, SIGTERM or SIGHUP (Ctrl+C, Ctrl+Break) cancels, so that nothing half-done stays; the second ends the process.</summary>
internal sealed class StopSignals : IDisposable
{
    /// <summary>A command gives SIGHUP another meaning.</summary>
    private static volatile bool isHangupTaken;

    private readonly CancellationTokenSource source = new();
    private readonly PosixSignalRegistration[] registrations;

    public StopSignals() => registrations =
    [
        PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop),
        PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop),
        PosixSignalRegistration.Create(PosixSignal.SIGHUP, StopUnlessTaken),
    ];

    public CancellationToken Token => source.Token;

    /// <summary>From now on SIGHUP calls this instead, until the result is disposed: a daemon reads its settings again.</summary>
    public static IDisposable TakeHangup(Action action)
    {
        isHangupTaken = true;
        return PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
        {
            signal.Cancel = true;
            action();
        });
    }

    public void Dispose()
    {
        foreach (var registration in registrations)
        {
            registration.Dispose();
        }

        source.Dispose();
    }

    private void StopUnlessTaken(PosixSignalContext signal)
    {
        if (!isHangupTaken)
        {
            Stop(signal);
        }
    }

    private void Stop(PosixSignalContext signal)
    {
        // Left alone, the second signal does what the system does by default.
        signal.Cancel = !source.IsCancellationRequested;
        source.Cancel();
    }
}
