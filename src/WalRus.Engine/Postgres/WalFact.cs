namespace WalRus.Postgres;

/// <summary>The kinds of record that say when something happened, or where transactions stand.</summary>
public enum WalFactKind
{
    Commit,
    CommitPrepared,
    Abort,
    AbortPrepared,
    RestorePoint,
    CheckpointShutdown,
    CheckpointOnline,
    EndOfRecovery,
    BackupEnd,
    Switch,
    OverwrittenRecord,
    RunningTransactions,
}

/// <summary>What one record tells a recovery: where, what, when.</summary>
public sealed record WalFact
{
    public required WalFactKind Kind { get; init; }

    /// <summary>The record's first byte: recovery_target_lsn with this value stops just after the record.</summary>
    public required Lsn Lsn { get; init; }

    /// <summary>The first byte behind it: what pg_create_restore_point returns.</summary>
    public required Lsn EndLsn { get; init; }

    /// <summary>
    /// When: to the microsecond; of a checkpoint the second in which it began. Null where the record does not say.
    /// </summary>
    public DateTimeOffset? Time { get; init; }

    /// <summary>The transaction that ended: what recovery_target_xid is compared with. Null where there is none, or it cannot be told.</summary>
    public uint? Xid { get; init; }

    /// <summary>A restore point's name.</summary>
    public string? Name { get; init; }

    /// <summary>Where a backup that ends here began.</summary>
    public Lsn? BackupStart { get; init; }

    /// <summary>The timeline that begins here, at the end of a recovery.</summary>
    public TimelineId? Timeline { get; init; }

    /// <summary>No transaction from this one on has begun.</summary>
    public uint? NextXid { get; init; }

    /// <summary>Every transaction before this one has ended.</summary>
    public uint? OldestRunningXid { get; init; }

    public bool IsCommit => Kind is WalFactKind.Commit or WalFactKind.CommitPrepared;

    /// <summary>True for what recovery_target_xid and recovery_target_time can stop at.</summary>
    public bool IsTransactionEnd => IsCommit || Kind is WalFactKind.Abort or WalFactKind.AbortPrepared;
}
