using System.Buffers.Binary;

namespace WalRus.Delta;

/// <summary>How the changed pages of a file are written into a tar.</summary>
public enum IncrementFormat
{
    /// <summary>wal-g's: "wi1U", file size, block numbers, pages. Every tool that knows wal-g's archives reads it.</summary>
    Wi1,

    /// <summary>PostgreSQL 17's INCREMENTAL file, as WAL-RUS stores it: under the file's own name. wal-g cannot read it.</summary>
    Native,
}

/// <summary>The bytes around the pages of an increment. Sources: wal-g's wi1; PostgreSQL's basebackup_incremental.c.</summary>
public static class IncrementLayout
{
    /// <summary>The page size that both formats take for granted.</summary>
    public const int PageBytes = 8192;

    /// <summary>The most that <see cref="WriteStart"/> writes.</summary>
    public const int LongestStartBytes = 16;

    private const uint Wi1Magic = 0x55316977; // "wi1U"
    private const uint NativeMagic = 0xD3AE1F0D;
    private const int NativeStartBytes = 12;

    /// <summary>Bytes of the whole increment.</summary>
    public static long ContentBytes(IncrementFormat format, int count) =>
        StartBytes(format) + ((long)count * sizeof(uint)) + PaddingBytes(format, count) + ((long)count * PageBytes);

    /// <summary>Zeros between the block numbers and the pages: the native format begins its pages at a whole page.</summary>
    public static int PaddingBytes(IncrementFormat format, int count) =>
        format == IncrementFormat.Native && count > 0 ? -(NativeStartBytes + (count * sizeof(uint))) & (PageBytes - 1) : 0;

    /// <summary>Writes what comes before the block numbers, which follow as 32-bit little-endian numbers, ascending.</summary>
    /// <param name="target">At least <see cref="LongestStartBytes"/>.</param>
    /// <param name="fileBytes">Length of the file that the increment makes: whole pages.</param>
    /// <param name="count">How many pages follow.</param>
    /// <returns>How many bytes it is.</returns>
    public static int WriteStart(Span<byte> target, IncrementFormat format, long fileBytes, int count)
    {
        if (format == IncrementFormat.Wi1)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(target, Wi1Magic);
            BinaryPrimitives.WriteInt64LittleEndian(target[4..], fileBytes);
            BinaryPrimitives.WriteInt32LittleEndian(target[12..], count);
        }
        else
        {
            BinaryPrimitives.WriteUInt32LittleEndian(target, NativeMagic);
            BinaryPrimitives.WriteInt32LittleEndian(target[4..], count);
            BinaryPrimitives.WriteInt32LittleEndian(target[8..], (int)(fileBytes / PageBytes));
        }

        return StartBytes(format);
    }

    private static int StartBytes(IncrementFormat format) =>
        format == IncrementFormat.Wi1 ? LongestStartBytes : NativeStartBytes;
}
