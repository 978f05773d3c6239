using System.Buffers.Binary;
using WalRus.Delta;
using WalRus.Streaming.Tar;

namespace WalRus.Backup;

/// <summary>Writes what comes before the pages of an increment.</summary>
internal static class IncrementHeader
{
    /// <summary>Writes it into the tar's current member; the pages of the blocks follow, in their order.</summary>
    /// <param name="fileBytes">Length of the file that the increment makes; in the native format, what of the old file still counts.</param>
    public static async ValueTask WriteAsync(
        TarWriter tar, IncrementFormat format, long fileBytes, BlockSet blocks, CancellationToken cancellationToken)
    {
        var count = blocks.Count;
        var start = await tar.GetContentAsync(IncrementLayout.LongestStartBytes, cancellationToken).ConfigureAwait(false);
        tar.Advance(IncrementLayout.WriteStart(start.Span, format, fileBytes, count));
        for (var block = blocks.Next(0); block >= 0;)
        {
            var room = await tar.GetContentAsync(sizeof(uint), cancellationToken).ConfigureAwait(false);
            var used = 0;
            for (; block >= 0 && used + sizeof(uint) <= room.Length; used += sizeof(uint))
            {
                BinaryPrimitives.WriteInt32LittleEndian(room.Span[used..], block);
                block = blocks.Next(block + 1);
            }

            tar.Advance(used);
        }

        var padding = IncrementLayout.PaddingBytes(format, count);
        if (padding > 0)
        {
            var zeros = await tar.GetContentAsync(padding, cancellationToken).ConfigureAwait(false);
            zeros.Span[..padding].Clear();
            tar.Advance(padding);
        }
    }
}
