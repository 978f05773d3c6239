using System.Text.Json;
using WalRus.Archiving;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>How this installation makes base backups.</summary>
public sealed record BackupPushOptions
{
    /// <summary><c>WALG_UPLOAD_DISK_CONCURRENCY</c>: tars built at the same time.</summary>
    public int DiskConcurrency { get; init; } = 1;

    /// <summary><c>WALG_TAR_SIZE_THRESHOLD</c>: a tar is closed once the files in it pass this many bytes.</summary>
    public long TarSizeThresholdBytes { get; init; } = 1073741823;

    /// <summary><c>WALG_STOP_BACKUP_TIMEOUT</c>: statement timeout of the stop call; null for none.</summary>
    public TimeSpan? StopBackupTimeout { get; init; }

    /// <summary><c>WALG_ALIVE_CHECK_INTERVAL</c>: how often the backup's session is pinged.</summary>
    public TimeSpan AliveCheckInterval { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary><c>WALG_STORE_ALL_CORRUPT_BLOCKS</c>: list every corrupt block instead of the first ten a file.</summary>
    public bool StoreAllCorruptBlocks { get; init; }

    /// <summary>False with <c>WALG_DISABLE_PARTIAL_RESTORE</c>: table names are not collected.</summary>
    public bool CollectTableNames { get; init; } = true;

    /// <summary><c>WALG_WITHOUT_FILES_METADATA</c>.</summary>
    public bool WithoutFilesMetadata { get; init; }

    /// <summary><c>WALG_DISK_RATE_LIMIT</c>, bytes per second read from the data directory, or sent by the server; null for no limit.</summary>
    public long? DiskRateLimitBytesPerSecond { get; init; }

    /// <summary>When the backup is a delta; by default it never is.</summary>
    public BackupDeltaOptions Delta { get; init; } = new();
}

/// <summary>One base backup to make.</summary>
public sealed record BackupPushRequest
{
    /// <summary>
    /// The server's data directory on this machine; null to have the server send its files over the replication protocol.
    /// </summary>
    public string? DataDirectory { get; init; }

    /// <summary>Kept when others are deleted. A permanent delta makes all backups it is based on permanent.</summary>
    public bool Permanent { get; init; }

    /// <summary>A full backup, whatever the settings say about deltas.</summary>
    public bool Full { get; init; }

    /// <summary><c>--verify</c>: check the checksum of every page while it is read.</summary>
    public bool VerifyPageChecksums { get; init; }

    /// <summary>Any JSON, kept with the backup; null for none.</summary>
    public JsonElement? UserData { get; init; }

    public IProgress<TransferProgress>? Progress { get; init; }
}

/// <summary>What a finished backup is, and what was noticed on the way.</summary>
public sealed record BackupPushResult
{
    /// <summary>The backup as a listing will show it.</summary>
    public required BackupDetail Backup { get; init; }

    /// <summary>What the backup became, and why.</summary>
    public required BackupPushPlan Plan { get; init; }

    /// <summary>Null for a full backup.</summary>
    public BackupDeltaFacts? Delta { get; init; }

    /// <summary>
    /// Why the backup was made otherwise than asked: full instead of a delta, or with every page looked at instead of
    /// those a map names. Null when it was made as asked.
    /// </summary>
    public string? Fallback => Plan.IsFallback ? Plan.Reason : Delta?.BlockSourceFallback;

    public TimeSpan Duration { get; init; }

    /// <summary>Files with content in the backup; a delta's unchanged files are not among them.</summary>
    public long FileCount { get; init; }

    /// <summary>Files that vanished while the backup ran (dropped tables); harmless, replay drops them too.</summary>
    public long VanishedFileCount { get; init; }

    /// <summary>Pages whose checksum was wrong on every reading; 0 when not verified.</summary>
    public long CorruptBlockCount { get; init; }

    /// <summary>False when checksums were not asked for, or the cluster has none.</summary>
    public bool ChecksumsVerified { get; init; }

    public IReadOnlyList<string> Warnings { get; init; } = [];
}
