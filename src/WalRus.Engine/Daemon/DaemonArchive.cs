using WalRus.Streaming;
using WalRus.Wal;

namespace WalRus.Daemon;

/// <summary>What a daemon works with, all of it from one reading of the settings; exchanged whole when they are reloaded.</summary>
public sealed record DaemonArchive
{
    public required WalPush Push { get; init; }

    public required WalFetch Fetch { get; init; }

    public required WalPrefetch Prefetch { get; init; }

    /// <summary>How segments are fetched, and whether others are fetched ahead of them.</summary>
    public required WalFetchOptions FetchOptions { get; init; }

    public required NativeBufferPool Buffers { get; init; }

    /// <summary>Where the archive is, without secrets.</summary>
    public required string Location { get; init; }

    public LookAheadOptions Patience { get; init; } = new();

    /// <summary>Gives back to the system what is kept for the next work.</summary>
    public Action ReleaseIdleMemory { get; init; } = static () => { };

    /// <summary>Called once nothing uses it any more.</summary>
    public required Func<ValueTask> ReleaseAsync { get; init; }
}
