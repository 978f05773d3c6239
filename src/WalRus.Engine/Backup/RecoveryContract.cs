using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>How far to recover. One of Time, Lsn, Name, Xid, Immediate; none of them means to the end of the archive.</summary>
public sealed record RecoveryTarget
{
    public DateTimeOffset? Time { get; init; }

    public Lsn? Lsn { get; init; }

    public string? Name { get; init; }

    /// <summary>Transaction id, 32 bits, or 64 bits (epoch included) as PostgreSQL takes it.</summary>
    public ulong? Xid { get; init; }

    /// <summary>Stop as soon as the backup is consistent.</summary>
    public bool Immediate { get; init; }

    /// <summary>False to stop just before the target (<c>recovery_target_inclusive = off</c>).</summary>
    public bool Inclusive { get; init; } = true;

    /// <summary>"latest", "current" or a number; null for latest.</summary>
    public string? Timeline { get; init; }
}

public enum RecoveryAction
{
    Pause,
    Promote,
    Shutdown,
}

/// <summary>The recovery configuration to write into a restored data directory.</summary>
public sealed record RecoverySettings
{
    public RecoveryTarget Target { get; init; } = new();

    public RecoveryAction Action { get; init; } = RecoveryAction.Promote;

    /// <summary>Write standby.signal: the server stays in recovery and follows.</summary>
    public bool Standby { get; init; }

    /// <summary>PostgreSQL's restore_command, quoted for this system's shell.</summary>
    public required string RestoreCommand { get; init; }
}

/// <summary>What to plan a recovery for.</summary>
public sealed record RecoveryPlanRequest
{
    public RecoveryTarget Target { get; init; } = new();

    /// <summary>
    /// A backup to start from ("LATEST" too); null to choose the newest that ends before the target. A restore point or a
    /// transaction is looked for in the archived WAL, backwards from the newest backup.
    /// </summary>
    public string? BackupName { get; init; }

    /// <summary>The cluster's segment size; null to read it from the archived WAL.</summary>
    public WalSegmentSize? SegmentSize { get; init; }
}

/// <summary>A recovery that the archive can serve: which backup, which WAL.</summary>
public sealed record RecoveryPlan
{
    public required BackupDetail Backup { get; init; }

    /// <summary>What a restore of <see cref="Backup"/> reads: the backups of its chain, the full one first.</summary>
    public IReadOnlyList<BackupDetail> Chain { get; init; } = [];

    public required RecoveryTarget Target { get; init; }

    /// <summary>The timelines replay passes through, oldest first; the last is the one recovery ends on.</summary>
    public required IReadOnlyList<TimelineId> Timelines { get; init; }

    /// <summary>First segment replay needs.</summary>
    public required WalFileName FirstSegment { get; init; }

    /// <summary>Last segment known to be needed, or the last that the archive holds when the target is not a position.</summary>
    public required WalFileName LastSegment { get; init; }

    /// <summary>How many segments lie between them, both included.</summary>
    public required long SegmentCount { get; init; }

    /// <summary>The segment size the plan was made with.</summary>
    public required WalSegmentSize SegmentSize { get; init; }

    /// <summary>
    /// The record at which recovery stops: the restore point, the end of the transaction, and for a time the last
    /// transaction that ended by then. Null where it is not known (a time when the WAL cannot be read, other targets).
    /// </summary>
    public WalFact? Stop { get; init; }

    /// <summary>What may keep PostgreSQL from reaching the target, and cannot be told for certain here.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}
