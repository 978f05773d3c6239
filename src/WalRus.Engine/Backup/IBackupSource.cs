using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>Where a base backup's bytes come from. Used once, in this order: start, copy, finish.</summary>
/// <remarks>Disposing at any point gives up: the server is no longer in backup mode because of this source.</remarks>
internal interface IBackupSource : IAsyncDisposable
{
    /// <summary>Checks that a backup can be made, and begins it on the server.</summary>
    /// <param name="shape">What the archive says that the backup is to be.</param>
    Task<BackupSourceStart> StartAsync(BackupShape shape, CancellationToken cancellationToken);

    /// <summary>Puts all data files into tars, and their descriptions into the metadata.</summary>
    /// <param name="delta">What a delta is made against; null for a full backup. Not disposed.</param>
    Task CopyAsync(BackupTars tars, DeltaBase? delta, CancellationToken cancellationToken);

    /// <summary>Ends the backup on the server, and stores what must come last: the control file and the label.</summary>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.PostgresTimelineChanged"/>: what was copied is of two timelines and no backup.
    /// </exception>
    Task<BackupSourceEnd> FinishAsync(BackupTars tars, CancellationToken cancellationToken);
}

/// <summary>How a backup began.</summary>
/// <param name="Segment">The segment the backup is named after.</param>
/// <param name="DataDirectory">The server's, links resolved.</param>
/// <param name="ServerRun">
/// Tells this run of the server from every other, when this source alone holds the backup's name on it: whoever took the
/// name in the archive for the same run has lost its session then. Null where that cannot be known.
/// </param>
internal sealed record BackupSourceStart(
    Lsn Lsn, WalFileName Segment, int PgVersion, ulong? SystemIdentifier, string DataDirectory, string? ServerRun)
{
    /// <summary>
    /// The past of the timeline the backup is taken on; null where the source does not know it, and the archive is asked.
    /// </summary>
    public TimelineHistory? Timelines { get; init; }

    public WalSegmentSize SegmentSize { get; init; }

    /// <summary>The cluster's page size.</summary>
    public int PageBytes { get; init; } = 8192;

    /// <summary>Blocks of a whole relation segment.</summary>
    public int FileBlocks { get; init; } = 131072;

    public bool HasDataChecksums { get; init; }

    /// <summary>True when <see cref="DataDirectory"/> is on this machine and read from there.</summary>
    public bool IsLocal { get; init; }

    /// <summary>
    /// How the source names its files: with a leading "/" as wal-g's local backups, or without as remote ones. A parent's
    /// names must be of the same kind.
    /// </summary>
    public bool HasRootedNames { get; init; } = true;

    /// <summary>
    /// What finds the changed blocks when the server does that itself: only these are sent then, and the backup cannot
    /// become a full one any more. Null when whole files come.
    /// </summary>
    public string? BlockSource { get; init; }

    /// <summary>Why whole files come although the server was asked for changed blocks; null when that is not so.</summary>
    public string? BlockSourceFallback { get; init; }
}

/// <summary>How a backup ended.</summary>
internal sealed record BackupSourceEnd
{
    public required Lsn Lsn { get; init; }

    /// <summary>Bytes on disk of everything walked; 0 where not known.</summary>
    public long DataCatalogBytes { get; init; }

    /// <summary>What the server sent, its tars' headers included; null where the members' own bytes count.</summary>
    public long? UncompressedBytes { get; init; }

    /// <summary>Null when there are none and the source's format leaves the key out.</summary>
    public TablespaceSpec? Tablespaces { get; init; }

    public long FileCount { get; init; }

    public long VanishedFileCount { get; init; }

    public long CorruptBlockCount { get; init; }

    public bool ChecksumsVerified { get; init; }
}
