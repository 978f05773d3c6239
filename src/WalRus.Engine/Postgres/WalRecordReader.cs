using System.Buffers.Binary;

namespace WalRus.Postgres;

/// <summary>What <see cref="WalRecordReader.Read"/> came to.</summary>
public enum WalReadState
{
    /// <summary>All bytes given are used up.</summary>
    NeedsBytes,

    /// <summary><see cref="WalRecordReader.Record"/> is a whole record with the right checksum.</summary>
    Record,

    /// <summary>No valid WAL follows: <see cref="WalRecordReader.EndReason"/> says why. Replay would end here too.</summary>
    End,
}

/// <summary>
/// Reads WAL records out of the bytes of one or more segments in a row, as they come. Source: PostgreSQL's xlogreader.c and
/// xlog_internal.h, versions 13 to 18. Holds one record's wanted bytes at most, whatever the segment's and the record's size.
/// </summary>
/// <remarks>
/// Starts at the first byte of a segment. A record that began before it is passed over. The page header's timeline may
/// be an earlier one: a new timeline's first segment begins with a copy.
/// </remarks>
public sealed class WalRecordReader
{
    private const ushort FirstIsContinuation = 0x0001;
    private const ushort FirstIsOverwrite = 0x0008;
    private const int RecordAlignment = 8;

    private readonly Func<WalRecordHeader, int> wantedBytes;
    private readonly int maxBodyBytes;
    private readonly int maxTailBytes;
    private readonly byte[] pageHeader = new byte[WalPageHeader.LongLength];
    private readonly byte[] recordHeader = new byte[WalRecordHeader.Length];
    private byte[] body = [];
    private byte[] tail = [];

    private Lsn position;
    private WalPageHeader page;
    private int pageHeaderFilled;
    private int pageLeft;
    private int segmentSize;
    private int blockSize;
    private bool hasStarted;

    private Lsn recordStart;
    private Lsn recordEnd;
    private int recordHeaderFilled;
    private WalRecordHeader header;
    private uint bodyRead;
    private int bodyKept;
    private int bodyWanted;
    private uint crc;
    private Lsn previous;

    private uint tailLeft;
    private uint tailRead;
    private int tailKept;
    private int padding;
    private bool skipsSegment;

    /// <param name="start">The first byte that will come: the start of a segment.</param>
    /// <param name="wanted">Of which records the body is kept; null for none.</param>
    /// <param name="maxBodyBytes">How much of a body is kept at most.</param>
    public WalRecordReader(Lsn start, Func<WalRecordHeader, bool>? wanted = null, int maxBodyBytes = 4 << 20)
        : this(start, wanted is null ? static _ => 0 : header => wanted(header) ? maxBodyBytes : 0, maxBodyBytes, 0)
    {
    }

