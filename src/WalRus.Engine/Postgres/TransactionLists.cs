using System.Buffers.Binary;

namespace WalRus.Postgres;

/// <summary>
/// The lists in the record of a transaction's end, whose lengths must be walked to find what stands behind them. Source:
/// PostgreSQL's xact.h and xactdesc.c.
/// </summary>
internal static class TransactionLists
{
    private const uint HasDatabase = 1 << 0;
    private const uint HasSubtransactions = 1 << 1;
    private const uint HasRelations = 1 << 2;
    private const uint HasInvalidations = 1 << 3;
    private const uint HasTwoPhase = 1 << 4;
    private const uint HasDroppedStatistics = 1 << 8;

    private const int DatabaseBytes = 8;
    private const int RelationBytes = 12;
    private const int InvalidationBytes = 16;

    /// <summary>Version 18 made the object's id one of 64 bits.</summary>
    private const ushort FirstMagicWithWideStatistics = 0xD118;

    /// <summary>Finds the relations whose files the transaction's end removes, 12 bytes each; none is an empty list.</summary>
    /// <param name="data">The record's own data, the time included; the record says that it has information.</param>
    /// <param name="relations">The list.</param>
    /// <returns>False when the data is not what it should be.</returns>
    public static bool TryFindRelations(ReadOnlySpan<byte> data, out ReadOnlySpan<byte> relations)
    {
        const int TimeBytes = 8;
        relations = default;
        if (data.Length < TimeBytes + sizeof(uint))
        {
            return false;
        }

        data = data[TimeBytes..];
        var info = BinaryPrimitives.ReadUInt32LittleEndian(data);
        long at = sizeof(uint) + ((info & HasDatabase) != 0 ? DatabaseBytes : 0);
        if (!PassList(data, ref at, (info & HasSubtransactions) != 0, sizeof(uint)))
        {
            return false;
        }

        var start = at + sizeof(int);
        if (!PassList(data, ref at, (info & HasRelations) != 0, RelationBytes) || at > data.Length)
        {
            return false;
        }

        relations = at >= start ? data[(int)start..(int)at] : default;
        return true;
    }

    /// <summary>Finds which prepared transaction a record ends.</summary>
    /// <param name="data">What follows the time.</param>
    /// <param name="commits">A commit's list of invalidations is not in an abort.</param>
    /// <param name="pageMagic">Of the page the record ends on.</param>
    /// <returns>Null when it is not there.</returns>
    public static uint? FindPrepared(ReadOnlySpan<byte> data, bool commits, ushort pageMagic)
    {
        if (data.Length < sizeof(uint))
        {
            return null;
        }

        var info = BinaryPrimitives.ReadUInt32LittleEndian(data);
        long at = sizeof(uint) + ((info & HasDatabase) != 0 ? DatabaseBytes : 0);
        var isThere = (info & HasTwoPhase) != 0
            && PassList(data, ref at, (info & HasSubtransactions) != 0, sizeof(uint))
            && PassList(data, ref at, (info & HasRelations) != 0, RelationBytes)
            && PassList(data, ref at, (info & HasDroppedStatistics) != 0, pageMagic >= FirstMagicWithWideStatistics ? 16 : 12)
            && PassList(data, ref at, commits && (info & HasInvalidations) != 0, InvalidationBytes)
            && at <= data.Length - sizeof(uint);
        return isThere ? BinaryPrimitives.ReadUInt32LittleEndian(data[(int)at..]) : null;
    }

    private static bool PassList(ReadOnlySpan<byte> data, ref long at, bool isThere, int itemBytes)
    {
        if (isThere)
        {
            if (at > data.Length - sizeof(int))
            {
                return false;
            }

            at += sizeof(int) + (long)BinaryPrimitives.ReadUInt32LittleEndian(data[(int)at..]) * itemBytes;
        }

        return true;
    }
}
