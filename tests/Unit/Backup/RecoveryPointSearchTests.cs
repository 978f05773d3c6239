using WalRus.Backup;
using WalRus.Postgres;

namespace WalRus.Tests.Backup;

/// <summary>Which moments of an archive are found, and from which backup they can be reached.</summary>
public sealed class RecoveryPointSearchTests : IDisposable
{
    private static readonly DateTimeOffset Noon = WrittenArchive.Noon;

    private readonly WrittenArchive written = new();

    public void Dispose() => written.Dispose();

    [Fact]
    public async Task Every_kind_of_point_comes_in_the_order_of_the_wal()
    {
        var (first, second) = await written.TwoBackupsAsync();
        var points = await FindAsync(new());
        Assert.Equal(points.OrderBy(point => point.Lsn).Select(point => point.Lsn), points.Select(point => point.Lsn));
        Assert.Equal(
            [first, second],
            points.Where(point => point.Kind == RecoveryPointKinds.Backup).Select(point => point.Name));
        Assert.Equal(
            ["early", "late"],
            points.Where(point => point.Kind == RecoveryPointKinds.RestorePoint).Select(point => point.Name));
        Assert.Equal(
            Enumerable.Range(101, 9).Concat(Enumerable.Range(201, 9)).Select(xid => (uint?)xid),
            points.Where(point => point.Kind == RecoveryPointKinds.Commit).Select(point => point.Xid));
        var ends = points.Where(point => point.Kind == RecoveryPointKinds.SegmentEnd).ToList();
        Assert.InRange(ends.Count, 3, written.Wal.Segments().Count());
        Assert.All(ends, end => Assert.Equal(end.Name, WalFileName.FromLsn(end.Timeline, new Lsn(end.EndLsn.Value - 1), SyntheticWal.Small).ToString()));
        Assert.All(points.SkipWhile(point => point.Name != first), point => Assert.Null(point.Obstacle));
        Assert.Equal(first, points.Single(point => point.Xid == 109).Backup?.Name.ToString());
        Assert.Equal(second, points.Single(point => point.Xid == 201).Backup?.Name.ToString());
    }

    [Fact]
    public async Task A_window_of_time_holds_what_happened_in_it()
    {
        await written.TwoBackupsAsync();
        var points = await FindAsync(new() { From = Noon.AddMinutes(5), To = Noon.AddMinutes(20) });
        Assert.Equal([105u, 106u, 107u, 108u, 109u], Xids(points));
        Assert.Equal("early", points.Single(point => point.Kind == RecoveryPointKinds.RestorePoint).Name);
        Assert.DoesNotContain(points, point => point.Kind == RecoveryPointKinds.Backup);
        points = await FindAsync(new() { From = Noon.AddMinutes(65.5), Kinds = RecoveryPointKinds.Commit });
        Assert.Equal([206u, 207u, 208u, 209u], Xids(points));
        points = await FindAsync(new() { To = Noon.AddMinutes(2), Kinds = RecoveryPointKinds.Commit });
        Assert.Equal([101u, 102u], Xids(points));
        Assert.Empty(await FindAsync(new() { From = Noon.AddDays(1) }));
        Assert.Empty(await FindAsync(new() { To = Noon.AddDays(-1) }));
    }

    [Fact]
    public async Task The_nearest_to_a_time_are_kept()
    {
        await written.TwoBackupsAsync();
        var points = await FindAsync(new() { Around = Noon.AddMinutes(64.1), Nearest = 3, Kinds = RecoveryPointKinds.Commit });
        Assert.Equal([203u, 204u, 205u], Xids(points));
        points = await FindAsync(new() { Lsn = points[1].Lsn, Nearest = 1 });
        Assert.Equal([204u], Xids(points));
    }

    [Fact]
    public async Task A_name_and_a_transaction_are_found_alone()
    {
        await written.TwoBackupsAsync();
        var point = Assert.Single(await FindAsync(new() { Name = name => name.StartsWith('l') }));
        Assert.Equal((RecoveryPointKinds.RestorePoint, "late", Noon.AddMinutes(80)), (point.Kind, point.Name, point.Time));
        point = Assert.Single(await FindAsync(new() { Xid = 104 }));
        Assert.Equal((RecoveryPointKinds.Commit, 104u), (point.Kind, point.Xid));
        Assert.Empty(await FindAsync(new() { Xid = 150 }));
    }

    [Fact]
    public async Task What_lies_behind_a_gap_is_reached_from_a_backup_behind_it_only()
    {
        var (first, second) = await written.TwoBackupsAsync();
        var points = await FindAsync(new());
        var gone = points.First(point => point.Kind == RecoveryPointKinds.SegmentEnd && point.Lsn >= points.Single(p => p.Xid == 105).Lsn).Name!;
        File.Delete(written.Folder["archive", "wal_005", gone]);
        points = await FindAsync(new());
        var behind = points.Single(point => point.Xid == 109);
        Assert.Equal((null, $"{gone} is missing or broken"), (behind.Backup, behind.Obstacle));
        Assert.Equal(first, points.Single(point => point.Xid == 102).Backup?.Name.ToString());
        Assert.Equal(second, points.Single(point => point.Xid == 209).Backup?.Name.ToString());
    }