    /// <param name="start">The first byte that will come: the start of a segment.</param>
    /// <param name="wantedBytes">How much of a record's body is kept.</param>
    /// <param name="maxBodyBytes">How much of any body is kept at most.</param>
    /// <param name="maxTailBytes">How much is kept at most of a record that began before <paramref name="start"/>.</param>
    public WalRecordReader(Lsn start, Func<WalRecordHeader, int> wantedBytes, int maxBodyBytes, int maxTailBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxBodyBytes);
        ArgumentOutOfRangeException.ThrowIfNegative(maxTailBytes);
        position = start;
        this.wantedBytes = wantedBytes;
        this.maxBodyBytes = maxBodyBytes;
        this.maxTailBytes = maxTailBytes;
    }

    /// <summary>The next byte that is expected.</summary>
    public Lsn Position => position;

    /// <summary>The segment size that the first page stated; null before it was read.</summary>
    public WalSegmentSize? SegmentSize => segmentSize == 0 ? null : WalSegmentSize.FromBytes(segmentSize);

    /// <summary>The cluster that the first page stated; 0 before it was read.</summary>
    public ulong SystemIdentifier { get; private set; }

    /// <summary>True while a record has begun of which bytes are still to come.</summary>
    public bool IsInsideRecord => recordHeaderFilled > 0;

    /// <summary>The format of the last page: it tells PostgreSQL's version.</summary>
    public ushort PageMagic => page.Magic;

    /// <summary>True while a record that began before the start goes on.</summary>
    public bool IsInsideTail => tailLeft > 0;

    /// <summary>The rest of a record that began before the start, page headers left out; or its beginning, where that is too long.</summary>
    public ReadOnlySpan<byte> Tail => tail.AsSpan(0, tailKept);

    /// <summary>True when a record that began before the start never ends: a server that crashed gave it up when it came back.</summary>
    public bool IsTailGivenUp { get; private set; }

    /// <summary>Bytes of that rest, kept or not.</summary>
    public uint TailLength => tailRead;

    /// <summary>Bytes of the record that has begun, page headers left out.</summary>
    public uint UnfinishedLength => (uint)recordHeaderFilled + (recordHeaderFilled == WalRecordHeader.Length ? bodyRead : 0);

    /// <summary>
    /// True when something stands where PostgreSQL leaves zeros: between two records, or behind a switch to the next
    /// segment. Replay does not look there; it was changed since it was written.
    /// </summary>
    public bool HasDataBetweenRecords { get; private set; }

    /// <summary>Why there is nothing more to read; null while there may be.</summary>
    public string? EndReason { get; private set; }

    /// <summary>The record that was read last.</summary>
    public WalRecord Record => new()
    {
        Header = header,
        Start = recordStart,
        End = recordEnd,
        PageMagic = page.Magic,
        Body = body.AsSpan(0, bodyKept),
    };

    /// <summary>The record that has begun, as far as it came; null when not all of that was kept.</summary>
    public byte[]? CopyUnfinished() => recordHeaderFilled == WalRecordHeader.Length && bodyRead > bodyKept
        ? null
        : [.. recordHeader.AsSpan(0, recordHeaderFilled), .. body.AsSpan(0, (int)UnfinishedLength - recordHeaderFilled)];

    /// <summary>Takes bytes until a record is complete, they are used up, or the WAL ends.</summary>
    /// <param name="bytes">The next bytes; what was taken is cut off.</param>
    public WalReadState Read(ref ReadOnlySpan<byte> bytes)
    {
        while (EndReason is null)
        {
            if (skipsSegment)
            {
                SkipSegment(ref bytes);
            }
            else if (pageLeft == 0)
            {
                ReadPageHeader(ref bytes);
            }
            else if (tailLeft > 0 || padding > 0)
            {
                Skip(ref bytes);
            }
            else if (recordHeaderFilled < WalRecordHeader.Length)
            {
                ReadRecordHeader(ref bytes);
            }
            else
            {
                ReadBody(ref bytes);
            }

            if (EndReason is null && IsComplete)
            {
                return Finish();
            }

            if (bytes.IsEmpty && EndReason is null)
            {
                return WalReadState.NeedsBytes;
            }
        }

        return WalReadState.End;
    }

    /// <param name="unit">A power of two.</param>
    private static ulong RoundUp(ulong value, int unit) => (value + (uint)unit - 1) & ~((ulong)unit - 1);

    private bool IsComplete => recordHeaderFilled == WalRecordHeader.Length
        && bodyRead == header.TotalLength - WalRecordHeader.Length;

    private WalReadState Finish()
    {
        crc = Crc32C.Append(crc, recordHeader.AsSpan(0, WalRecordHeader.ChecksumOffset));
        if (Crc32C.Finish(crc) != header.Checksum)
        {
            return End($"the record at {recordStart} has a wrong checksum");
        }

        previous = recordStart;
        recordHeaderFilled = 0;
        skipsSegment = header.IsSwitch;
        recordEnd = new Lsn(RoundUp(position.Value, skipsSegment ? segmentSize : RecordAlignment));
        padding = skipsSegment ? 0 : (int)(recordEnd - position);
        return WalReadState.Record;
    }

    private WalReadState End(string reason)
    {
        EndReason = reason;
        recordHeaderFilled = 0;
        return WalReadState.End;
    }

    private ReadOnlySpan<byte> Take(ref ReadOnlySpan<byte> bytes, long count)
    {
        var taken = bytes[..(int)Math.Min(count, bytes.Length)];
        bytes = bytes[taken.Length..];
        position += (ulong)taken.Length;
        return taken;
    }

    /// <summary>Bytes within the page, behind its header.</summary>
    private ReadOnlySpan<byte> TakeOfPage(ref ReadOnlySpan<byte> bytes, long count)
    {
        var taken = Take(ref bytes, Math.Min(count, pageLeft));
        pageLeft -= taken.Length;
        return taken;
    }

    private void SkipSegment(ref ReadOnlySpan<byte> bytes)
    {
        HasDataBetweenRecords |= Take(ref bytes, recordEnd - position).ContainsAnyExcept((byte)0);
        if (position == recordEnd)
        {
            skipsSegment = false;
            pageLeft = 0;
        }
    }

    /// <summary>The end of a record whose beginning is not here, or what lies between two records.</summary>
    private void Skip(ref ReadOnlySpan<byte> bytes)
    {
        if (tailLeft == 0)
        {
            var between = TakeOfPage(ref bytes, padding);
            padding -= between.Length;
            HasDataBetweenRecords |= between.ContainsAnyExcept((byte)0);
            return;
        }

        var taken = TakeOfPage(ref bytes, tailLeft);
        tailLeft -= (uint)taken.Length;
        tailRead += (uint)taken.Length;
        Keep(ref tail, ref tailKept, taken, maxTailBytes);
        padding = tailLeft == 0 ? (int)(RoundUp(position.Value, RecordAlignment) - position.Value) : 0;
    }

    private void ReadPageHeader(ref ReadOnlySpan<byte> bytes)
    {
        var wantedLength = pageHeaderFilled < WalPageHeader.ShortLength || !IsLong ? WalPageHeader.ShortLength : WalPageHeader.LongLength;
        var taken = Take(ref bytes, wantedLength - pageHeaderFilled);
        taken.CopyTo(pageHeader.AsSpan(pageHeaderFilled));
        pageHeaderFilled += taken.Length;
        if (pageHeaderFilled < wantedLength || (wantedLength == WalPageHeader.ShortLength && IsLong))
        {
            return;
        }

        var start = new Lsn(position.Value - (ulong)pageHeaderFilled);
        var lastTimeline = page.Timeline;
        if (!WalPageHeader.TryParse(pageHeader.AsSpan(0, pageHeaderFilled), out page) || page.PageAddress != start)
        {
            End($"there is no WAL page at {start}");
        }
        else if (page.Timeline < lastTimeline)
        {
            End($"the page at {start} is of timeline {page.Timeline}, after pages of timeline {lastTimeline}");
        }
        else if (TakeSizes(start))
        {
            pageLeft = blockSize - pageHeaderFilled;
            pageHeaderFilled = 0;
            TakeContinuation(start);
            hasStarted = true;
        }
    }

    private bool IsLong => WalPageHeader.IsLongHeader(BinaryPrimitives.ReadUInt16LittleEndian(pageHeader.AsSpan(2)));

    /// <summary>The long header stands at a segment's start and nowhere else.</summary>
    private bool TakeSizes(Lsn start)
    {
        if (page.IsLong && !hasStarted && WalSegmentSize.IsValid(page.SegmentSizeBytes)
            && page.BlockSizeBytes is >= 1024 and <= 65536 && (page.BlockSizeBytes & (page.BlockSizeBytes - 1)) == 0)
        {
            segmentSize = (int)page.SegmentSizeBytes;
            blockSize = (int)page.BlockSizeBytes;
            SystemIdentifier = page.SystemIdentifier;
        }

        var isSegmentStart = segmentSize > 0 && start.Value % (uint)segmentSize == 0;
        var isRight = segmentSize > 0 && page.IsLong == isSegmentStart
            && (!page.IsLong || (page.SegmentSizeBytes == segmentSize && page.SystemIdentifier == SystemIdentifier));
        if (!isRight)
        {
            End($"the page at {start} has not the header of its place");
        }

        return isRight;
    }

    /// <summary>What the page says of a record that began before it must be what was read of it.</summary>
    private void TakeContinuation(Lsn start)
    {
        IsTailGivenUp |= (page.Info & FirstIsOverwrite) != 0 && !IsInsideRecord && (tailLeft > 0 || !hasStarted);
        var pending = IsInsideRecord ? RecordLeft : tailLeft;
        if ((page.Info & FirstIsContinuation) != 0)
        {
            if (page.RemainingLength == 0 || (hasStarted && page.RemainingLength != pending))
            {
                End(pending > 0
                    ? $"the record at {recordStart} does not go on at {start}"
                    : $"the page at {start} goes on with a record that did not begin");
            }

            tailLeft = IsInsideRecord ? 0 : page.RemainingLength;
        }
        else if (pending > 0 && (page.Info & FirstIsOverwrite) == 0)
        {
            End($"the record at {recordStart} breaks off at {start}");
        }
        else if (pending > 0)
        {
            // A server that crashed in the middle of it, and gave it up when it came back.
            recordHeaderFilled = 0;
            tailLeft = 0;
        }
    }

    /// <summary>The length stands in a record's first bytes, which a page never parts: records start at multiples of eight.</summary>
    private uint RecordLeft => BinaryPrimitives.ReadUInt32LittleEndian(recordHeader)
        - (uint)recordHeaderFilled - (recordHeaderFilled == WalRecordHeader.Length ? bodyRead : 0);

    private void ReadRecordHeader(ref ReadOnlySpan<byte> bytes)
    {
        recordStart = recordHeaderFilled == 0 ? position : recordStart;
        var taken = TakeOfPage(ref bytes, WalRecordHeader.Length - recordHeaderFilled);
        taken.CopyTo(recordHeader.AsSpan(recordHeaderFilled));
        recordHeaderFilled += taken.Length;
        if (recordHeaderFilled < sizeof(uint))
        {
            return;
        }

        var length = BinaryPrimitives.ReadUInt32LittleEndian(recordHeader);
        if (length is < WalRecordHeader.Length or > WalRecordHeader.MaxTotalLength)
        {
            End(length == 0 ? $"the WAL ends at {recordStart}" : $"the record at {recordStart} says it is {length} bytes long");
        }
        else if (recordHeaderFilled == WalRecordHeader.Length)
        {
            BeginBody();
        }
    }

    private void BeginBody()
    {
        header = WalRecordHeader.Read(recordHeader);
        if (previous.IsValid ? header.Previous != previous : header.Previous >= recordStart)
        {
            End($"the record at {recordStart} does not follow the one before it");
            return;
        }

        bodyRead = 0;
        bodyKept = 0;
        crc = Crc32C.Initial;
        bodyWanted = Math.Min(maxBodyBytes, wantedBytes(header));
    }

    private void ReadBody(ref ReadOnlySpan<byte> bytes)
    {
        var taken = TakeOfPage(ref bytes, header.TotalLength - WalRecordHeader.Length - bodyRead);
        bodyRead += (uint)taken.Length;
        crc = Crc32C.Append(crc, taken);
        Keep(ref body, ref bodyKept, taken, bodyWanted);
    }

    private static void Keep(ref byte[] buffer, ref int kept, ReadOnlySpan<byte> bytes, int limit)
    {
        bytes = bytes[..Math.Min(bytes.Length, limit - kept)];
        if (buffer.Length < kept + bytes.Length)
        {
            Array.Resize(ref buffer, Math.Min(limit, Math.Max(kept + bytes.Length, buffer.Length * 2)));
        }

        bytes.CopyTo(buffer.AsSpan(kept));
        kept += bytes.Length;
    }
}
