using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Compression;
using WalRus.Postgres;
using WalRus.Tests.Contracts;
using WalRus.Tests.Faults;

namespace WalRus.Tests.Backup;

/// <summary>Targets whose place only the archived WAL tells: names, transactions, the last commit before a time.</summary>
public sealed class RecoveryTargetTests : IDisposable
{
    private static readonly DateTimeOffset Noon = WrittenArchive.Noon;
    private static readonly WalSegmentSize Size = SyntheticWal.Small;

    private readonly WrittenArchive written = new();

    public void Dispose() => written.Dispose();

    [Fact]
    public async Task A_restore_point_is_reached_from_the_newest_backup_before_it()
    {
        var (first, second) = await written.TwoBackupsAsync();
        var plan = await PlanAsync(new() { Name = "early" });
        Assert.Equal((first, "early", Noon.AddMinutes(20)), (plan.Backup.Name.ToString(), plan.Stop?.Name, plan.Stop?.Time));
        plan = await PlanAsync(new() { Name = "late" });
        Assert.Equal((second, "late"), (plan.Backup.Name.ToString(), plan.Stop?.Name));
        Assert.Equal(Size.SegmentNumber(plan.Stop!.Lsn), plan.LastSegment.SegmentNumber(Size));
        Assert.Equal(first, (await PlanAsync(new() { Name = "late" }, first)).Backup.Name.ToString());
    }

