using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Drill;
using WalRus.Postgres;
using WalRus.Reporting;
using WalRus.WalG;

namespace WalRus.Tests.Reporting;

/// <summary>What a page may have to show: two timelines with a gap, months of backups, drills, and names that want to be markup.</summary>
internal static class ReportSample
{
    public const string Hostile = "<script>alert('x')</script>&\"quoted\"";

    public static readonly DateTimeOffset Now = new(2026, 5, 20, 14, 30, 0, TimeSpan.Zero);

    private const ulong SystemIdentifier = 7711106129725046725;

    public static BackupReportRequest Request(string path) => new()
    {
        Path = path, Title = "Shop database", Location = "s3://backups/shop/production", TimeZone = TimeZoneInfo.Utc,
    };

    public static ReportData Empty(string path = "x.html") => new() { Request = Request(path), Now = Now };

    public static ReportData Full(string path = "x.html")
    {
        List<BackupDetail> backups = [.. Enumerable.Range(0, 40).Select(Backup)];
        var last = backups[^1];
        return Empty(path) with
        {
            Backups = backups,
            Unreadable = [new(BackupName.Parse("base_0000000200000003000000AA"), Now, null, new WalRusException(
                ErrorCode.BackupUnreadable, Hostile))],
            Timelines = [Left(backups), Current(backups, last)],
            Drills = [.. Enumerable.Range(0, 24).Select(number => Drill(number, backups))],
        };
    }

    private static BackupDetail Backup(int number)
    {
        var timeline = number < 28 ? 1 : 2;
        var finish = Now.AddDays(-2 * (40 - number)).AddHours(-3);
        var start = new Lsn(0x10000000UL + ((ulong)number * 0x40000000));
        return new BackupDetail
        {
            Name = BackupName.Parse($"base_{timeline:X8}{start.Value >> 32:X8}{(start.Value & 0xFFFFFFFF) >> 24:X8}"),
            Modified = finish,
            StorageName = "default",
            StartTime = finish.AddMinutes(-18),
            FinishTime = finish,
            PgVersion = number < 28 ? 150012 : 150014,
            StartLsn = start,
            FinishLsn = start + 0x2000000,
            SystemIdentifier = SystemIdentifier,
            UncompressedSize = (long)(40e9 + (number * 0.7e9) + (number % 5 * 0.4e9)),
            CompressedSize = (long)(11e9 + (number * 0.16e9)),
            IsPermanent = number is 3 or 30,
            DeltaFrom = number % 4 == 0 ? null : "base_000000010000000000000004",
        };
    }

    private static ReportTimeline Left(List<BackupDetail> backups)
    {
        var own = backups.Take(28).ToList();
        return new ReportTimeline(
            new TimelineRecovery
            {
                Timeline = new TimelineId(1), IsNewest = false, BackupCount = own.Count, OldestTime = own[0].FinishTime,
                NewestTime = own[^1].FinishTime!.Value.AddHours(20), Gaps = [],
            },
            18204,
            [new TimeRange(own[0].StartTime!.Value, own[^1].FinishTime!.Value.AddHours(20))],
            [],
            own);
    }

    private static ReportTimeline Current(List<BackupDetail> backups, BackupDetail last)
    {
        var own = backups.Skip(28).ToList();
        var gap = new TimeRange(Now.AddDays(-11), Now.AddDays(-11).AddHours(7));
        return new ReportTimeline(
            new TimelineRecovery
            {
                Timeline = new TimelineId(2), IsNewest = true, BackupCount = 40, NewestBackup = last, OldestTime = backups[0].FinishTime,
                NewestTime = Now.AddMinutes(-4), RecoveryPointAge = TimeSpan.FromSeconds(247),
                Gaps = [new WalGap(WalFileName.Parse("000000020000000900000010"), WalFileName.Parse("00000002000000090000001C"), 13)],
                BackupBytes = last.UncompressedSize, WalSegmentCount = 212, ExpectedDuration = TimeSpan.FromMinutes(31),
                Rate = new RestoreRate(4e7, 4e7, "measured: 500 MiB"),
            },
            9120,
            [new TimeRange(own[0].StartTime!.Value, gap.From), new TimeRange(gap.To, Now.AddMinutes(-4))],
            [gap],
            own);
    }

    private static DrillHistoryEntry Drill(int number, List<BackupDetail> backups) => new()
    {
        StartTime = Now.AddDays(-3 * (24 - number)).AddHours(2),
        BackupName = backups[number + 12].Name.ToString(),
        SystemIdentifier = SystemIdentifier,
        Status = number is 9 or 10 ? DrillOutcome.Failed : DrillOutcome.Passed,
        Target = number % 3 == 0 ? "the end of the archive" : "consistency",
        ServerVersion = number is 9 ? null : "15.14",
        Duration = TimeSpan.FromMinutes(42 + number),
        RestoreDuration = TimeSpan.FromMinutes(30 + (number * 0.7)),
        RecoverDuration = TimeSpan.FromSeconds(100 + number),
        FailedPhase = number is 9 or 10 ? "Restore" : null,
        Message = number is 9 or 10 ? $"'part_003.tar.lz4': the lz4 frame is damaged {Hostile}" : null,
    };
}
