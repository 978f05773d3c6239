using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace WalRus.Postgres;

/// <summary>
/// PostgreSQL's page checksum: 32 FNV-1a-like sums side by side. Source: PostgreSQL's checksum_impl.h. Little-endian.
/// </summary>
public static class PageChecksum
{
    private const int Lanes = 32;
    private const uint Prime = 16777619;
    private const int ChecksumOffset = 8;

    private static readonly uint[] LaneOffsets =
    [
        0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
        0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
        0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
        0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756,
    ];

    /// <summary>The checksum a page should have, 1 to 65535.</summary>
    /// <param name="page">A whole page; a multiple of 128 bytes. Not changed: the stored checksum counts as zero.</param>
    /// <param name="blockNumber">The page's number within its relation, not within the segment file.</param>
    public static ushort Compute(ReadOnlySpan<byte> page, uint blockNumber)
    {
        var words = MemoryMarshal.Cast<byte, uint>(page);
        var sum0 = Vector256.LoadUnsafe(ref LaneOffsets[0]);
        var sum1 = Vector256.LoadUnsafe(ref LaneOffsets[8]);
        var sum2 = Vector256.LoadUnsafe(ref LaneOffsets[16]);
        var sum3 = Vector256.LoadUnsafe(ref LaneOffsets[24]);

        // The checksum's own two bytes, in the third word, count as zero.
        Span<uint> first = stackalloc uint[Lanes];
        words[..Lanes].CopyTo(first);
        first[ChecksumOffset / sizeof(uint)] &= 0xFFFF0000;
        Mix(first, ref sum0, ref sum1, ref sum2, ref sum3);
        for (var row = Lanes; row < words.Length; row += Lanes)
        {
            Mix(words.Slice(row, Lanes), ref sum0, ref sum1, ref sum2, ref sum3);
        }

        Span<uint> zeros = stackalloc uint[Lanes];
        zeros.Clear();
        Mix(zeros, ref sum0, ref sum1, ref sum2, ref sum3);
        Mix(zeros, ref sum0, ref sum1, ref sum2, ref sum3);

        var folded = sum0 ^ sum1 ^ sum2 ^ sum3;
        uint result = 0;
        for (var lane = 0; lane < Vector256<uint>.Count; lane++)
        {
            result ^= folded[lane];
        }

        return (ushort)(((result ^ blockNumber) % 65535) + 1);
    }

    private static void Mix(
        ReadOnlySpan<uint> row,
        ref Vector256<uint> sum0,
        ref Vector256<uint> sum1,
        ref Vector256<uint> sum2,
        ref Vector256<uint> sum3)
    {
        ref var start = ref MemoryMarshal.GetReference(row);
        sum0 = Step(sum0, Vector256.LoadUnsafe(ref start));
        sum1 = Step(sum1, Vector256.LoadUnsafe(ref start, 8));
        sum2 = Step(sum2, Vector256.LoadUnsafe(ref start, 16));
        sum3 = Step(sum3, Vector256.LoadUnsafe(ref start, 24));
    }

    private static Vector256<uint> Step(Vector256<uint> sum, Vector256<uint> value)
    {
        var mixed = sum ^ value;
        return (mixed * Prime) ^ Vector256.ShiftRightLogical(mixed, 17);
    }
}
