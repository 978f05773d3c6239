using WalRus.Postgres;
using WalRus.Storage;

namespace WalRus.Wal;

/// <summary>How this installation pushes WAL; from settings, the same for every request.</summary>
public sealed record WalPushOptions
{
    /// <summary><c>WALG_PREVENT_WAL_OVERWRITE</c>: compare with what the archive holds before writing. Always done for .history.</summary>
    public bool PreventOverwrite { get; init; }

    /// <summary><c>WALG_UPLOAD_CONCURRENCY</c>: lanes; one is the asked segment's, the others push ready neighbours.</summary>
    public int UploadConcurrency { get; init; } = 16;

    /// <summary><c>TOTAL_BG_UPLOADED_LIMIT</c> - 1: how many ready neighbours one push takes along at most.</summary>
    public int NeighbourLimit { get; init; } = 31;

    /// <summary><c>PG_READY_RENAME</c>: rename .ready to .done for neighbours that were pushed.</summary>
    public bool RenameReady { get; init; }

    /// <summary><c>WALG_USE_WAL_DELTA</c>: record which blocks segments change, for delta backups.</summary>
    public bool RecordsDelta { get; init; }

    /// <summary>Where markers of neighbours, and what is recorded of segments, are kept; null for <c>walg_data</c> in the folder of the pushed file.</summary>
    public string? DataFolder { get; init; }

    /// <summary><c>WALG_PG_WAL_SIZE</c> when it was set; null to believe the segment's own header.</summary>
    public WalSegmentSize? SegmentSize { get; init; }

    /// <summary><c>WALRUS_CHECK_SYSTEM_IDENTIFIER</c>: refuse a segment of a cluster that is not the archive's.</summary>
    public bool CheckSystemIdentifier { get; init; } = true;

    /// <summary>How long one segment may take, retries included.</summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromMinutes(10);
}

/// <summary>One file to archive.</summary>
public sealed record WalPushRequest
{
    /// <summary>PostgreSQL's %p: a segment, .history, .backup or .partial file.</summary>
    public required string Path { get; init; }

    public IProgress<TransferProgress>? Progress { get; init; }
}

public enum WalPushState
{
    /// <summary>Stored by this call.</summary>
    Uploaded,

    /// <summary>The archive already held the same bytes (or an earlier call pushed it ahead as a neighbour).</summary>
    AlreadyArchived,
}

/// <summary>What was done with one WAL file.</summary>
public sealed record WalPushResult
{
    public required string Name { get; init; }

    public required string Path { get; init; }

    public required WalPushState State { get; init; }

    /// <summary>Full key of the object that holds it; null when a marker alone said so.</summary>
    public ObjectKey? Key { get; init; }

    /// <summary>Size of the file.</summary>
    public long BytesIn { get; init; }

    /// <summary>Bytes stored; 0 unless uploaded by this call.</summary>
    public long BytesOut { get; init; }

    public TimeSpan Duration { get; init; }

    /// <summary>Ready neighbours that this call also made durable.</summary>
    public int NeighboursPushed { get; init; }
}
