using System.Buffers.Binary;

namespace WalRus.Postgres;

/// <summary>The number of a resource manager, for the few whose records are looked into. Source: PostgreSQL's rmgrlist.h.</summary>
public enum WalResourceManager : byte
{
    XLog = 0,
    Transaction = 1,
    Storage = 2,
    Database = 4,
    Standby = 8,
}

/// <summary>The fixed part of each WAL record. Source: PostgreSQL's xlogrecord.h (XLogRecord).</summary>
public readonly record struct WalRecordHeader
{
    /// <summary>Bytes of the header; a record starts at a multiple of eight.</summary>
    public const int Length = 24;

    /// <summary>Where the checksum stands, the last field and the only one that it does not cover.</summary>
    internal const int ChecksumOffset = 20;

    /// <summary>PostgreSQL writes none longer (XLogRecordMaxSize, before version 16 its largest allocation).</summary>
    internal const uint MaxTotalLength = 0x3FFFFFFF;

    private const int InfoOffset = 16;
    private const byte SwitchInfo = 0x40;

    /// <summary>Bytes of the whole record, this header included, page headers in between not.</summary>
    public uint TotalLength { get; private init; }

    /// <summary>The transaction that wrote it; 0 for none.</summary>
    public uint Xid { get; private init; }

    /// <summary>Where the record before it starts.</summary>
    public Lsn Previous { get; private init; }

    /// <summary>What kind of record of its manager (the high half), and flags of the format (the low half).</summary>
    public byte Info { get; private init; }

    public WalResourceManager ResourceManager { get; private init; }

    /// <summary>CRC-32C of what follows the header, then of the header up to here.</summary>
    public uint Checksum { get; private init; }

    /// <summary>True for the record behind which the rest of the segment is empty.</summary>
    public bool IsSwitch => ResourceManager == WalResourceManager.XLog && (Info & 0xF0) == SwitchInfo;

    internal static WalRecordHeader Read(ReadOnlySpan<byte> header) => new()
    {
        TotalLength = BinaryPrimitives.ReadUInt32LittleEndian(header),
        Xid = BinaryPrimitives.ReadUInt32LittleEndian(header[4..]),
        Previous = new Lsn(BinaryPrimitives.ReadUInt64LittleEndian(header[8..])),
        Info = header[InfoOffset],
        ResourceManager = (WalResourceManager)header[InfoOffset + 1],
        Checksum = BinaryPrimitives.ReadUInt32LittleEndian(header[ChecksumOffset..]),
    };
}

/// <summary>A record as <see cref="WalRecordReader"/> gives it, whose checksum is right.</summary>
public readonly ref struct WalRecord
{
    public required WalRecordHeader Header { get; init; }

    /// <summary>Its first byte: what pg_waldump prints and recovery_target_lsn is compared with.</summary>
    public required Lsn Start { get; init; }

    /// <summary>The first byte behind it, rounded up to where a record may start.</summary>
    public required Lsn End { get; init; }

    /// <summary>The page format: it tells PostgreSQL's version.</summary>
    public required ushort PageMagic { get; init; }

    /// <summary>What follows the header, or the beginning of it; empty for records that were not asked for. Valid until the next is read.</summary>
    public required ReadOnlySpan<byte> Body { get; init; }

    /// <summary>Takes a whole record whose parts were kept apart; where it stood is not known.</summary>
    /// <returns>False when its length or checksum is not its own.</returns>
    public static bool TryJoin(ReadOnlySpan<byte> whole, ushort pageMagic, out WalRecord record)
    {
        record = default;
        if (whole.Length < WalRecordHeader.Length)
        {
            return false;
        }

        var header = WalRecordHeader.Read(whole);
        var body = whole[WalRecordHeader.Length..];
        var crc = Crc32C.Append(Crc32C.Append(Crc32C.Initial, body), whole[..WalRecordHeader.ChecksumOffset]);
        if (header.TotalLength != whole.Length || Crc32C.Finish(crc) != header.Checksum)
        {
            return false;
        }

        record = new WalRecord { Header = header, Start = default, End = default, PageMagic = pageMagic, Body = body };
        return true;
    }
}
