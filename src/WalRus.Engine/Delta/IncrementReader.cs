using System.Buffers;
using System.Buffers.Binary;

namespace WalRus.Delta;

/// <summary>
/// Reads the header of an increment as its bytes come: wal-g's wi1 (and its OrioleDB variant, which states a page size)
/// or PostgreSQL's INCREMENTAL file. What follows the header is the pages that <see cref="Block"/> names, in their order.
/// Everything is checked before the first page: an increment that does not add up is refused whole.
/// </summary>
/// <remarks>Sources: wal-g's incremental_page_reader; PostgreSQL's basebackup_incremental.c and pg_combinebackup.</remarks>
public sealed class IncrementReader : IDisposable
{
    /// <summary>PostgreSQL's page size: other builds' increments are refused.</summary>
    public const int UsualPageBytes = 8192;

    /// <summary>Magic, file size, count of blocks.</summary>
    private const int Wi1HeaderBytes = 16;

    private const int OrioleHeaderBytes = 18;
    private const int NativeHeaderBytes = 12;
    private const uint NativeMagic = 0xD3AE1F0D;
    private const int OriolePageBytes = 512;
    private const int LongestFixedBytes = OrioleHeaderBytes;

    private readonly long contentBytes;
    private readonly long maxFileBytes;
    private readonly string name;
    private readonly byte[] fixedPart = new byte[LongestFixedBytes];
    private int fixedBytes;
    private int fixedFilled;
    private byte[]? list;
    private int listBytes;
    private int listFilled;
    private int paddingLeft;
    private bool isNative;

    /// <param name="contentBytes">Length of the whole increment.</param>
    /// <param name="maxFileBytes">No file that it goes into is longer: bounds what a damaged one can ask for.</param>
    /// <param name="name">What errors call it: the file's path. OrioleDB's data files are told by it, as in wal-g.</param>
    public IncrementReader(long contentBytes, long maxFileBytes, string name)
    {
        this.contentBytes = contentBytes;
        this.maxFileBytes = maxFileBytes;
        this.name = name;
        fixedBytes = sizeof(uint);
    }

    /// <summary>True once the header is read and checked.</summary>
    public bool HasHeader { get; private set; }

    public int PageBytes { get; private set; } = UsualPageBytes;

    /// <summary>The file is cut or extended to this before the pages are written: what lies beyond is gone.</summary>
    public long CutToBytes { get; private set; }

    /// <summary>The file's length in the end.</summary>
    public long FileBytes { get; private set; }

    /// <summary>How many pages follow.</summary>
    public int Count { get; private set; }

    /// <summary>The number, within the file, of the page at an index; ascending.</summary>
    public uint Block(int index) => BinaryPrimitives.ReadUInt32LittleEndian(list.AsSpan(index * sizeof(uint)));

    /// <summary>
    /// True for content that begins as an increment does. No relation's own file can: as a page's first four bytes both
    /// magics would be the position of petabytes of WAL.
    /// </summary>
    public static bool IsIncrement(ReadOnlySpan<byte> content) =>
        content.StartsWith("wi1U"u8)
            || (content.Length >= sizeof(uint) && BinaryPrimitives.ReadUInt32LittleEndian(content) == NativeMagic);

    /// <summary>Takes what belongs to the header.</summary>
    /// <returns>How many bytes that is: less than all once <see cref="HasHeader"/>.</returns>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>.</exception>
    public int TakeHeader(ReadOnlySpan<byte> content)
    {
        var rest = content;
        while (!HasHeader && !rest.IsEmpty)
        {
            if (fixedFilled < fixedBytes)
            {
                fixedFilled += Fill(fixedPart.AsSpan(fixedFilled, fixedBytes - fixedFilled), ref rest);
                if (fixedFilled == fixedBytes)
                {
                    TakeFixed();
                }
            }
            else if (listFilled < listBytes)
            {
                listFilled += Fill(list.AsSpan(listFilled, listBytes - listFilled), ref rest);
                if (listFilled == listBytes)
                {
                    CheckBlocks();
                }
            }
            else
            {
                TakePadding(ref rest);
            }
        }

        return content.Length - rest.Length;
    }

    /// <summary>Holds that the content did not end inside the header.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>.</exception>
    public void ThrowIfUnfinished()
    {
        if (!HasHeader)
        {
            throw Corrupt("it ends inside its header");
        }
    }

    public void Dispose()
    {
        if (list is not null)
        {
            ArrayPool<byte>.Shared.Return(list);
            list = null;
        }
    }

