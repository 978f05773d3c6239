using WalRus.Postgres;
using WalRus.Tests.Contracts;
using WalRus.Wal;

namespace WalRus.Tests.Wal;

/// <summary>Receiving from real servers.</summary>
public sealed class WalReceiveTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>The oldest and the newest, with small segments and large.</summary>
    [Theory]
    [InlineData(13, 1)]
    [InlineData(15, 16)]
    [InlineData(18, 64)]
    public async Task What_is_received_under_load_is_byte_for_byte_what_the_server_wrote(int major, int megabytes)
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { Major = major, WalSegmentMegabytes = megabytes });
        await using var receiver = new Receiver();
        receiver.Start(cluster.Settings());
        await Receiver.UntilStreamingAsync(cluster);

        await cluster.ExecuteAsync("CREATE TABLE t (n int, x text)");
        var rows = 30_000 * Math.Min(megabytes, 16) / 4;
        await Task.WhenAll(Enumerable.Range(0, 3).Select(i => cluster.ExecuteAsync(
            $"INSERT INTO t SELECT n, repeat(md5(n::text), 3) FROM generate_series(1, {rows / 3}) AS n")));
        var last = await cluster.SwitchWalAsync();
        await receiver.UntilArchivedAsync(last);
        var statistics = await receiver.StopAsync();

        var count = await receiver.AssertEqualToAsync(cluster, last, megabytes);
        Assert.Equal(count, statistics.Segments);
        Assert.Equal(count, receiver.Durable.Count);
        Assert.True(statistics.ReceivedBytes >= (long)(count - 1) << 20, $"{statistics}");

        // The slot stands where the store does, and the server may reuse everything before.
        Assert.Equal(
            WalFileName.Parse(last).Next(WalSegmentSize.FromBytes(megabytes << 20)).StartLsn(WalSegmentSize.FromBytes(megabytes << 20)).ToString(),
            await cluster.ScalarAsync<string>("SELECT restart_lsn::text FROM pg_replication_slots WHERE slot_name = 'walg' AND NOT active"));
    }

    [Fact]
    public async Task After_a_break_of_any_length_nothing_is_missing()
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { WalSegmentMegabytes = 1 });
        await using var receiver = new Receiver();
        receiver.Start(cluster.Settings());
        await Receiver.UntilStreamingAsync(cluster);
        await cluster.ExecuteAsync("CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 20000) AS n");
        await receiver.StopAsync();

        // Away: the slot keeps what is written.
        await cluster.ExecuteAsync("INSERT INTO t SELECT n, md5(n::text) FROM generate_series(1, 20000) AS n");
        await cluster.ExecuteAsync("CHECKPOINT");
        receiver.Start(cluster.Settings());
        await Receiver.UntilStreamingAsync(cluster);

        // The server ends the session, restarts, crashes: each time receiving goes on by itself.
        await cluster.ExecuteAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_replication");
        await cluster.ExecuteAsync("INSERT INTO t SELECT n, md5(n::text) FROM generate_series(1, 20000) AS n");
        await Receiver.UntilStreamingAsync(cluster);
        await cluster.RestartAsync();
        await Receiver.UntilStreamingAsync(cluster);
        await cluster.ExecuteAsync("INSERT INTO t SELECT n, md5(n::text) FROM generate_series(1, 20000) AS n");
        await cluster.KillAsync();
        await cluster.StartAsync();
        await cluster.ExecuteAsync("INSERT INTO t SELECT n, md5(n::text) FROM generate_series(1, 20000) AS n");
        var last = await cluster.SwitchWalAsync();
        await receiver.UntilArchivedAsync(last);
        var statistics = await receiver.StopAsync();
        Assert.InRange(statistics.Reconnects, 3, 100);
        Assert.True(await receiver.AssertEqualToAsync(cluster, last, 1) > 5);
        Assert.DoesNotContain(Directory.GetFiles(receiver.Folder), file => Path.GetFileName(file).Length == 24);
    }

    [Fact]
    public async Task The_server_hears_as_flushed_only_what_is_in_the_store_and_a_commit_may_wait_for_what_is_received()
    {
        await using var cluster = await PostgresCluster.StartAsync(new()
        {
            WalSegmentMegabytes = 1,
            Settings = new Dictionary<string, string> { ["synchronous_standby_names"] = "walrus_sync", ["synchronous_commit"] = "local" },
        });
        await using var receiver = new Receiver { StoreIsAway = true };
        receiver.Start(cluster.Settings() with { ApplicationName = "walrus_sync" });
        await Receiver.UntilStreamingAsync(cluster);
        Assert.Equal("sync", await cluster.ScalarAsync<string>("SELECT sync_state FROM pg_stat_replication"));

        // Waits for the receiver's write, at once and not only at the next interval.
        await cluster.ExecuteAsync("SET synchronous_commit = remote_write; CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 20000) AS n");
        var switched = await cluster.SwitchWalAsync();
        await PostgresCluster.UntilAsync(() => Task.FromResult(receiver.Log.Count("ReceiveStoreWaiting") > 0));
        await PostgresCluster.UntilAsync(() => cluster.ScalarAsync<bool>("SELECT write_lsn >= pg_current_wal_flush_lsn() FROM pg_stat_replication"));
        var first = await cluster.ScalarAsync<string>("SELECT pg_walfile_name(flush_lsn + 1) FROM pg_stat_replication");
        Assert.True(string.CompareOrdinal(first, switched) <= 0, $"{first} is said to be flushed and nothing is stored");
        Assert.Empty(receiver.Names());
    }

    [Fact]
    public async Task A_store_that_is_away_makes_receiving_pause_within_its_bound_and_go_on()
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { WalSegmentMegabytes = 1 });
        await using var receiver = new Receiver { WaitingSegments = 3, StoreIsAway = true };
        receiver.Start(cluster.Settings());
        await Receiver.UntilStreamingAsync(cluster);
        await cluster.ExecuteAsync("CREATE TABLE t AS SELECT n, repeat(md5(n::text), 5) FROM generate_series(1, 60000) AS n");
        var last = await cluster.SwitchWalAsync();
        await PostgresCluster.UntilAsync(() => Task.FromResult(receiver.Log.Count("ReceivePaused") > 0));
        Assert.InRange(Directory.GetFiles(receiver.Folder, "0*").Length, 1, 4);

        receiver.StoreIsAway = false;
        await receiver.UntilArchivedAsync(last);
        await receiver.StopAsync();
        Assert.True(await receiver.AssertEqualToAsync(cluster, last, 1) > 4);
    }

    [Fact]
    public async Task WAL_that_the_server_no_longer_has_is_an_error_and_is_skipped_only_when_asked()
    {
        await using var cluster = await PostgresCluster.StartAsync(new()
        {
            WalSegmentMegabytes = 1,
            Settings = new Dictionary<string, string> { ["wal_keep_size"] = "0", ["min_wal_size"] = "2MB", ["max_wal_size"] = "2MB" },
        });
        await using var receiver = new Receiver { Slot = null };
        receiver.Start(cluster.Settings());
        await Receiver.UntilStreamingAsync(cluster);
        var first = await cluster.SwitchWalAsync();
        await receiver.UntilArchivedAsync(first);
        await receiver.StopAsync();
        for (var i = 0; i < 6; i++)
        {
            await cluster.SwitchWalAsync();
        }

        await cluster.ExecuteAsync("CHECKPOINT");
        receiver.Start(cluster.Settings());
        var failure = await receiver.EndAsync().FailsAsync(ErrorCode.ReplicationWalMissing);
        Assert.Contains("--skip-gap", failure.Hint, StringComparison.Ordinal);

        receiver.Start(cluster.Settings(), new WalReceiveRequest { SkipGap = true });
        await Receiver.UntilStreamingAsync(cluster);
        await receiver.UntilArchivedAsync(await cluster.SwitchWalAsync());
        await receiver.StopAsync();
        Assert.Equal(1, receiver.Log.Count("ReceiveGapSkipped"));
    }

    [Theory]
    [InlineData(13, ErrorCode.ReplicationWalMissing, "--skip-gap")]
    [InlineData(18, ErrorCode.ReplicationSlotUnusable, "--drop-slot")]
    public async Task A_slot_that_the_server_gave_up_is_an_error_that_says_what_to_do_and_no_gap_is_made(int major, ErrorCode code, string advice)
    {
        await using var cluster = await PostgresCluster.StartAsync(new()
        {
            Major = major,
            WalSegmentMegabytes = 1,
            Settings = new Dictionary<string, string>
            {
                ["wal_keep_size"] = "0",
                ["min_wal_size"] = "2MB",
                ["max_wal_size"] = "2MB",
                ["max_slot_wal_keep_size"] = "1MB",
            },
        });
        await using var receiver = new Receiver();
        receiver.Start(cluster.Settings());
        await Receiver.UntilStreamingAsync(cluster);
        await receiver.UntilArchivedAsync(await cluster.SwitchWalAsync());
        await receiver.StopAsync();
        for (var i = 0; i < 6; i++)
        {
            await cluster.SwitchWalAsync();
        }

        await cluster.ExecuteAsync("CHECKPOINT");
        Assert.Equal("lost", await cluster.ScalarAsync<string>("SELECT wal_status FROM pg_replication_slots"));
        var held = receiver.Names();
        receiver.Start(cluster.Settings());
        var failure = await receiver.EndAsync().FailsAsync(code);
        Assert.Contains(advice, failure.Hint, StringComparison.Ordinal);
        Assert.Equal(held, receiver.Names());

        // As the hint says; the server no longer has what the slot kept, which is never passed over.
        Assert.True(await receiver.Create(cluster.Settings()).DropSlotAsync(Token));
        receiver.Start(cluster.Settings());
        await receiver.EndAsync().FailsAsync(ErrorCode.ReplicationWalMissing);
        Assert.Equal(held, receiver.Names());
    }

    /// <summary>Without a slot and an archive nothing else would say where it was.</summary>
    [Fact]
    public async Task A_receiver_that_ends_before_the_first_byte_begins_there_again()
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { WalSegmentMegabytes = 1 });
        await using var receiver = new Receiver { Slot = null };
        using var stop = new CancellationTokenSource();
        await receiver.Create(cluster.Settings(), new StopAtStart(stop)).RunAsync(new WalReceiveRequest { Stop = stop.Token }, Token);
        var first = await cluster.SwitchWalAsync();
        await cluster.SwitchWalAsync();
        receiver.Start(cluster.Settings());
        await receiver.UntilArchivedAsync(await cluster.SwitchWalAsync());
        await receiver.StopAsync();
        Assert.Contains(first, receiver.Names());
    }

    private sealed class StopAtStart(CancellationTokenSource stop) : IEventLog
    {
        public bool IsEnabled(EventLevel level) => true;

        public void Write(in LogEvent logEvent)
        {
            if (logEvent.Name == "ReceiveStarted")
            {
                stop.Cancel();
            }
        }
    }

    [Fact]
    public async Task What_received_segments_change_is_recorded_beside_them()
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { WalSegmentMegabytes = 1, Archiving = false });
        await using var receiver = new Receiver { RecordsDelta = true };
        receiver.Start(cluster.Settings());
        await Receiver.UntilStreamingAsync(cluster);
        await cluster.ExecuteAsync("CREATE TABLE t (n int)");
        for (var i = 0; i < 33; i++)
        {
            await cluster.ExecuteAsync("INSERT INTO t VALUES (1)");
            await cluster.ExecuteAsync("SELECT pg_switch_wal()");
        }

        await PostgresCluster.UntilAsync(
            () => Task.FromResult(receiver.Names().Any(name => name.EndsWith("_delta", StringComparison.Ordinal))));
    }

    [Fact]
    public async Task A_slot_is_made_kept_told_from_a_logical_one_and_dropped_on_request()
    {
        await using var cluster = await PostgresCluster.StartAsync(
            new() { Settings = new Dictionary<string, string> { ["wal_level"] = "logical" } });
        await using var receiver = new Receiver();
        var receive = receiver.Create(cluster.Settings());
        Assert.True(await receive.CreateSlotAsync(Token));
        Assert.False(await receive.CreateSlotAsync(Token));
        Assert.Equal(["walg|physical"], await cluster.QueryAsync("SELECT slot_name, slot_type FROM pg_replication_slots"));
        Assert.True(await receive.DropSlotAsync(Token));
        Assert.False(await receive.DropSlotAsync(Token));
        await cluster.ExecuteAsync("SELECT pg_create_logical_replication_slot('walg', 'test_decoding')");
        receiver.Start(cluster.Settings());
        await receiver.EndAsync().FailsAsync(ErrorCode.ReplicationSlotUnusable);
    }

    /// <summary>As when a service is stopped and its slot dropped: the server holds it until it sees that the receiver is gone.</summary>
    [Fact]
    public async Task A_slot_that_is_let_go_in_a_moment_is_dropped()
    {
        await using var cluster = await PostgresCluster.StartAsync();
        await using var receiver = new Receiver();
        receiver.Start(cluster.Settings());
        await Receiver.UntilStreamingAsync(cluster);
        var dropping = receiver.Create(cluster.Settings()).DropSlotAsync(Token);
        await Task.Delay(TimeSpan.FromMilliseconds(300), Token);
        Assert.False(dropping.IsCompleted);
        await receiver.StopAsync();
        Assert.True(await dropping);
    }

    [Fact]
    public async Task Another_clusters_archive_is_refused_and_so_is_a_folder_in_use()
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { WalSegmentMegabytes = 1 });
        await using var receiver = new Receiver();
        receiver.Start(cluster.Settings());
        await Receiver.UntilStreamingAsync(cluster);
        await receiver.UntilArchivedAsync(await cluster.SwitchWalAsync());
        await receiver.Create(cluster.Settings()).RunAsync(new WalReceiveRequest(), Token).FailsAsync(ErrorCode.DaemonAlreadyRunning);
        await receiver.StopAsync();

        await using var other = await PostgresCluster.StartAsync(new() { WalSegmentMegabytes = 1 });
        receiver.Start(other.Settings());
        await receiver.EndAsync().FailsAsync(ErrorCode.WalSegmentForeign);
    }

    [Fact]
    public async Task Receiving_ends_at_a_position_and_at_once_when_cancelled()
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { WalSegmentMegabytes = 1 });
        await using var receiver = new Receiver();
        var end = Lsn.Parse(await cluster.ScalarAsync<string>("SELECT (pg_current_wal_lsn() + 3000000)::text"));
        receiver.Start(cluster.Settings(), new WalReceiveRequest { EndPosition = end });
        await Receiver.UntilStreamingAsync(cluster);
        await cluster.ExecuteAsync("CREATE TABLE t AS SELECT n, repeat(md5(n::text), 5) FROM generate_series(1, 60000) AS n");
        var statistics = await receiver.EndAsync();
        Assert.True(statistics.ReceivedPosition >= end);
        Assert.True(end - statistics.DurablePosition < 1 << 20);

        using var cancellation = new CancellationTokenSource();
        var running = receiver.Create(cluster.Settings()).RunAsync(new WalReceiveRequest(), cancellation.Token);
        await Receiver.UntilStreamingAsync(cluster);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running.WaitAsync(TimeSpan.FromSeconds(2), Token));
    }
}
