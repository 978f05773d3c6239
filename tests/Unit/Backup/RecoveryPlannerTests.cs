using System.Globalization;
using System.Text;
using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Compression;
using WalRus.Postgres;
using WalRus.Storage.FileSystem;
using WalRus.Tests.Contracts;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

/// <summary>Which backup a target leads to, and which WAL must be there; segments of 16 MiB with names only.</summary>
public sealed class RecoveryPlannerTests : IDisposable
{
    private static readonly DateTimeOffset Midnight = new(2024, 5, 6, 0, 0, 0, TimeSpan.Zero);

    private readonly TemporaryFolder folder = new();
    private readonly FileSystemObjectStore store;

    public RecoveryPlannerTests()
    {
        Directory.CreateDirectory(folder["archive"]);
        store = new FileSystemObjectStore(folder["archive"]);
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task The_newest_backup_that_ends_before_the_target_time_is_chosen()
    {
        await ThreeBackupsAsync();
        Assert.Equal("base_000000010000000000000009", await BackupForAsync(new() { Time = Midnight.AddHours(9).AddMinutes(1) }));
        Assert.Equal("base_000000010000000000000006", await BackupForAsync(new() { Time = Midnight.AddHours(9).AddSeconds(-1) }));
        Assert.Equal("base_000000010000000000000003", await BackupForAsync(new() { Time = Midnight.AddHours(3) }));
        var refused = await RefusedAsync(ErrorCode.RecoveryTargetUnreachable, new() { Time = Midnight.AddHours(3).AddSeconds(-1) });
        Assert.Contains("base_000000010000000000000003", refused.Hint, StringComparison.Ordinal);
        Assert.Contains("2024-05-06 03:00:00.000000Z", refused.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_newest_backup_that_ends_before_the_target_position_is_chosen()
    {
        await ThreeBackupsAsync();
        Assert.Equal("base_000000010000000000000006", await BackupForAsync(new() { Lsn = Lsn.Parse("0/6000200") }));
        Assert.Equal("base_000000010000000000000003", await BackupForAsync(new() { Lsn = Lsn.Parse("0/60001FF") }));
        await RefusedAsync(ErrorCode.RecoveryTargetUnreachable, new() { Lsn = Lsn.Parse("0/3000100") });
    }

    [Fact]
    public async Task A_target_that_is_no_position_starts_from_the_newest_backup()
    {
        await ThreeBackupsAsync();
        foreach (var target in new RecoveryTarget[] { new(), new() { Immediate = true } })
        {
            Assert.Equal("base_000000010000000000000009", await BackupForAsync(target));
        }
    }

    [Fact]
    public async Task A_delta_is_chosen_when_its_chain_is_whole_and_else_the_next_older_backup()
    {
        await ThreeBackupsAsync();
        await BackupAsync("base_00000001000000000000000A_D_000000010000000000000009", 9.5);
        await BackupAsync("base_00000001000000000000000B_D_00000001000000000000000A", 9.6, "base_00000001000000000000000A_D_000000010000000000000009");
        var plan = await PlanAsync(new());
        Assert.Equal("base_00000001000000000000000B_D_00000001000000000000000A", plan.Backup.Name.ToString());
        Assert.Equal("00000001000000000000000B", plan.FirstSegment.ToString());
        Assert.Equal(["000000010000000000000009", "00000001000000000000000A", "00000001000000000000000B"], plan.Chain.Select(step => step.StartSegment.ToString()));

        await store.DeleteAsync([WalGLayout.Sentinel(plan.Chain[1].Name)], TestContext.Current.CancellationToken);
        Assert.Equal("base_000000010000000000000009", await BackupForAsync(new()));
        var refused = await Assert.ThrowsAsync<WalRusException>(() => PlanAsync(new(), plan.Backup.Name.ToString()));
        Assert.Equal(ErrorCode.BackupIncomplete, refused.Code);
    }

    [Fact]
    public async Task A_plan_spans_from_the_backups_start_to_the_last_archived_segment()
    {
        await ThreeBackupsAsync();
        var plan = await PlanAsync(new());
        Assert.Equal(("000000010000000000000009", "00000001000000000000000C"), (plan.FirstSegment.ToString(), plan.LastSegment.ToString()));
        Assert.Equal(4, plan.SegmentCount);
        Assert.Equal([new TimelineId(1)], plan.Timelines);
        Assert.Empty(plan.Warnings);
        var exact = await PlanAsync(new() { Lsn = Lsn.Parse("0/B000010") });
        Assert.Equal("00000001000000000000000B", exact.LastSegment.ToString());
        Assert.Equal("000000010000000000000009", (await PlanAsync(new() { Immediate = true })).LastSegment.ToString());
    }

    [Fact]
    public async Task A_named_backup_is_taken_or_refused_with_the_reason()
    {
        await ThreeBackupsAsync();
        var plan = await PlanAsync(new() { Immediate = true }, "base_000000010000000000000003");
        Assert.Equal("000000010000000000000003", plan.FirstSegment.ToString());
        await Assert.ThrowsAsync<WalRusException>(() => PlanAsync(new(), "base_000000010000000000000004"));
        var refused = await Assert.ThrowsAsync<WalRusException>(
            () => PlanAsync(new() { Time = Midnight.AddHours(5) }, "base_000000010000000000000006"));
        Assert.Equal(ErrorCode.RecoveryTargetUnreachable, refused.Code);
        Assert.Contains("after the target", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Missing_segments_are_named()
    {
        await BackupAsync("base_000000010000000000000003", 3);
        await SegmentsAsync(1, 3, 4);
        await SegmentsAsync(1, 11, 12);
        var refused = await RefusedAsync(ErrorCode.RecoveryWalMissing, new());
        Assert.Contains(
            "000000010000000000000005, 000000010000000000000006, 000000010000000000000007 and 3 more", refused.Message, StringComparison.Ordinal);
        await RefusedAsync(ErrorCode.RecoveryWalMissing, new() { Lsn = Lsn.Parse("0/5000000") });
        Assert.Equal(2, (await PlanAsync(new() { Lsn = Lsn.Parse("0/4FFFFFF") })).SegmentCount);
    }

    [Fact]
    public async Task A_gap_counts_for_a_time_that_lies_behind_it()
    {
        await BackupAsync("base_000000010000000000000003", 3);
        await SegmentsAsync(1, 3, 4);
        await SegmentsAsync(1, 6, 7);
        File.SetLastWriteTimeUtc(folder["archive", "wal_005", "000000010000000000000004"], Midnight.AddHours(5).UtcDateTime);
        await RefusedAsync(ErrorCode.RecoveryWalMissing, new() { Time = Midnight.AddHours(6) });
        Assert.Single((await PlanAsync(new() { Time = Midnight.AddHours(4) })).Warnings);
    }

    [Fact]
    public async Task A_backup_whose_own_wal_is_gone_is_refused_for_every_target()
    {
        await BackupAsync("base_000000010000000000000003", 3);
        await RefusedAsync(ErrorCode.RecoveryWalMissing, new());
        await SegmentsAsync(1, 4, 9);
        foreach (var target in new RecoveryTarget[] { new(), new() { Immediate = true }, new() { Name = "x" }, new() { Xid = 9 } })
        {
            await RefusedAsync(ErrorCode.RecoveryWalMissing, target);
        }
    }

    [Fact]
    public async Task A_position_behind_the_archived_wal_is_refused()
    {
        await ThreeBackupsAsync();
        var refused = await RefusedAsync(ErrorCode.RecoveryTargetUnreachable, new() { Lsn = Lsn.Parse("0/D000000") });
        Assert.Contains("00000001000000000000000C", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_latest_timeline_is_followed_where_the_backup_lies_before_the_switch()
    {
        await TwoTimelinesAsync();
        var plan = await PlanAsync(new());
        Assert.Equal("base_000000010000000000000003", plan.Backup.Name.ToString());
        Assert.Equal([new TimelineId(1), new TimelineId(2)], plan.Timelines);
        Assert.Equal("000000020000000000000008", plan.LastSegment.ToString());
        Assert.Equal(6, plan.SegmentCount);
        Assert.Equal("base_000000010000000000000006", await BackupForAsync(new() { Timeline = "current" }));
        Assert.Equal("base_000000010000000000000006", await BackupForAsync(new() { Timeline = "1" }));
        Assert.Equal("base_000000010000000000000003", await BackupForAsync(new() { Timeline = "0x2" }));
        var refused = await Assert.ThrowsAsync<WalRusException>(() => PlanAsync(new(), "base_000000010000000000000006"));
        Assert.Contains("left at 0/5800000", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_segment_of_the_switch_is_taken_from_the_new_timeline()
    {
        await TwoTimelinesAsync();
        File.Delete(folder["archive", "wal_005", "000000010000000000000005"]);
        Assert.Equal(6, (await PlanAsync(new())).SegmentCount);
        File.Delete(folder["archive", "wal_005", "000000020000000000000005"]);
        Assert.Contains(
            "000000020000000000000005", (await RefusedAsync(ErrorCode.RecoveryWalMissing, new())).Message, StringComparison.Ordinal);
        await SegmentsAsync(2, 5, 5);
        File.Delete(folder["archive", "wal_005", "000000010000000000000004"]);
        Assert.Contains(
            "000000010000000000000004", (await RefusedAsync(ErrorCode.RecoveryWalMissing, new())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_timeline_without_its_history_cannot_be_the_target()
    {
        await TwoTimelinesAsync();
        await BackupAsync("base_000000030000000000000009", 9);
        await RefusedAsync(ErrorCode.RecoveryWalMissing, new() { Timeline = "3" });
        await RefusedAsync(ErrorCode.RecoveryWalMissing, new() { Timeline = "77" });
        Assert.Equal("base_000000010000000000000003", await BackupForAsync(new()));
    }

    [Theory]
    [InlineData("newest")]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("")]
    public async Task A_timeline_that_is_none_is_refused(string timeline) =>
        await RefusedAsync(ErrorCode.RecoveryTargetInvalid, new() { Timeline = timeline });

    [Fact]
    public async Task Two_targets_at_once_are_refused()
    {
        await RefusedAsync(ErrorCode.RecoveryTargetInvalid, new() { Name = "x", Xid = 3 });
        await RefusedAsync(ErrorCode.BackupNotFound, new());
    }

    /// <summary>Full backups ending at 3, 6 and 9 o'clock in the segments of those numbers; WAL from 1 to 12.</summary>
    private async Task ThreeBackupsAsync()
    {
        await BackupAsync("base_000000010000000000000003", 3);
        await BackupAsync("base_000000010000000000000009", 9);
        await BackupAsync("base_000000010000000000000006", 6);
        await SegmentsAsync(1, 1, 12);
    }

    /// <summary>Timeline 2 left 1 in the middle of segment 5; a backup on each side of the switch on timeline 1.</summary>
    private async Task TwoTimelinesAsync()
    {
        await BackupAsync("base_000000010000000000000003", 3);
        await BackupAsync("base_000000010000000000000006", 6);
        await SegmentsAsync(1, 1, 7);
        await SegmentsAsync(2, 5, 8);
        await store.PutAsync("wal_005/00000002.history", "1\t0/5800000\tno recovery target specified\n"u8.ToArray());
    }

    private async Task BackupAsync(string name, double hour, string? parent = null)
    {
        var backup = BackupName.Parse(name);
        var start = backup.StartSegment.StartLsn(WalSegmentSize.Default) + 0x28;
        var end = WalGTime.FromDateTimeOffset(Midnight.AddHours(hour));
        var sentinel = new BackupSentinel
        {
            StartLsn = start,
            FinishLsn = backup.StartSegment.StartLsn(WalSegmentSize.Default) + 0x200,
            PgVersion = 170006,
            StartTime = end,
            FinishTime = end,
            Delta = backup.IsDelta ? new BackupDelta(default, parent ?? $"base_{backup.ParentSegment}", $"base_{backup.ParentSegment}", 1) : null,
        };
        await store.PutAsync(WalGLayout.Sentinel(backup).ToString(), sentinel.ToJson());
    }

    private async Task SegmentsAsync(uint timeline, ulong from, ulong to)
    {
        for (var number = from; number <= to; number++)
        {
            var name = WalFileName.FromSegment(new TimelineId(timeline), number, WalSegmentSize.Default).ToString();
            await store.PutAsync($"wal_005/{name}", Encoding.ASCII.GetBytes(number.ToString(CultureInfo.InvariantCulture)));
        }
    }

    private Task<RecoveryPlan> PlanAsync(RecoveryTarget target, string? backup = null) =>
        new RecoveryPlanner(new Archive(store, new NoneCodec(), Codecs.ReadOrder, null), NullEventLog.Instance).RunAsync(
            new RecoveryPlanRequest { Target = target, BackupName = backup, SegmentSize = WalSegmentSize.Default },
            TestContext.Current.CancellationToken);

    private async Task<string> BackupForAsync(RecoveryTarget target) => (await PlanAsync(target)).Backup.Name.ToString();

    private async Task<WalRusException> RefusedAsync(ErrorCode code, RecoveryTarget target)
    {
        var refused = await Assert.ThrowsAsync<WalRusException>(() => PlanAsync(target));
        Assert.Equal((code, refused.Message), (refused.Code, refused.Message));
        return refused;
    }
}
