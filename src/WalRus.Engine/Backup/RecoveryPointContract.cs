using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Backup;

[Flags]
public enum RecoveryPointKinds
{
    None = 0,

    /// <summary>The end of a backup: consistent without any WAL after it.</summary>
    Backup = 1,

    /// <summary>pg_create_restore_point.</summary>
    RestorePoint = 2,

    /// <summary>A transaction's commit, also of a prepared one.</summary>
    Commit = 4,

    /// <summary>A transaction that was rolled back; only of interest when that transaction is asked for.</summary>
    Abort = 8,

    /// <summary>The last whole record of an archived segment.</summary>
    SegmentEnd = 16,

    All = Backup | RestorePoint | Commit | Abort | SegmentEnd,
}

/// <summary>Which recovery points to look for; all conditions given must hold.</summary>
public sealed record RecoveryPointRequest
{
    public RecoveryPointKinds Kinds { get; init; } = RecoveryPointKinds.All & ~RecoveryPointKinds.Abort;

    /// <summary>Not before this time.</summary>
    public DateTimeOffset? From { get; init; }

    /// <summary>Not after this time.</summary>
    public DateTimeOffset? To { get; init; }

    /// <summary>Near this WAL position: in its segment or the ones beside it.</summary>
    public Lsn? Lsn { get; init; }

    /// <summary>Restore points whose name this takes.</summary>
    public Func<string, bool>? Name { get; init; }

    /// <summary>The end of this transaction. Of 64 bits the lower 32 count, as for recovery_target_xid.</summary>
    public ulong? Xid { get; init; }

    /// <summary>Null for every timeline.</summary>
    public TimelineId? Timeline { get; init; }

    /// <summary>Only so many, those nearest to <see cref="Around"/> or <see cref="Lsn"/>; null for all.</summary>
    public int? Nearest { get; init; }

    /// <summary>What <see cref="Nearest"/> is measured from.</summary>
    public DateTimeOffset? Around { get; init; }
}

/// <summary>A moment that a recovery can stop at.</summary>
public sealed record RecoveryPoint
{
    public required RecoveryPointKinds Kind { get; init; }

    /// <summary>The timeline it lies on: recovery_target_timeline.</summary>
    public required TimelineId Timeline { get; init; }

    /// <summary>recovery_target_lsn to stop just behind it. Of a backup its end: there the target is "immediate".</summary>
    public required Lsn Lsn { get; init; }

    /// <summary>The first byte behind it.</summary>
    public required Lsn EndLsn { get; init; }

    /// <summary>Of a segment's end the time of the last transaction or restore point before it; null when that is not known.</summary>
    public DateTimeOffset? Time { get; init; }

    /// <summary>A restore point's, backup's or segment's name.</summary>
    public string? Name { get; init; }

    public uint? Xid { get; init; }

    /// <summary>The backup that recovery would start from; null when it cannot be reached.</summary>
    public BackupDetail? Backup { get; init; }

    /// <summary>Why it cannot be reached; null when it can.</summary>
    public string? Obstacle { get; init; }
}