    private static int Fill(Span<byte> target, ref ReadOnlySpan<byte> rest)
    {
        var count = Math.Min(target.Length, rest.Length);
        rest[..count].CopyTo(target);
        rest = rest[count..];
        return count;
    }

    private void TakeFixed()
    {
        var header = fixedPart.AsSpan(0, fixedFilled);
        if (fixedFilled == sizeof(uint))
        {
            isNative = BinaryPrimitives.ReadUInt32LittleEndian(header) == NativeMagic;
            fixedBytes = isNative ? NativeHeaderBytes : Wi1Bytes(header);
            return;
        }

        var count = isNative ? TakeNative(header) : TakeWi1(header);
        if (CutToBytes > maxFileBytes || count > maxFileBytes / PageBytes)
        {
            throw Corrupt(FormattableString.Invariant($"it is of a file of {CutToBytes} bytes with {count} changed pages"));
        }

        Count = (int)count;
        listBytes = Count * sizeof(uint);
        var headerBytes = fixedBytes + listBytes;
        paddingLeft = isNative && Count > 0 ? -headerBytes & (UsualPageBytes - 1) : 0;
        if (contentBytes != headerBytes + paddingLeft + (long)Count * PageBytes)
        {
            throw Corrupt(FormattableString.Invariant($"it has {contentBytes} bytes, which is not the length of {Count} pages"));
        }

        if (Count == 0)
        {
            FileBytes = CutToBytes;
            HasHeader = true;
            return;
        }

        list = ArrayPool<byte>.Shared.Rent(listBytes);
    }

    private int Wi1Bytes(ReadOnlySpan<byte> magic)
    {
        if (magic[0] != 'w' || magic[1] != 'i' || magic[3] != 0x55)
        {
            throw Corrupt("it begins like no increment");
        }

        return magic[2] == '1'
            ? name.Contains("orioledb_data", StringComparison.Ordinal) ? OrioleHeaderBytes : Wi1HeaderBytes
            : throw Corrupt($"it is of the unknown version '{(char)magic[2]}'");
    }

    private uint TakeWi1(ReadOnlySpan<byte> header)
    {
        var size = BinaryPrimitives.ReadUInt64LittleEndian(header[4..]);
        if (fixedBytes == OrioleHeaderBytes)
        {
            PageBytes = BinaryPrimitives.ReadUInt16LittleEndian(header[12..]);
        }

        if (PageBytes is not (UsualPageBytes or OriolePageBytes) || size % (ulong)PageBytes != 0 || size > (ulong)maxFileBytes)
        {
            throw Corrupt(FormattableString.Invariant($"it is of a file of {size} bytes in pages of {PageBytes}"));
        }

        CutToBytes = (long)size;
        return BinaryPrimitives.ReadUInt32LittleEndian(header[(fixedBytes - sizeof(uint))..]);
    }

    private uint TakeNative(ReadOnlySpan<byte> header)
    {
        CutToBytes = BinaryPrimitives.ReadUInt32LittleEndian(header[8..]) * (long)UsualPageBytes;
        return BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
    }

    private void CheckBlocks()
    {
        for (var index = 1; index < Count; index++)
        {
            if (Block(index) <= Block(index - 1))
            {
                throw Corrupt(FormattableString.Invariant($"page {Block(index)} follows page {Block(index - 1)}"));
            }
        }

        // A wi1 states the length itself; PostgreSQL's states how much of the old file still counts.
        var end = ((long)Block(Count - 1) + 1) * PageBytes;
        FileBytes = Math.Max(CutToBytes, end);
        if (end > (isNative ? maxFileBytes : CutToBytes))
        {
            throw Corrupt(FormattableString.Invariant($"page {Block(Count - 1)} lies behind the end of the file"));
        }

        HasHeader = paddingLeft == 0;
    }

    private void TakePadding(ref ReadOnlySpan<byte> rest)
    {
        var count = Math.Min(paddingLeft, rest.Length);
        if (rest[..count].ContainsAnyExcept((byte)0))
        {
            throw Corrupt("there is data between its header and its pages");
        }

        rest = rest[count..];
        paddingLeft -= count;
        HasHeader = paddingLeft == 0;
    }

    private WalRusException Corrupt(string problem) => new(
        ErrorCode.ObjectCorrupt,
        $"The increment of '{name}' is damaged: {problem}.",
        "Choose an older backup, and check the storage.");
}
