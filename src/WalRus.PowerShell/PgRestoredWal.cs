using WalRus.Wal;

namespace WalRus.Cmdlets;

/// <summary>A WAL file as Restore-WalSegment emits it; text where the engine has value types, for the same reasons as <see cref="PgBackup"/>.</summary>
public sealed class PgRestoredWal
{
    public required string Name { get; init; }

    /// <summary>The local file.</summary>
    public required string Destination { get; init; }

    public WalFetchSource Source { get; init; }

    /// <summary>The object's key below the archive's prefix; null for a prefetched file.</summary>
    public string? Key { get; init; }

    public long Bytes { get; init; }

    public TimeSpan Duration { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Name;

    internal static PgRestoredWal From(WalFetchResult result) => new()
    {
        Name = result.Name,
        Destination = result.Destination,
        Source = result.Source,
        Key = result.Key?.ToString(),
        Bytes = result.Bytes,
        Duration = result.Duration,
    };
}
