using WalRus.Wal;

namespace WalRus.Cmdlets;

/// <summary>A received WAL file that is durable, as Receive-WalSegment emits it; text where the engine has value types.</summary>
public sealed class PgReceivedWal
{
    /// <summary>A segment, a .history or, at the end of a timeline, a .partial file.</summary>
    public required string Name { get; init; }

    public WalPushState State { get; init; }

    /// <summary>The object's key below the archive's prefix.</summary>
    public string? Key { get; init; }

    /// <summary>Bytes of the file.</summary>
    public long BytesIn { get; init; }

    /// <summary>Bytes in the store.</summary>
    public long BytesOut { get; init; }

    /// <summary>From the last byte's arrival until the file was durable.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>Everything before this position is durable: what the server hears as flushed.</summary>
    public required string DurableLsn { get; init; }

    /// <summary>How far the server was ahead of that.</summary>
    public long LagBytes { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Name;

    internal static PgReceivedWal From(ReceivedWal file) => new()
    {
        Name = file.Name,
        State = file.State,
        Key = file.Key,
        BytesIn = file.BytesIn,
        BytesOut = file.BytesOut,
        Delay = file.Delay,
        DurableLsn = file.DurablePosition.ToString(),
        LagBytes = file.LagBytes,
    };
}
