namespace WalRus.Tests.EndToEnd;

/// <summary>A server recovers, then follows, through the daemon and its client; its answers are those of the first server.</summary>
public sealed class DaemonReplayTests : IAsyncDisposable
{
    private const int PrefetchMegabytes = 5;

    private readonly TemporaryFolder folder = new();
    private readonly List<IAsyncDisposable> running = [];
    private readonly Dictionary<string, string> environment = [];

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
    public async Task A_server_replays_follows_and_is_promoted_through_the_daemon_and_nothing_is_left_behind()
    {
        var first = await StartFirstAsync();
        await GenerateAsync(first, 3);
        var second = await RestoreAsync(first);
        var daemon = await StartDaemonAsync(folder["restore.s"], second);
        var watching = WatchPrefetchAsync(second, out var end);
        await second.StartAsync();
        await SameAsync(first, second);

        // It follows what is archived from now on, though the daemon dies with segments fetched ahead and on their way.
        await GenerateAsync(first, 15);
        await daemon.KillAsync();
        await GenerateAsync(first, 15);
        daemon = await StartDaemonAsync(folder["restore.s"], second);
        await SameAsync(first, second);

        await second.PromoteAsync();
        await second.ExecuteAsync("INSERT INTO filler VALUES ('a row of the new timeline')");
        Assert.Equal("00000002", await second.ScalarAsync<string>("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"));
        Assert.InRange((await daemon.StatusAsync()).Fetched, 10, 200);
        Assert.Equal(0, await daemon.TerminateAsync());
        await end.CancelAsync();
        
        // One more for the moment in which the asked one is taken.
        Assert.InRange(await watching, 2, PrefetchMegabytes + 1);
        Assert.Empty(Prefetched(second));
    }

    private async Task<PostgresCluster> StartFirstAsync()
    {
        Directory.CreateDirectory(folder["archive"]);
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        environment["HOME"] = folder.FullName;
        environment["WALG_FILE_PREFIX"] = folder["archive"];
        environment["WALRUS_PREFETCH_BYTES"] = $"{PrefetchMegabytes}MiB";
        var cluster = await PostgresCluster.StartAsync(new PostgresClusterOptions
        {
            WalSegmentMegabytes = 1,
            ArchiveCommand = $"\"{WalRusProgram.ClientPath}\" {folder["push.s"]} wal-push \"%p\"",
            Environment = environment,
        });
        running.Add(cluster);
        await StartDaemonAsync(folder["push.s"], cluster);
        await cluster.ExecuteAsync("CREATE TABLE filler (t text)");
        return cluster;
    }

    private async Task<DaemonProcess> StartDaemonAsync(string socketPath, PostgresCluster cluster)
    {
        var daemon = await DaemonProcess.StartAsync(
            socketPath, new Dictionary<string, string>(environment) { ["PGDATA"] = cluster.DataDirectory });
        running.Add(daemon);
        return daemon;
    }

    /// <summary>A standby from a backup of before, which has the archive only.</summary>
    private async Task<PostgresCluster> RestoreAsync(PostgresCluster first)
    {
        var connection = new Dictionary<string, string>(environment)
        {
            ["PGHOST"] = first.Host, ["PGPORT"] = $"{first.Port}", ["PGUSER"] = first.User,
        };
        await WalRusProgram.SucceedAsync(connection, "backup-push", first.DataDirectory);
        await GenerateAsync(first, 40);
        var restored = await PostgresCluster.OverExistingAsync(new PostgresClusterOptions
        {
            Archiving = false,
            Environment = environment,
            Settings = new Dictionary<string, string>
            {
                ["restore_command"] = $"\"{WalRusProgram.ClientPath}\" {folder["restore.s"]} wal-fetch \"%f\" \"%p\" -timeout 30s",
                ["wal_retrieve_retry_interval"] = "200ms",
            },
        });
        running.Add(restored);
        await WalRusProgram.SucceedAsync(environment, "backup-fetch", restored.DataDirectory, "LATEST");
        restored.WriteSettings();
        await File.WriteAllTextAsync(Path.Combine(restored.DataDirectory, "standby.signal"), "", TestContext.Current.CancellationToken);
        await restored.TakeOwnershipAsync();
        return restored;
    }

    /// <summary>Fills so many segments of 1 MiB; all of it is archived then.</summary>
    private static async Task GenerateAsync(PostgresCluster cluster, int segments)
    {
        await cluster.ExecuteAsync(
            $"INSERT INTO filler SELECT string_agg(md5(n::text || r::text), '') FROM generate_series(1, 200) n, generate_series(1, {segments * 145}) r GROUP BY r");
        await cluster.SwitchWalAsync();
    }

    private static async Task SameAsync(PostgresCluster first, PostgresCluster second)
    {
        var expected = await ArchivedCluster.FingerprintAsync(first, "filler");
        await PostgresCluster.UntilAsync(
            async () => await ArchivedCluster.FingerprintAsync(second, "filler") == expected, TimeSpan.FromMinutes(2));
    }

    /// <summary>The most segments that ever waited or were on their way at once.</summary>
    private static Task<int> WatchPrefetchAsync(PostgresCluster cluster, out CancellationTokenSource end)
    {
        var stop = end = new CancellationTokenSource();
        return Task.Run(async () =>
        {
            var most = 0;
            while (!stop.IsCancellationRequested)
            {
                most = Math.Max(most, Prefetched(cluster).Length);
                await Task.Delay(2, CancellationToken.None);
            }

            return most;
        });
    }

    private static string[] Prefetched(PostgresCluster cluster)
    {
        var prefetch = Path.Combine(cluster.DataDirectory, "pg_wal", ".wal-g", "prefetch");
        return Directory.Exists(prefetch)
            ? [.. Directory.EnumerateFiles(prefetch, "*", SearchOption.AllDirectories).Select(path => Path.GetFileName(path)!).Distinct()] : [];
    }
}
