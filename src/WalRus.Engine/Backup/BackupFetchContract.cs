using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>How this installation restores.</summary>
public sealed record BackupFetchOptions
{
    /// <summary><c>WALG_DOWNLOAD_CONCURRENCY</c>: tars extracted at the same time.</summary>
    public int DownloadConcurrency { get; init; } = 10;

    /// <summary><c>WALG_DOWNLOAD_FILE_RETRIES</c>: rounds in which tars that failed are tried again.</summary>
    public int FileRetries { get; init; } = 15;

    /// <summary>False with <c>WALG_TAR_DISABLE_FSYNC</c>.</summary>
    public bool Fsync { get; init; } = true;
}

/// <summary>Where one tablespace goes: <c>-TablespaceMapping</c> or wal-g's restore specification.</summary>
/// <param name="Oid">The name of the link below pg_tblspc.</param>
/// <param name="Location">Absolute directory to restore it into; made when missing, must be empty.</param>
public sealed record TablespaceTarget(string Oid, string Location);

/// <summary>One restore.</summary>
public sealed record BackupFetchRequest
{
    public required BackupName Name { get; init; }

    /// <summary>Where the data directory is made: missing or empty.</summary>
    public required string Destination { get; init; }

    /// <summary>
    /// Tablespaces that go elsewhere. One not named here goes to where it was when that directory is missing or empty,
    /// otherwise (or on another system) the restore is refused with the mapping to give.
    /// </summary>
    public IReadOnlyList<TablespaceTarget> Tablespaces { get; init; } = [];

    /// <summary>Allows a destination that holds a PostgreSQL data directory of the same cluster, stopped: it is emptied first.</summary>
    public bool Force { get; init; }

    /// <summary>wal-g's <c>--mask</c>, or null for everything.</summary>
    public string? Mask { get; init; }

    /// <summary>
    /// wal-g's <c>--restore-only</c>: "database", "database/table" (of schema public) or "database/schema.table", each '*' any
    /// text. System databases and catalogs come always, and with a table its partitions, TOAST and indexes. Empty for all.
    /// </summary>
    public IReadOnlyList<string> RestoreOnly { get; init; } = [];

    /// <summary>Recovery settings to write; null to write none (as wal-g's backup-fetch).</summary>
    public RecoverySettings? Recovery { get; init; }

    public IProgress<TransferProgress>? Progress { get; init; }
}

/// <summary>What a restore did.</summary>
public sealed record BackupFetchResult
{
    public required BackupName Name { get; init; }

    public required string DataDirectory { get; init; }

    public long Bytes { get; init; }

    public long FileCount { get; init; }

    /// <summary>How many times a file was brought on by an increment.</summary>
    public long IncrementCount { get; init; }

    /// <summary>1 for a full backup.</summary>
    public int ChainLength { get; init; } = 1;

    public TimeSpan Duration { get; init; }

    /// <summary>Tablespace links that were made, as oid and location.</summary>
    public IReadOnlyList<TablespaceTarget> Tablespaces { get; init; } = [];

    /// <summary>The settings written to postgresql.auto.conf, in order; empty when none were asked for.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> RecoverySettings { get; init; } = [];
}

/// <summary>What a restore reads, the full backup first.</summary>
public sealed record RestorePlan(IReadOnlyList<RestorePlanStep> Steps)
{
    /// <summary>Bytes read from the archive.</summary>
    public long StoredBytes => Steps.Sum(step => step.StoredBytes);

    /// <summary>Bytes of tars that are not read, because later backups of the chain or the choice make them needless.</summary>
    public long SkippedBytes => Steps.Sum(step => step.SkippedBytes);
}

/// <summary>One backup of a restore's chain.</summary>
public sealed record RestorePlanStep
{
    public required BackupName Name { get; init; }

    /// <summary>Bytes of the backup's tars' content.</summary>
    public long UncompressedSize { get; init; }

    public int TarCount { get; init; }

    public long StoredBytes { get; init; }

    public int SkippedTarCount { get; init; }

    public long SkippedBytes { get; init; }

    /// <summary>How many files are taken from it; null for the restored backup itself, which brings all of its own.</summary>
    public long? FileCount { get; init; }
}
