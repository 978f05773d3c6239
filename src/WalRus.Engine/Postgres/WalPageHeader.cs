using System.Buffers.Binary;

namespace WalRus.Postgres;

/// <summary>
/// The header of a WAL page, in this machine-independent form only for little-endian servers, as every platform that
/// PostgreSQL 13 and later supports in practice is. Source: PostgreSQL's xlog_internal.h (XLogPageHeaderData,
/// XLogLongPageHeaderData). The first page of each segment has the long form.
/// </summary>
public readonly record struct WalPageHeader
{
    /// <summary>Bytes of the long header, padding included.</summary>
    public const int LongLength = 40;

    /// <summary>Bytes of the short header, padding included.</summary>
    public const int ShortLength = 24;

    private const ushort LongHeaderFlag = 0x0002;

    /// <summary>PostgreSQL's version of the format: 0xD106 for 13, 0xD10D, 0xD110, 0xD113, 0xD116, 0xD118 for 18.</summary>
    public ushort Magic { get; private init; }

    public ushort Info { get; private init; }

    public TimelineId Timeline { get; private init; }

    /// <summary>The WAL position of the page's first byte.</summary>
    public Lsn PageAddress { get; private init; }

    /// <summary>Bytes of a record of the page before that are still to come.</summary>
    public uint RemainingLength { get; private init; }

    /// <summary>True when the fields below are there.</summary>
    public bool IsLong => IsLongHeader(Info);

    public ulong SystemIdentifier { get; private init; }

    public uint SegmentSizeBytes { get; private init; }

    public uint BlockSizeBytes { get; private init; }

    /// <summary>Whether flags say that the header is the long one.</summary>
    internal static bool IsLongHeader(ushort info) => (info & LongHeaderFlag) != 0;

    /// <summary>False when the bytes are too few or hold no WAL page of any known version (a zeroed page, other data).</summary>
    public static bool TryParse(ReadOnlySpan<byte> page, out WalPageHeader header)
    {
        header = default;
        if (page.Length < ShortLength)
        {
            return false;
        }

        var magic = BinaryPrimitives.ReadUInt16LittleEndian(page);
        var info = BinaryPrimitives.ReadUInt16LittleEndian(page[2..]);
        var timeline = BinaryPrimitives.ReadUInt32LittleEndian(page[4..]);
        var isLong = IsLongHeader(info);

        // 0xD0xx to 0xD1xx are all there have been since 2010; a later major version stays readable.
        if (magic >> 8 is not (0xD0 or 0xD1) || timeline == 0 || (isLong && page.Length < LongLength))
        {
            return false;
        }

        header = new WalPageHeader
        {
            Magic = magic,
            Info = info,
            Timeline = new TimelineId(timeline),
            PageAddress = new Lsn(BinaryPrimitives.ReadUInt64LittleEndian(page[8..])),
            RemainingLength = BinaryPrimitives.ReadUInt32LittleEndian(page[16..]),
            SystemIdentifier = isLong ? BinaryPrimitives.ReadUInt64LittleEndian(page[24..]) : 0,
            SegmentSizeBytes = isLong ? BinaryPrimitives.ReadUInt32LittleEndian(page[32..]) : 0,
            BlockSizeBytes = isLong ? BinaryPrimitives.ReadUInt32LittleEndian(page[36..]) : 0,
        };
        return true;
    }
}