    [Fact]
    public async Task A_restore_point_that_is_not_there_is_refused_with_the_nearest()
    {
        await written.TwoBackupsAsync();
        var refused = await RefusedAsync(new() { Name = "Early bird" });
        Assert.Equal(ErrorCode.RecoveryTargetUnreachable, refused.Code);
        Assert.Contains("'Early bird'", refused.Message, StringComparison.Ordinal);
        Assert.Contains("'early' (", refused.Hint, StringComparison.Ordinal);
        Assert.Contains("2026-05-06 12:20:00.000000Z", refused.Hint, StringComparison.Ordinal);
        refused = await RefusedAsync(new() { Name = "too early" });
        Assert.Contains("holds no restore point", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_restore_point_set_during_a_backup_needs_an_earlier_one()
    {
        var (first, second) = await written.TwoBackupsAsync(duringSecond: "during");
        Assert.Equal(first, (await PlanAsync(new() { Name = "during" })).Backup.Name.ToString());
        var refused = await RefusedAsync(new() { Name = "during" }, second);
        Assert.Equal(ErrorCode.RecoveryTargetUnreachable, refused.Code);
        Assert.Contains("No backup of this archive ends before the restore point 'during'", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_two_points_of_a_name_the_plan_shows_the_one_that_replay_comes_by_first()
    {
        var (_, second) = await written.TwoBackupsAsync(afterSecond: ["twice", "twice"], beforeSecond: "twice");
        var plan = await PlanAsync(new() { Name = "twice" });
        Assert.Equal(second, plan.Backup.Name.ToString());
        Assert.Equal(Noon.AddMinutes(60), plan.Stop?.Time);
    }

    [Fact]
    public async Task A_transaction_is_reached_from_the_newest_backup_before_its_end()
    {
        var (first, second) = await written.TwoBackupsAsync();
        for (uint xid = 101; xid < 110; xid++)
        {
            var plan = await PlanAsync(new() { Xid = xid });
            Assert.Equal((first, xid), (plan.Backup.Name.ToString(), plan.Stop?.Xid));
            plan = await PlanAsync(new() { Xid = xid + 100 });
            Assert.Equal((second, xid + 100), (plan.Backup.Name.ToString(), plan.Stop?.Xid));
        }
    }

    [Theory]
    [InlineData(150, "transaction 109")]
    [InlineData(300, "transaction 209")]
    public async Task A_transaction_that_did_not_end_is_refused_with_a_neighbour(ulong xid, string neighbour)
    {
        await written.TwoBackupsAsync();
        var refused = await RefusedAsync(new() { Xid = xid });
        Assert.Equal(ErrorCode.RecoveryTargetUnreachable, refused.Code);
        Assert.Contains(neighbour, refused.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_transaction_far_from_any_backup_is_found_without_reading_all_between()
    {
        await written.BackupAsync();
        uint xid = 10;
        for (; written.Wal.Position.Value < 64 << 20; xid++)
        {
            written.Wal.RunningTransactions(xid, xid);
            written.Filler(40_000);
            written.Wal.Commit(xid, Noon.AddSeconds(xid));
        }

        await written.StoreAsync();
        var opened = 0;
        var counting = new Archive(new FaultyObjectStore(written.Store, (call, key, _) =>
            opened += call == StoreCall.OpenRead && key.StartsWith("wal_005", StringComparison.Ordinal) ? 1 : 0), new NoneCodec(), Codecs.ReadOrder, null);
        foreach (var wanted in new[] { 11u, 500u, xid - 1 })
        {
            opened = 0;
            var plan = await new RecoveryPlanner(counting, NullEventLog.Instance).RunAsync(
                new RecoveryPlanRequest { Target = new() { Xid = wanted } }, TestContext.Current.CancellationToken);
            Assert.Equal(wanted, plan.Stop?.Xid);
            Assert.InRange(opened, 1, 20);
            opened = 0;
            plan = await new RecoveryPlanner(counting, NullEventLog.Instance).RunAsync(
                new RecoveryPlanRequest { Target = new() { Time = Noon.AddSeconds(wanted) } }, TestContext.Current.CancellationToken);
            Assert.Equal(wanted, plan.Stop?.Xid);
            Assert.InRange(opened, 1, 25);
        }
    }

    [Fact]
    public async Task A_target_behind_a_gap_is_refused_and_the_segment_named()
    {
        var (first, second) = await written.TwoBackupsAsync();
        var early = (await PlanAsync(new() { Name = "early" })).Stop!;
        var gone = (await PlanAsync(new() { Name = "late" })).FirstSegment.Next(Size);
        File.Delete(written.Folder["archive", "wal_005", gone.ToString()]);
        var refused = await RefusedAsync(new() { Name = "late" });
        Assert.Equal(ErrorCode.RecoveryWalMissing, refused.Code);
        Assert.Contains(gone.ToString(), refused.Message, StringComparison.Ordinal);
        Assert.Equal(early, (await PlanAsync(new() { Name = "early" })).Stop);
    }

    [Fact]
    public async Task The_plan_for_a_time_says_where_it_comes_to()
    {
        await written.TwoBackupsAsync();
        var plan = await PlanAsync(new() { Time = Noon.AddMinutes(62).AddSeconds(30) });
        Assert.Equal((202u, Noon.AddMinutes(62)), (plan.Stop?.Xid, plan.Stop?.Time));
        Assert.Empty(plan.Warnings);
        plan = await PlanAsync(new() { Time = Noon.AddMinutes(62) });
        Assert.Equal(202u, plan.Stop?.Xid);
        plan = await PlanAsync(new() { Time = Noon.AddMinutes(62), Inclusive = false });
        Assert.Equal(201u, plan.Stop?.Xid);
        plan = await PlanAsync(new() { Time = Noon.AddHours(4) });
        Assert.Equal(209u, plan.Stop?.Xid);
        Assert.Contains("2026-05-06 13:09:00.000000Z", Assert.Single(plan.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_time_behind_a_load_that_commits_nothing_for_many_segments_is_found()
    {
        await written.BackupAsync();
        written.Wal.Commit(10, Noon.AddMinutes(1));
        written.Filler(40 << 20);
        written.Wal.Commit(11, Noon.AddMinutes(3));
        written.Wal.Commit(12, Noon.AddMinutes(5));
        written.Wal.Switch();
        await written.StoreAsync();
        Assert.Equal(10u, (await PlanAsync(new() { Time = Noon.AddMinutes(2) })).Stop?.Xid);
        Assert.Equal(11u, (await PlanAsync(new() { Time = Noon.AddMinutes(4) })).Stop?.Xid);
        foreach (var file in Directory.GetFiles(written.Folder["archive", "wal_005"]))
        {
            File.SetLastWriteTimeUtc(file, Noon.UtcDateTime.AddMinutes(file.EndsWith("01", StringComparison.Ordinal) ? 1 : 3.1));
        }

        Assert.Equal(10u, (await PlanAsync(new() { Time = Noon.AddMinutes(2) })).Stop?.Xid);
        Assert.Equal(11u, (await PlanAsync(new() { Time = Noon.AddMinutes(4) })).Stop?.Xid);
    }

    [Fact]
    public async Task A_point_on_a_timeline_that_was_left_is_found_when_that_timeline_is_asked_for()
    {
        var (_, second) = await written.TwoBackupsAsync();
        var left = (await PlanAsync(new() { Name = "late" })).Stop!.Lsn;
        await written.Store.PutAsync("wal_005/00000002.history", "1\t0/00200100\tno recovery target specified\n"u8.ToArray());
        Assert.Equal(ErrorCode.RecoveryTargetUnreachable, (await RefusedAsync(new() { Name = "late" })).Code);
        var plan = await PlanAsync(new() { Name = "late", Timeline = "1" });
        Assert.Equal((second, left), (plan.Backup.Name.ToString(), plan.Stop?.Lsn));
    }

    private Task<RecoveryPlan> PlanAsync(RecoveryTarget target, string? backup = null) =>
        new RecoveryPlanner(written.Archive, NullEventLog.Instance).RunAsync(
            new RecoveryPlanRequest { Target = target, BackupName = backup }, TestContext.Current.CancellationToken);

    private Task<WalRusException> RefusedAsync(RecoveryTarget target, string? backup = null) =>
        Assert.ThrowsAsync<WalRusException>(() => PlanAsync(target, backup));
}
