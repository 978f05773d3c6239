using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using WalRus.Daemon;

namespace WalRus.Tests.Cli;

/// <summary>The daemon as a process of a service manager's: what it says to systemd, and what signals do.</summary>
public sealed class DaemonCommandTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly Socket systemd = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
    private readonly List<Process> started = [];

    public DaemonCommandTests() => systemd.Bind(new UnixDomainSocketEndPoint(folder["notify"]));

    public void Dispose()
    {
        foreach (var process in started)
        {
            if (!process.HasExited)
            {
                process.Kill();
            }

            process.Dispose();
        }

        systemd.Dispose();
        folder.Dispose();
    }

    [Fact]
    public async Task Systemd_hears_ready_alive_reloading_and_stopping_and_SIGTERM_ends_with_0()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals are Unix'");
        var process = Start(("WATCHDOG_USEC", "200000"));
        Assert.StartsWith("READY=1\nSTATUS=0 archived, 0 waiting", await HearAsync("READY="), StringComparison.Ordinal);
        Assert.Equal("WATCHDOG=1", await HearAsync("WATCHDOG="));
        Assert.StartsWith("STATUS=", await HearAsync("STATUS="), StringComparison.Ordinal);

        await SignalAsync(process, "HUP");
        Assert.Matches("^RELOADING=1\nMONOTONIC_USEC=[0-9]+$", await HearAsync("RELOADING="));
        Assert.StartsWith("READY=1", await HearAsync("READY="), StringComparison.Ordinal);

        await SignalAsync(process, "TERM");
        Assert.StartsWith("STOPPING=1", await HearAsync("STOPPING="), StringComparison.Ordinal);
        Assert.Equal(0, await EndAsync(process));
        Assert.False(File.Exists(folder["s"]));
    }

    [Fact]
    public async Task A_reload_takes_the_settings_of_the_file_and_wrong_ones_leave_all_as_it_was()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals are Unix'");
        File.WriteAllText(folder["walg.yaml"], "WALG_UPLOAD_CONCURRENCY: 3\n");
        var process = Start(("WALG_CONFIG_PATH", folder["walg.yaml"]));
        await HearAsync("READY=");
        Assert.Equal(3, (await StatusAsync()).LanesTotal);

        File.WriteAllText(folder["walg.yaml"], "WALG_UPLOAD_CONCURRENCY: 5\n");
        await SignalAsync(process, "HUP");
        await HearAsync("READY=");
        Assert.Equal(5, (await StatusAsync()).LanesTotal);

        File.WriteAllText(folder["walg.yaml"], "WALG_UPLOAD_CONCURRENCY: none\n");
        await SignalAsync(process, "HUP");
        await HearAsync("READY=");
        Assert.Equal(5, (await StatusAsync()).LanesTotal);
        await SignalAsync(process, "TERM");
        Assert.Equal(0, await EndAsync(process));
        Assert.Contains("WALG_UPLOAD_CONCURRENCY is 'none'", await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task SIGUSR1_opens_the_log_again_as_logrotate_needs()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals are Unix'");
        var process = Start(("WALG_LOG_DESTINATION", folder["log"]));
        await HearAsync("READY=");
        File.Move(folder["log"], folder["log.1"]);
        await SignalAsync(process, "USR1");
        await WaitAsync(() => File.Exists(folder["log"]));
        await SignalAsync(process, "TERM");
        Assert.Equal(0, await EndAsync(process));
        Assert.Contains("Daemon listens", await File.ReadAllTextAsync(folder["log.1"], TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.Contains("Daemon ended", await File.ReadAllTextAsync(folder["log"], TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_push_under_way_is_answered_before_SIGTERM_ends_the_daemon()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals are Unix'");
        const string name = "000000010000000000000001";
        SyntheticWal.Write(folder["data", "pg_wal"], name, ready: true);
        var process = Start(("PGDATA", folder["data"]), ("WALG_NETWORK_RATE_LIMIT", "400000"));
        await HearAsync("READY=");
        var push = Client().PushAsync($"pg_wal/{name}", TestContext.Current.CancellationToken);
        await WaitAsync(async () => (await StatusAsync()).LanesBusy == 1);
        await SignalAsync(process, "TERM");
        Assert.Equal(DaemonReply.Done, await push);
        Assert.Equal(0, await EndAsync(process));
        Assert.Single(Directory.EnumerateFiles(folder["archive", "wal_005"]));
    }

    [Fact]
    public async Task Metrics_beyond_this_machine_and_wrong_settings_are_refused()
    {
        foreach (var (name, value) in new[] { ("WALRUS_METRICS_LISTEN", "0.0.0.0:9188"), ("WALRUS_METRICS_LISTEN", "nowhere"), ("WALG_DAEMON_WAL_UPLOAD_TIMEOUT", "0s") })
        {
            var process = Start((name, value));
            Assert.Equal(1, await EndAsync(process));
            Assert.False(File.Exists(folder["s"]));
        }
    }

    [Fact]
    public async Task Where_no_daemon_answers_status_and_stop_say_so()
    {
        foreach (var question in new[] { "--status", "--stop" })
        {
            var result = await InProcess.RunAsync(ExitCodeTests.Environment(folder), "daemon", question, folder["s"]);
            Assert.Equal(1, result.ExitCode);
            Assert.Contains("No daemon answers", result.Errors, StringComparison.Ordinal);
        }
    }

    private static Task WaitAsync(Func<bool> condition) => PostgresCluster.UntilAsync(() => Task.FromResult(condition()));

    private static Task WaitAsync(Func<Task<bool>> condition) => PostgresCluster.UntilAsync(condition);

    private Process Start(params (string Name, string Value)[] settings)
    {
        var process = BuiltProgram.Start(
            ExitCodeTests.Environment(folder, [("NOTIFY_SOCKET", folder["notify"]), .. settings]), "daemon", folder["s"]);
        process.StandardInput.Close();
        started.Add(process);
        return process;
    }

    private DaemonClient Client() => new(new DaemonClientOptions { SocketPath = folder["s"] });

    private async Task<DaemonStatus> StatusAsync() =>
        DaemonStatus.Parse((await Client().StatusAsync(TestContext.Current.CancellationToken)).Text);

    private static async Task SignalAsync(Process process, string name)
    {
        using var kill = Process.Start("kill", [$"-{name}", $"{process.Id}"]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    private static async Task<int> EndAsync(Process process)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        await process.WaitForExitAsync(limit.Token);
        return process.ExitCode;
    }

    /// <summary>The next message that starts so; others are passed over.</summary>
    private async Task<string> HearAsync(string start)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        var buffer = new byte[4096];
        while (true)
        {
            var length = await systemd.ReceiveAsync(buffer.AsMemory(), limit.Token);
            var message = Encoding.UTF8.GetString(buffer, 0, length);
            if (message.StartsWith(start, StringComparison.Ordinal))
            {
                return message;
            }
        }
    }
}
