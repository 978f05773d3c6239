using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using WalRus.Cli.CommandLine;
using WalRus.Configuration;
using WalRus.Daemon;

namespace WalRus.Cli.Service;

/// <summary>
/// The daemon as a process: its life from the first READY to the drained end, signals, systemd's watchdog, metrics.
/// </summary>
internal sealed partial class DaemonHost(Invocation call, string socketPath)
{
    private static readonly TimeSpan StatusInterval = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan RestInterval = TimeSpan.FromSeconds(5);

    private readonly SwitchingLog log = new(call.Log);
    private readonly SystemdNotifier systemd = new(call.Settings.Text(SettingCatalog.NotifySocket));
    private readonly object reloading = new();
    private ArchivingDaemon? daemon;

    /// <summary>Ctrl+C and the end of the terminal are for what runs in the foreground. Windows has no sessions of this kind.</summary>
    public static void LeaveSession()
    {
        if (!OperatingSystem.IsWindows())
        {
            // It fails for the leader of a group, which a shell's background job is: that has left already.
            _ = NewSession();
        }
    }

    /// <summary>Runs until cancelled, or until a client asks it to end; then finishes what is under way.</summary>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        using var closeLog = log;
        var running = daemon = await ArchivingDaemon.StartAsync(
            OperationOptions.Daemon(call.Settings, socketPath), WalRusEngine.OpenForDaemon(call.Settings, log), log)
            .ConfigureAwait(false);
        await using var end = running.ConfigureAwait(false);
        using var meter = new DaemonMeter(running.Status, TimeProvider.System);
        await using var listener = Listener(running);
        await using var file = MetricsFileOf(running);
        using var hangup = StopSignals.TakeHangup(Reload);
        using var logSignal = LogSignal.Register(ReopenLog);
        systemd.Ready(Describe(running));
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var watching = Task.WhenAll(WatchAsync(running, ending.Token), RestAsync(running, ending.Token));
        await Task.WhenAny(Task.Delay(Timeout.Infinite, ending.Token), running.StopRequested).ConfigureAwait(false);
        systemd.Stopping();
        await running.StopAsync().ConfigureAwait(false);
        await ending.CancelAsync().ConfigureAwait(false);
        await watching.ConfigureAwait(false);
        return ExitCodes.Success;
    }

    /// <summary>
    /// Reads the settings again and works with them from the next request on; when they are wrong, all stays as it was. The
    /// socket, PGDATA and where metrics go stay until a restart.
    /// </summary>
    public void Reload()
    {
        lock (reloading)
        {
            if (daemon is null)
            {
                return;
            }

            systemd.Reloading();
            try
            {
                var settings = call.LoadAgain();
                log.SwitchTo(call.CreateLog(settings));
                daemon.Exchange(WalRusEngine.OpenForDaemon(settings, log));
            }
            catch (Exception failure)
            {
                // Whatever is wrong with the new settings, archiving goes on with the old ones.
                log.DaemonReloadFailed(failure.Message);
            }

            systemd.Ready(Describe(daemon));
        }
    }

    /// <summary>Logs why the daemon could not run, where nobody else can.</summary>
    public void Fail(Exception failure) => FailureReport.Write(call.Log, failure, isStopped: false);

    private static string Describe(ArchivingDaemon daemon)
    {
        var status = daemon.Status();
        var text = string.Create(
            CultureInfo.InvariantCulture,
            $"{status.Archived} archived, {status.Backlog} waiting, {status.LanesBusy} of {status.LanesTotal} lanes busy");
        return status.LastError is { } error ? $"{text}; last error: {error.ReplaceLineEndings(" ")}" : text;
    }

    private async Task WatchAsync(ArchivingDaemon daemon, CancellationToken cancellationToken)
    {
        if (!systemd.IsListenedTo)
        {
            return;
        }

        // Half of what systemd allows; without a watchdog only the status is told.
        var allowed = TimeSpan.FromMicroseconds(call.Settings.BytesOrNull(SettingCatalog.WatchdogMicroseconds) ?? 0);
        using var timer = new PeriodicTimer(allowed > TimeSpan.Zero && allowed / 2 < StatusInterval ? allowed / 2 : StatusInterval);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
            {
                if (allowed > TimeSpan.Zero && await daemon.IsAliveAsync(cancellationToken).ConfigureAwait(false))
                {
                    systemd.Alive();
                }

                systemd.Status(Describe(daemon));
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    /// <summary>Gives back what the start needed, then, while there is nothing to do, what the work needed.</summary>
    private static async Task RestAsync(ArchivingDaemon daemon, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(IdleMemory.DropInterval);
        IdleMemory.GiveBack();
        var seen = daemon.Activity;
        var givenBackAt = seen;
        var quiet = 0;
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
            {
                var now = daemon.Activity;
                quiet = now != seen || now < 0 ? 0 : quiet + 1;
                if (quiet == 0)
                {
                    IdleMemory.DropCode();
                }
                else if (now != givenBackAt && IdleMemory.DropInterval * quiet >= RestInterval)
                {
                    daemon.ReleaseIdle();
                    IdleMemory.GiveBack();
                    givenBackAt = now;
                }

                seen = now;
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    private void ReopenLog()
    {
        lock (reloading)
        {
            try
            {
                log.SwitchTo(call.CreateLog(call.LoadAgain()));
            }
            catch (Exception failure) when (failure is WalRusException)
            {
                log.DaemonReloadFailed(failure.Message);
            }
        }
    }

    private MetricsListener? Listener(ArchivingDaemon daemon)
    {
        if (call.Settings.Text(SettingCatalog.MetricsListen) is not { } address)
        {
            return null;
        }

        return IPEndPoint.TryParse(address, out var endpoint) && endpoint.Port > 0
            ? new MetricsListener(endpoint, () => DaemonMetric.ToPrometheus(daemon.Status()), log)
            : throw WalRusSettings.Invalid(call.Settings.Find(SettingCatalog.MetricsListen), "an address and a port such as 127.0.0.1:9188");
    }

    private MetricsFile? MetricsFileOf(ArchivingDaemon daemon) =>
        call.Settings.Text(SettingCatalog.MetricsFile) is { } path
            ? new MetricsFile(
                path, StatusInterval, () => DaemonMetric.ToPrometheus(daemon.Status()), TimeProvider.System, log)
            : null;

    [LibraryImport("libc", EntryPoint = "setsid")]
    private static partial int NewSession();
}
