using System.Runtime.InteropServices;

namespace WalRus.Cli;

/// <summary>The first SIGINT, SIGTERM or SIGHUP (Ctrl+C, Ctrl+Break) cancels, so that nothing half-done stays; the second ends the process.</summary>
internal sealed class StopSignals : IDisposable
{
    private readonly CancellationTokenSource source = new();
    private readonly PosixSignalRegistration[] registrations;

    public StopSignals() => registrations =
    [
        PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop),
        PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop),
        PosixSignalRegistration.Create(PosixSignal.SIGHUP, Stop),
    ];

    public CancellationToken Token => source.Token;

    public void Dispose()
    {
        foreach (var registration in registrations)
        {
            registration.Dispose();
        }

        source.Dispose();
    }

    private void Stop(PosixSignalContext signal)
    {
        // Left alone, the second signal does what the system does by default.
        signal.Cancel = !source.IsCancellationRequested;
        source.Cancel();
    }
}
