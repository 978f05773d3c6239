using System.Buffers.Binary;

namespace WalRus.Postgres;

/// <summary>
/// Which prepared transaction a record ends: its id stands behind lists whose lengths must be walked. Source: PostgreSQL's
/// xact.h and xactdesc.c.
/// </summary>
internal static class PreparedTransaction
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

    /// <param name="data">What follows the time.</param>
    /// <param name="commits">A commit's list of invalidations is not in an abort.</param>
    /// <param name="pageMagic">Of the page the record ends on.</param>
    /// <returns>Null when it is not there.</returns>
    public static uint? Find(ReadOnlySpan<byte> data, bool commits, ushort pageMagic)
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
