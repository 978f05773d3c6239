using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Drill;

namespace WalRus.Reporting;

/// <summary>What to report, and against which limits.</summary>
public sealed record BackupReportRequest
{
    /// <summary>Where the page is written; its folder must exist. A page that is there is replaced when all of the new one is.</summary>
    public required string Path { get; init; }

    public string Title { get; init; } = "PostgreSQL backup report";

    /// <summary>Where the archive is, for people, such as "s3://bucket/cluster"; without secrets.</summary>
    public required string Location { get; init; }

    /// <summary>Drills of any archive; those of this one are shown.</summary>
    public IReadOnlyList<DrillHistoryEntry> Drills { get; init; } = [];

    /// <summary>Measure how fast the archive is read instead of estimating it.</summary>
    public bool Sample { get; init; }

    /// <summary>How much may be lost before the report says so.</summary>
    public TimeSpan RecoveryPointLimit { get; init; } = TimeSpan.FromHours(1);

    /// <summary>How old the newest backup may be.</summary>
    public TimeSpan BackupAgeLimit { get; init; } = TimeSpan.FromDays(8);

    /// <summary>How old the last drill that passed may be.</summary>
    public TimeSpan DrillAgeLimit { get; init; } = TimeSpan.FromDays(30);

    /// <summary>The zone that times are shown in.</summary>
    public TimeZoneInfo TimeZone { get; init; } = TimeZoneInfo.Local;
}

/// <summary>How good or bad something is, for a reader at a glance.</summary>
public enum ReportGrade
{
    Good,
    Attention,
    Bad,
}

/// <summary>One thing the reader should know.</summary>
public sealed record ReportFinding(ReportGrade Grade, string Text);

/// <summary>What was written.</summary>
public sealed record BackupReportResult
{
    public required string Path { get; init; }

    /// <summary>The worst of <see cref="Findings"/>.</summary>
    public required ReportGrade Grade { get; init; }

    public required IReadOnlyList<ReportFinding> Findings { get; init; }

    public int BackupCount { get; init; }
}

/// <summary>A stretch of time.</summary>
internal readonly record struct TimeRange(DateTimeOffset From, DateTimeOffset To);

/// <summary>A timeline as the page draws it: positions are times already.</summary>
/// <param name="Recovery">The figures.</param>
/// <param name="SegmentCount">Archived segments of its own.</param>
/// <param name="Coverage">Its own archived WAL, in order.</param>
/// <param name="Gaps">Of those in <paramref name="Recovery"/>, the ones on this timeline.</param>
/// <param name="Backups">Taken on it, in order.</param>
internal sealed record ReportTimeline(
    TimelineRecovery Recovery,
    ulong SegmentCount,
    IReadOnlyList<TimeRange> Coverage,
    IReadOnlyList<TimeRange> Gaps,
    IReadOnlyList<BackupDetail> Backups);

/// <summary>Everything on the page.</summary>
internal sealed record ReportData
{
    public required BackupReportRequest Request { get; init; }

    public required DateTimeOffset Now { get; init; }

    /// <summary>Oldest first.</summary>
    public IReadOnlyList<BackupDetail> Backups { get; init; } = [];

    public IReadOnlyList<BackupCatalogEntry> Unreadable { get; init; } = [];

    /// <summary>Lowest first.</summary>
    public IReadOnlyList<ReportTimeline> Timelines { get; init; } = [];

    /// <summary>Of this archive, oldest first.</summary>
    public IReadOnlyList<DrillHistoryEntry> Drills { get; init; } = [];

    public ReportTimeline? Current => Timelines.FirstOrDefault(timeline => timeline.Recovery.IsNewest);

    public BackupDetail? NewestBackup => Backups.Count > 0 ? Backups[^1] : null;
}
