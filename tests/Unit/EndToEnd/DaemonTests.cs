using System.Diagnostics;
using WalRus.Configuration;
using WalRus.Wal;

namespace WalRus.Tests.EndToEnd;

/// <summary>
/// Real servers archive through the daemon and its client while things go wrong; then every file the server believes
/// archived is fetched and compared byte by byte with the copy its archive_command made.
/// </summary>
public sealed class DaemonTests : IAsyncDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly List<IAsyncDisposable> running = [];
    private Dictionary<string, string> environment = [];

    private string SocketPath => folder["s"];

    private string Copies => folder["copies"];

    public async ValueTask DisposeAsync()
    {
        running.Reverse();
        foreach (var one in running)
        {
            await one.DisposeAsync();
        }

        folder.Dispose();
    }

    [Fact]
    public async Task What_a_server_believes_archived_is_archived_though_daemon_and_server_are_killed()
    {
        var cluster = await StartClusterAsync(FolderStore());
        var daemon = await StartDaemonAsync();
        await GenerateAsync(cluster, 40);
        await ArchivedAsync(cluster);

        // The daemon dies with segments under way and ahead; the server asks again and again.
        await GenerateAsync(cluster, 30);
        await daemon.KillAsync();
        await GenerateAsync(cluster, 5);
        daemon = await StartDaemonAsync();
        await GenerateAsync(cluster, 30);
        await cluster.KillAsync();
        await cluster.StartAsync();
        await GenerateAsync(cluster, 10);
        await ArchivedAsync(cluster);

        Assert.InRange(await CompareAsync(), 110, 200);
        var status = await daemon.StatusAsync();
        Assert.Equal(0, status.Backlog);
        Assert.Equal(cluster.DataDirectory, status.DataDirectory);
        Assert.Equal(0, await daemon.TerminateAsync());
        Assert.False(File.Exists(SocketPath));
    }

    [Fact]
    public async Task A_store_that_goes_away_in_every_way_loses_nothing_and_archiving_is_at_full_speed_soon_after()
    {
        await using var bucket = await S3Server.NewBucketAsync();
        await using var proxy = await FaultProxy.StartAsync(S3Server.Endpoint);
        var cluster = await StartClusterAsync(new Dictionary<string, string>(ArchivedCluster.SettingsOf(bucket))
        {
            ["AWS_ENDPOINT"] = proxy.Endpoint.AbsoluteUri,
            ["WALRUS_STORE_TIMEOUT"] = "2s",
        });
        var daemon = await StartDaemonAsync();
        await GenerateAsync(cluster, 5);
        await ArchivedAsync(cluster);
        foreach (var fault in new[] { "blackhole=1", "refuse=1", "cutUp=300000", "answer=1000000" })
        {
            await proxy.SetAsync(fault);
            if (fault == "refuse=1")
            {
                await proxy.CutAsync();
            }

            await GenerateAsync(cluster, 6);
            await Task.Delay(TimeSpan.FromSeconds(4), TestContext.Current.CancellationToken);
            await proxy.ResetAsync();
            var watch = Stopwatch.StartNew();
            await ArchivedAsync(cluster);
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(30), $"{fault}: {watch.Elapsed} after its end\n{daemon.Output}");
        }

        Assert.InRange(await CompareAsync(), 29, 60);
    }

    [Fact]
    public async Task Two_daemons_and_a_client_that_pushes_by_itself_lose_nothing()
    {
        var cluster = await StartClusterAsync(
            FolderStore(), client: $"\"{WalRusProgram.ClientPath}\" {SocketPath} wal-push \"%p\" && "
                + $"\"{WalRusProgram.ClientPath}\" {SocketPath}2 wal-push \"%p\" && \"{WalRusProgram.Path}\" wal-push \"%p\"");
        await StartDaemonAsync();
        await StartDaemonAsync(SocketPath + "2");
        await GenerateAsync(cluster, 25);
        await ArchivedAsync(cluster);
        Assert.InRange(await CompareAsync(), 25, 60);
    }

    [Fact]
    public async Task A_second_daemon_on_the_socket_is_refused_and_a_stop_by_request_ends_the_first()
    {
        var cluster = await StartClusterAsync(FolderStore());
        await StartDaemonAsync();
        var second = await WalRusProgram.RunAsync(["daemon", SocketPath], environment);
        Assert.Equal(1, second.ExitCode);
        Assert.Contains("runs already", second.Errors, StringComparison.Ordinal);
        Assert.Contains("\"lanes_total\": 4", await WalRusProgram.SucceedAsync(environment, "daemon", "--status", SocketPath), StringComparison.Ordinal);

        await WalRusProgram.SucceedAsync(environment, "daemon", "--stop", SocketPath);
        await UntilGoneAsync();
        await StartDaemonAsync();
        await GenerateAsync(cluster, 2);
        await ArchivedAsync(cluster);
    }

    private Dictionary<string, string> FolderStore()
    {
        Directory.CreateDirectory(folder["archive"]);
        return new() { ["WALG_FILE_PREFIX"] = folder["archive"] };
    }

    private async Task<PostgresCluster> StartClusterAsync(Dictionary<string, string> store, string? client = null)
    {
        Directory.CreateDirectory(Copies);
        environment = new(store) { ["WALG_UPLOAD_CONCURRENCY"] = "4", ["HOME"] = folder.FullName };
        client ??= $"\"{WalRusProgram.ClientPath}\" {SocketPath} wal-push \"%p\"";
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        var cluster = await PostgresCluster.StartAsync(new PostgresClusterOptions
        {
            WalSegmentMegabytes = 1,
            ArchiveCommand = $"cp \"%p\" \"{Copies}/%f.tmp\" && {client} && mv \"{Copies}/%f.tmp\" \"{Copies}/%f\"",
            Environment = environment,
        });
        running.Add(cluster);
        environment["PGDATA"] = cluster.DataDirectory;
        return cluster;
    }

    private async Task<DaemonProcess> StartDaemonAsync(string? socketPath = null)
    {
        var daemon = await DaemonProcess.StartAsync(socketPath ?? SocketPath, environment);
        running.Add(daemon);
        return daemon;
    }

    /// <summary>Fills so many segments of 1 MiB and ends the last one.</summary>
    private static async Task GenerateAsync(PostgresCluster cluster, int segments)
    {
        await cluster.ExecuteAsync("CREATE TABLE IF NOT EXISTS filler (t text)");
        await cluster.ExecuteAsync(
            $"INSERT INTO filler SELECT string_agg(md5(n::text || r::text), '') FROM generate_series(1, 200) n, generate_series(1, {segments * 145}) r GROUP BY r");
        await cluster.ExecuteAsync("SELECT pg_switch_wal()");
    }

    /// <summary>Waits until nothing is ready any more; ends an archiver's long pause after three failures.</summary>
    private static async Task ArchivedAsync(PostgresCluster cluster)
    {
        var status = Path.Combine(cluster.DataDirectory, "pg_wal", "archive_status");
        var woken = Stopwatch.StartNew();
        await PostgresCluster.UntilAsync(
            async () =>
            {
                if (woken.Elapsed > TimeSpan.FromSeconds(5))
                {
                    // A reload wakes the archiver, which otherwise sleeps for a minute.
                    await cluster.ReloadAsync();
                    woken.Restart();
                }

                return !Directory.EnumerateFiles(status, "*.ready").Any();
            },
            TimeSpan.FromMinutes(2));
    }

    private async Task UntilGoneAsync() =>
        await PostgresCluster.UntilAsync(() => Task.FromResult(!File.Exists(SocketPath)));

    /// <summary>Fetches every file whose archive_command ended well and compares it.</summary>
    /// <returns>How many there were.</returns>
    private async Task<int> CompareAsync()
    {
        var settings = WalRusSettings.Load(new SettingSources
        {
            Environment = environment.Where(pair => pair.Key != "HOME").ToDictionary(),
        });
        await using var engine = WalRusEngine.Open(settings, NullEventLog.Instance);
        var fetch = engine.CreateWalFetch();
        var names = Directory.EnumerateFiles(Copies).Select(path => Path.GetFileName(path))
            .Where(name => !name.EndsWith(".tmp", StringComparison.Ordinal)).Order(StringComparer.Ordinal).ToList();
        foreach (var name in names)
        {
            await fetch.RunAsync(
                new WalFetchRequest { Name = name, Destination = folder["fetched"] }, TestContext.Current.CancellationToken);
            var expected = await File.ReadAllBytesAsync(Path.Combine(Copies, name), TestContext.Current.CancellationToken);
            var fetched = await File.ReadAllBytesAsync(folder["fetched"], TestContext.Current.CancellationToken);
            Assert.True(expected.AsSpan().SequenceEqual(fetched), name);
        }

        return names.Count;
    }
}
