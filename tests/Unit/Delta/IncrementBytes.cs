using System.Buffers.Binary;
using WalRus.Delta;

namespace WalRus.Tests.Delta;

/// <summary>Increments by hand, from the description of their formats.</summary>
internal static class IncrementBytes
{
    public const int PageBytes = 8192;

    /// <summary>wal-g's: magic, file size, count, block numbers, pages.</summary>
    public static byte[] Wi1(long fileBytes, IReadOnlyList<uint> blocks, Func<uint, byte[]> page)
    {
        var header = new byte[16 + (4 * blocks.Count)];
        "wi1U"u8.CopyTo(header);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(4), fileBytes);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(12), blocks.Count);
        WriteBlocks(header.AsSpan(16), blocks);
        return [.. header, .. blocks.SelectMany(page)];
    }

    /// <summary>PostgreSQL's: magic, count, truncation length, block numbers, zeros to a whole page, pages.</summary>
    public static byte[] Native(uint truncationBlocks, IReadOnlyList<uint> blocks, Func<uint, byte[]> page)
    {
        var length = 12 + (4 * blocks.Count);
        var header = new byte[blocks.Count == 0 ? length : (length + PageBytes - 1) / PageBytes * PageBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(header, 0xD3AE1F0D);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(4), blocks.Count);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(8), truncationBlocks);
        WriteBlocks(header.AsSpan(12), blocks);
        return [.. header, .. blocks.SelectMany(page)];
    }

    public static byte[] Page(byte[] file, uint block) => file.AsSpan((int)block * PageBytes, PageBytes).ToArray();

    /// <summary>The file that an increment makes of an older one; the increment comes in pieces of the given size.</summary>
    public static byte[] Apply(byte[] older, byte[] increment, int pieceBytes = int.MaxValue, string name = "base/5/16384")
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, older);
            using (var handle = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite))
            using (var reader = new IncrementReader(increment.Length, IncrementedFile.UsualSegmentBytes, name))
            {
                var file = new IncrementedFile(handle, reader);
                for (var at = 0; at < increment.Length; at += Math.Min(pieceBytes, increment.Length))
                {
                    file.Take(increment.AsSpan(at, Math.Min(pieceBytes, increment.Length - at)));
                }

                file.Complete();
            }

            return File.ReadAllBytes(path);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static void WriteBlocks(Span<byte> target, IReadOnlyList<uint> blocks)
    {
        for (var index = 0; index < blocks.Count; index++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(target[(4 * index)..], blocks[index]);
        }
    }
}
