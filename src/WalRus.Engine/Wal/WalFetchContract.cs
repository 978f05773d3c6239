using WalRus.Postgres;
using WalRus.Storage;

namespace WalRus.Wal;

/// <summary>How this installation fetches WAL.</summary>
public sealed record WalFetchOptions
{
    /// <summary><c>WALG_DOWNLOAD_CONCURRENCY</c>: segments prefetched after the asked one; 1 means none.</summary>
    public int DownloadConcurrency { get; init; } = 10;

    /// <summary>
    /// <c>WALRUS_PREFETCH_BYTES</c>: the disk space prefetched segments may take, those on their way included; fewer are
    /// prefetched where they are large.
    /// </summary>
    public long PrefetchBytes { get; init; } = 1L << 30;

    /// <summary><c>WALG_PREFETCH_DIR</c>; null for the folder of the destination.</summary>
    public string? PrefetchFolder { get; init; }

    /// <summary><c>WALG_PG_WAL_SIZE</c> when it was set; null to believe the segment's own page header.</summary>
    public WalSegmentSize? SegmentSize { get; init; }

    public TimeSpan Deadline { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How many segments after the asked one are prefetched.</summary>
    internal int SegmentsAhead(WalSegmentSize size) =>
        DownloadConcurrency > 1 ? (int)Math.Min(DownloadConcurrency, PrefetchBytes / size.Bytes) : 0;
}

/// <summary>One file to bring back.</summary>
public sealed record WalFetchRequest
{
    /// <summary>PostgreSQL's %f.</summary>
    public required string Name { get; init; }

    /// <summary>PostgreSQL's %p: where the file is to be; an existing file is replaced only when all of the new one is durable.</summary>
    public required string Destination { get; init; }

    public IProgress<TransferProgress>? Progress { get; init; }
}

public enum WalFetchSource
{
    Archive,
    Prefetched,
}

/// <summary>Where a fetched file came from.</summary>
public sealed record WalFetchResult
{
    public required string Name { get; init; }

    public required string Destination { get; init; }

    public required WalFetchSource Source { get; init; }

    /// <summary>The object read; null when it was prefetched earlier.</summary>
    public ObjectKey? Key { get; init; }

    public long Bytes { get; init; }

    /// <summary>The segment size its own header gives; null for a file that is no segment.</summary>
    public WalSegmentSize? SegmentSize { get; init; }

    public TimeSpan Duration { get; init; }
}
