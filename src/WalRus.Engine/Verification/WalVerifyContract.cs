using WalRus.Postgres;

namespace WalRus.Verification;

/// <summary>What to verify.</summary>
public sealed record WalVerifyRequest
{
    /// <summary>Look for missing segments from a backup on to where the cluster is.</summary>
    public bool Integrity { get; init; }

    /// <summary>Compare the cluster's timeline with the highest in the archive.</summary>
    public bool Timeline { get; init; }

    /// <summary>Where the cluster is; null to judge the archive by its own last segment.</summary>
    public WalPosition? Position { get; init; }

    /// <summary>The backup whose start is the lower end; null for the earliest that is not permanent.</summary>
    public string? BackupName { get; init; }
}

/// <summary>How wal-verify looks at an archive.</summary>
public sealed record WalVerifyOptions
{
    /// <summary><c>WALG_UPLOAD_CONCURRENCY</c>: so many of the newest segments may still be on their way.</summary>
    public int UploadConcurrency { get; init; } = 16;

    /// <summary><c>WALG_INTEGRITY_MAX_DELAYED_WALS</c>: so many above the newest archived one may be late.</summary>
    public int MaxDelayed { get; init; }

    /// <summary>The segment size where no archived segment can be read that tells it.</summary>
    public WalSegmentSize AssumedSize { get; init; } = WalSegmentSize.Default;
}

/// <summary>Where a cluster is.</summary>
/// <param name="Timeline">The timeline it writes, or replays.</param>
/// <param name="Lsn">The end of its WAL.</param>
public sealed record WalPosition(TimelineId Timeline, Lsn Lsn);

/// <summary>A check's verdict, by wal-g's names.</summary>
public enum VerifyStatus
{
    Ok,
    Warning,
    Failure,
}

/// <summary>What is known of a range of segments.</summary>
public enum SegmentStatus
{
    Found,

    /// <summary>Missing, and newer than all that is archived.</summary>
    MissingDelayed,

    /// <summary>Missing, and among the newest: it may be on its way.</summary>
    MissingUploading,

    /// <summary>Missing for good: replay stops before it.</summary>
    MissingLost,
}

/// <summary>Segments in a row of one timeline of which the same is known.</summary>
public sealed record SegmentRange(WalFileName First, WalFileName Last, ulong Count, SegmentStatus Status)
{
    public TimelineId Timeline => First.Timeline;
}

/// <summary>Are all segments there?</summary>
/// <param name="Status">The verdict.</param>
/// <param name="Ranges">What was looked at, lowest first; empty when there was nothing to look at.</param>
/// <param name="BackupName">The backup whose start is the lower end; null without one.</param>
public sealed record IntegrityResult(VerifyStatus Status, IReadOnlyList<SegmentRange> Ranges, string? BackupName);

/// <summary>Is the cluster on the highest timeline of the archive?</summary>
/// <param name="Status">The verdict; a warning where the archive holds no WAL.</param>
/// <param name="Current">The cluster's.</param>
/// <param name="Highest">The archive's; null where it holds no WAL.</param>
public sealed record TimelineResult(VerifyStatus Status, TimelineId Current, TimelineId? Highest);

/// <summary>The results of the checks that were asked for; null for the others.</summary>
public sealed record WalVerifyResult(IntegrityResult? Integrity, TimelineResult? Timeline)
{
    /// <summary>The worst of them.</summary>
    public VerifyStatus Status => new[] { Integrity?.Status, Timeline?.Status }.Max() ?? VerifyStatus.Ok;
}
