using WalRus.Postgres;

namespace WalRus.Tests.Wal;

/// <summary>Receiving across promotions.</summary>
public sealed class WalReceivePromotionTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_promotion_is_followed_onto_the_new_timeline_with_its_history_and_the_end_of_the_old_one()
    {
        await using var primary = await PostgresCluster.StartAsync(new() { WalSegmentMegabytes = 1 });
        await using var standby = await primary.CreateStandbyAsync(new() { WalSegmentMegabytes = 1 });
        await using var receiver = new Receiver();
        receiver.Start(standby.Settings());
        await Receiver.UntilStreamingAsync(standby);
        await primary.ExecuteAsync("CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 20000) AS n");
        await PostgresCluster.UntilAsync(() => primary.ScalarAsync<bool>("SELECT replay_lsn >= pg_current_wal_lsn() FROM pg_stat_replication"));
        await standby.PromoteAsync();
        await standby.ExecuteAsync("INSERT INTO t SELECT n, md5(n::text) FROM generate_series(1, 20000) AS n");
        var last = await standby.SwitchWalAsync();
        Assert.StartsWith("00000002", last, StringComparison.Ordinal);
        await receiver.UntilArchivedAsync(last);
        await receiver.StopAsync();

        var history = await receiver.ReadAsync("00000002.history");
        Assert.Equal(await File.ReadAllBytesAsync(Path.Combine(standby.ArchiveFolder, "00000002.history"), Token), history);
        var end = TimelineHistory.Parse(new TimelineId(2), history).Switches[0].SwitchPoint;
        var size = WalSegmentSize.FromBytes(1 << 20);
        var switched = WalFileName.FromLsn(new TimelineId(1), end, size);
        var partial = await receiver.ReadAsync($"{switched}.partial");
        Assert.Equal(size.Bytes, partial.Length);
        var next = await receiver.ReadAsync(WalFileName.FromLsn(new TimelineId(2), end, size).ToString());
        var kept = (int)(end.Value % (ulong)size.Bytes);
        Assert.True(partial.AsSpan(0, kept).SequenceEqual(next.AsSpan(0, kept)));
        Assert.Equal(-1, partial.AsSpan(kept).IndexOfAnyExcept((byte)0));
        for (var name = WalFileName.FromLsn(new TimelineId(2), end, size); name <= WalFileName.Parse(last); name = name.Next(size))
        {
            Assert.Equal(
                await File.ReadAllBytesAsync(Path.Combine(standby.ArchiveFolder, name.ToString()), Token), await receiver.ReadAsync(name.ToString()));
        }
    }

    [Fact]
    public async Task A_receiver_that_was_away_during_a_promotion_goes_on_at_the_switch()
    {
        await using var primary = await PostgresCluster.StartAsync(new() { WalSegmentMegabytes = 1 });
        await using var standby = await primary.CreateStandbyAsync(new() { WalSegmentMegabytes = 1 });
        await using var receiver = new Receiver { Slot = null };
        receiver.Start(primary.Settings());
        await Receiver.UntilStreamingAsync(primary, 2);
        await primary.ExecuteAsync("CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 20000) AS n");
        await receiver.UntilArchivedAsync(await primary.SwitchWalAsync());
        await receiver.StopAsync();
        await primary.StopAsync();
        await standby.PromoteAsync();
        await standby.ExecuteAsync("INSERT INTO t SELECT n, md5(n::text) FROM generate_series(1, 20000) AS n");
        var last = await standby.SwitchWalAsync();
        receiver.Start(standby.Settings());
        await receiver.UntilArchivedAsync(last);
        await receiver.StopAsync();
        var history = TimelineHistory.Parse(new TimelineId(2), await receiver.ReadAsync("00000002.history"));
        var size = WalSegmentSize.FromBytes(1 << 20);
        var names = receiver.Names();
        var first = WalFileName.Parse(names.First(name => name.Length == 24));
        for (var number = first.SegmentNumber(size); number <= WalFileName.Parse(last).SegmentNumber(size); number++)
        {
            var timeline = history.TimelineAt(size.StartOf(number) + (ulong)(size.Bytes - 1));
            Assert.Contains(WalFileName.FromSegment(timeline, number, size).ToString(), names);
        }

        // The old primary is not where the archive is any more: that is said at a start, and is the end within a run.
        await primary.StartAsync();
        receiver.Start(primary.Settings());
        await PostgresCluster.UntilAsync(() => Task.FromResult(receiver.Log.Count("ReceiveLaterTimeline") == 1));
        await receiver.StopAsync();
    }
}
