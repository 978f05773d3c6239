using System.Runtime.InteropServices;

namespace WalRus.Cli.Service;

/// <summary>SIGUSR1, at which wal-g's daemon applies its log settings again (after logrotate). Windows has no such signal.</summary>
internal static class LogSignal
{
    private const int UserSignalLinux = 10;
    private const int UserSignalMac = 30;

    public static IDisposable? Register(Action action)
    {
        if (OperatingSystem.IsWindows())
        {
            return null;
        }

        return PosixSignalRegistration.Create(
            (PosixSignal)(OperatingSystem.IsMacOS() ? UserSignalMac : UserSignalLinux),
            signal =>
            {
                // Left alone it would end the process.
                signal.Cancel = true;
                action();
            });
    }
}
