using WalRus.Wal;

namespace WalRus.Cmdlets;

/// <summary>A WAL file as Push-WalSegment emits it; text where the engine has value types, for the same reasons as <see cref="PgBackup"/>.</summary>
public sealed class PgArchivedWal
{
    public required string Name { get; init; }

    /// <summary>The local file.</summary>
    public required string Path { get; init; }

    public WalPushState State { get; init; }

    /// <summary>The object's key below the archive's prefix.</summary>
    public string? Key { get; init; }

    /// <summary>Bytes of the file.</summary>
    public long BytesIn { get; init; }

    /// <summary>Bytes in the store.</summary>
    public long BytesOut { get; init; }

    public TimeSpan Duration { get; init; }

    /// <summary>Ready files that were archived along with it.</summary>
    public int NeighboursPushed { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Name;

    internal static PgArchivedWal From(WalPushResult result) => new()
    {
        Name = result.Name,
        Path = result.Path,
        State = result.State,
        Key = result.Key?.ToString(),
        BytesIn = result.BytesIn,
        BytesOut = result.BytesOut,
        Duration = result.Duration,
        NeighboursPushed = result.NeighboursPushed,
    };
}
