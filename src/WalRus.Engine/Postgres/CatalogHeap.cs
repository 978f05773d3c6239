using System.Buffers.Binary;

namespace WalRus.Postgres;

/// <summary>
/// Reads rows of a system catalog from its file, whether or not any transaction still sees them: enough to learn which
/// relations may belong together. Source: PostgreSQL's bufpage.h, itemid.h and htup_details.h, the same in 13 to 18.
/// </summary>
internal static class CatalogHeap
{
    public const int PageBytes = 8192;

    private const int LowerOffset = 12;
    private const int HeaderOffsetInTuple = 22;
    private const int ItemBytes = 4;
    private const uint NormalItem = 1;

    /// <summary>The first two columns of each row, both of type oid: pg_index has the index and its table there.</summary>
    /// <param name="page">One page. What of it cannot be a row is passed over.</param>
    /// <param name="take">Called for each row.</param>
    public static void ReadOids(ReadOnlySpan<byte> page, Action<uint, uint> take)
    {
        var lower = Math.Min(BinaryPrimitives.ReadUInt16LittleEndian(page[LowerOffset..]), page.Length);
        for (var at = PageHeader.Length; at + ItemBytes <= lower; at += ItemBytes)
        {
            var item = BinaryPrimitives.ReadUInt32LittleEndian(page[at..]);
            var (offset, length) = ((int)(item & 0x7FFF), (int)(item >> 17));
            if (((item >> 15) & 3) != NormalItem || offset + length > page.Length || length <= HeaderOffsetInTuple)
            {
                continue;
            }

            var tuple = page.Slice(offset, length);
            int header = tuple[HeaderOffsetInTuple];
            if (header + (2 * sizeof(uint)) <= tuple.Length)
            {
                take(
                    BinaryPrimitives.ReadUInt32LittleEndian(tuple[header..]),
                    BinaryPrimitives.ReadUInt32LittleEndian(tuple[(header + sizeof(uint))..]));
            }
        }
    }
}
