using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Retention;

/// <summary>What there is of a backup.</summary>
public enum ArchivedBackupState
{
    /// <summary>It has a sentinel that can be read.</summary>
    Complete,

    /// <summary>It has a sentinel that cannot be read: what it needs is not known, so everything it could need stays.</summary>
    Unreadable,

    /// <summary>No sentinel, and its newest object is young: it counts as being written just now.</summary>
    Unfinished,

    /// <summary>No sentinel, and nothing of it is young: the rest of a backup that was broken off or half deleted.</summary>
    Leftover,
}

/// <summary>A backup as deleting sees it: what it is, what it depends on and which WAL it needs. Small: all are held at once.</summary>
public sealed record ArchivedBackup
{
    public required BackupName Name { get; init; }

    public required ArchivedBackupState State { get; init; }

    /// <summary>The sentinel's modification time; without a sentinel that of the newest object.</summary>
    public required DateTimeOffset Modified { get; init; }

    public DateTimeOffset? StartTime { get; init; }

    public DateTimeOffset? FinishTime { get; init; }

    public Lsn StartLsn { get; init; }

    /// <summary>Not valid where it is not known: then all WAL from the start on counts as needed.</summary>
    public Lsn FinishLsn { get; init; }

    public bool IsPermanent { get; init; }

    public bool HasMetadata { get; init; }

    /// <summary>The parent's name as the sentinel has it; null for a full backup and where it is not known.</summary>
    public string? DeltaFrom { get; init; }

    /// <summary>Bytes stored, as the backup's own documents say.</summary>
    public long CompressedSize { get; init; }

    /// <summary>The sentinel's size; 0 without one.</summary>
    public long SentinelBytes { get; init; }

    public bool HasSentinel => State is ArchivedBackupState.Complete or ArchivedBackupState.Unreadable;

    public bool IsDelta => DeltaFrom is not null || (State != ArchivedBackupState.Complete && Name.IsDelta);

    public TimelineId Timeline => Name.StartSegment.Timeline;

    /// <summary>The moment a policy counts by: when the backup ended; where that is not known, when it was stored.</summary>
    public DateTimeOffset Time => FinishTime ?? Modified;
}