    [Fact]
    public async Task What_lies_behind_a_broken_record_is_found_and_cannot_be_reached()
    {
        await written.TwoBackupsAsync();
        var points = await FindAsync(new());
        var broken = points.First(point => point.Kind == RecoveryPointKinds.SegmentEnd && point.Lsn >= points.Single(p => p.Xid == 105).Lsn);
        var file = written.Folder["archive", "wal_005", broken.Name!];
        var bytes = await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken);
        bytes[8_300] ^= 1;
        await File.WriteAllBytesAsync(file, bytes, TestContext.Current.CancellationToken);
        var log = new WalRus.Tests.RecordingLog();
        points = await FindAsync(new(), log);
        Assert.Null(points.Single(point => point.Xid == 109).Backup);
        Assert.NotNull(points.Single(point => point.Xid == 102).Backup);
        Assert.NotNull(points.Single(point => point.Xid == 209).Backup);
        Assert.Equal(1, log.Count(nameof(LogEvents.RecoveryPointsBroken)));
    }

    [Fact]
    public async Task A_timeline_shows_what_it_does_not_share_with_the_one_it_came_from()
    {
        var (_, second) = await written.TwoBackupsAsync();
        var fork = (await FindAsync(new() { Xid = 204 })).Single();
        await written.ForkAsync(fork, 2, wal =>
        {
            wal.Commit(205, Noon.AddHours(5));
            wal.RestorePoint("other", Noon.AddHours(6));
            wal.Switch();
        });
        var points = await FindAsync(new() { Kinds = RecoveryPointKinds.Commit | RecoveryPointKinds.RestorePoint, Timeline = new TimelineId(2) });
        Assert.Equal([(205u, null), (null, "other")], points.Select(point => (point.Xid, point.Name)));
        Assert.All(points, point => Assert.Equal((2u, second), (point.Timeline.Value, point.Backup?.Name.ToString())));
        Assert.Equal(2, (await FindAsync(new() { Xid = 205 })).Count);
        File.Delete(written.Folder["archive", "wal_005", "00000002.history"]);
        points = await FindAsync(new() { Name = name => name == "other" });
        Assert.Equal("00000002.history is not archived", Assert.Single(points).Obstacle);
    }

    [Fact]
    public async Task Recovery_is_measured_for_each_timeline()
    {
        var (first, second) = await written.TwoBackupsAsync();
        var time = new ManualTime();
        time.Advance(Noon.AddHours(2) - time.GetUtcNow());
        var measured = Assert.Single(await MeasureAsync(time));
        Assert.Equal((1u, true, 2), (measured.Timeline.Value, measured.IsNewest, measured.BackupCount));
        Assert.Equal((Noon.AddMinutes(-1), Noon.AddMinutes(80)), (measured.OldestTime, measured.NewestTime));
        Assert.Equal(TimeSpan.FromMinutes(40), measured.RecoveryPointAge);
        Assert.Empty(measured.Gaps);
        Assert.Equal(second, measured.NewestBackup?.Name.ToString());
        Assert.Equal(measured.NewestSegment?.ToString(), written.Wal.Segments().Last().Name);

        var fork = (await FindAsync(new() { Xid = 204 })).Single();
        await written.ForkAsync(fork, 2, wal =>
        {
            wal.Commit(205, Noon.AddMinutes(100));
            wal.Switch();
        });
        var gone = (await FindAsync(new() { Xid = 105 })).Single().Lsn;
        File.Delete(written.Folder["archive", "wal_005", WalFileName.FromLsn(new TimelineId(1), gone, SyntheticWal.Small).ToString()]);
        var both = await MeasureAsync(time);
        Assert.Equal([null, TimeSpan.FromMinutes(20)], both.Select(timeline => timeline.RecoveryPointAge));
        Assert.Equal([Noon.AddMinutes(80), Noon.AddMinutes(100)], both.Select(timeline => timeline.NewestTime));
        Assert.All(both, timeline => Assert.Equal(1u, (uint)Assert.Single(timeline.Gaps).Count));
        Assert.Equal(first, (await FindAsync(new() { Xid = 101 })).Single().Backup?.Name.ToString());
    }

    private static IEnumerable<uint> Xids(IEnumerable<RecoveryPoint> points) =>
        points.Where(point => point.Kind == RecoveryPointKinds.Commit).Select(point => point.Xid!.Value);

    private Task<IReadOnlyList<TimelineRecovery>> MeasureAsync(TimeProvider time) =>
        new RecoveryMeasurement(written.Archive, new BackupFetchOptions(), time, NullEventLog.Instance).RunAsync(
            new RecoveryMeasureRequest(), TestContext.Current.CancellationToken);

    private async Task<List<RecoveryPoint>> FindAsync(RecoveryPointRequest request, IEventLog? log = null)
    {
        var found = new List<RecoveryPoint>();
        await foreach (var point in new RecoveryPointSearch(written.Archive, log ?? NullEventLog.Instance)
            .RunAsync(request, TestContext.Current.CancellationToken))
        {
            found.Add(point);
        }

        return found;
    }
}
