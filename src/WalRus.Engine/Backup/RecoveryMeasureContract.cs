using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>What to measure.</summary>
public sealed record RecoveryMeasureRequest
{
    /// <summary>
    /// Fetch a part of the newest backup and of the newest WAL, as a restore would, and time it. Without it the time to
    /// recover is estimated from how long that backup took.
    /// </summary>
    public bool Sample { get; init; }

    /// <summary>A sample ends after so long.</summary>
    public TimeSpan SampleDuration { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>Segments that are not archived although replay needs them.</summary>
/// <param name="Count">How many; all from the first to the last.</param>
public sealed record WalGap(WalFileName First, WalFileName Last, ulong Count);

/// <summary>How fast this archive is read, and how that is known.</summary>
/// <param name="BackupBytesPerSecond">Restored bytes of a backup.</param>
/// <param name="WalBytesPerSecond">Bytes of segments.</param>
/// <param name="Basis">For people: what was measured.</param>
public sealed record RestoreRate(double BackupBytesPerSecond, double WalBytesPerSecond, string Basis);

/// <summary>How far one timeline can be recovered, and how long that may take.</summary>
public sealed record TimelineRecovery
{
    public required TimelineId Timeline { get; init; }

    /// <summary>True for the newest timeline: the one that a server is expected to archive now.</summary>
    public required bool IsNewest { get; init; }

    /// <summary>Backups that replay to this timeline can start from.</summary>
    public required int BackupCount { get; init; }

    /// <summary>The backup that recovery to the newest point would start from; null when none leads there.</summary>
    public BackupDetail? NewestBackup { get; init; }

    /// <summary>The end of the first backup whose own WAL is there.</summary>
    public DateTimeOffset? OldestTime { get; init; }

    public Lsn? OldestLsn { get; init; }

    /// <summary>The last transaction or restore point that recovery reaches, by the server's clock.</summary>
    public DateTimeOffset? NewestTime { get; init; }

    /// <summary>The last record that recovery reaches.</summary>
    public Lsn? NewestLsn { get; init; }

    /// <summary>The segment with it, and when that was archived, by the store's clock.</summary>
    public WalFileName? NewestSegment { get; init; }

    public DateTimeOffset? NewestSegmentTime { get; init; }

    /// <summary>
    /// What would be lost if the server were lost now, at most: from <see cref="NewestTime"/> to now. Null for timelines that
    /// were left. Of a server where nothing is written it grows although nothing would be lost.
    /// </summary>
    public TimeSpan? RecoveryPointAge { get; init; }

    /// <summary>On the way from the first backup to the last segment.</summary>
    public required IReadOnlyList<WalGap> Gaps { get; init; }

    /// <summary>Bytes to write and segments to fetch for a recovery from <see cref="NewestBackup"/> to the newest point.</summary>
    public long BackupBytes { get; init; }

    public long WalSegmentCount { get; init; }

    /// <summary>Fetching the backup and fetching the WAL at <see cref="Rate"/>; how long the server replays is not known.</summary>
    public TimeSpan? ExpectedDuration { get; init; }

    public RestoreRate? Rate { get; init; }
}
