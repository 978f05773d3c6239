using System.Buffers.Binary;

namespace WalRus.Postgres;

/// <summary>The header of a data page. Source: PostgreSQL's bufpage.h (PageHeaderData), little-endian.</summary>
/// <param name="Lsn">The WAL position after the last change of the page.</param>
/// <param name="Checksum">0 when the page has none.</param>
public readonly record struct PageHeader(
    Lsn Lsn, ushort Checksum, ushort Flags, ushort Lower, ushort Upper, ushort Special, ushort SizeAndVersion)
{
    public const int Length = 24;

    private const ushort KnownFlags = 7;
    private const int NewestVersion = 5;

    /// <summary>A page that was allocated and never written.</summary>
    public bool IsNew => Upper == 0;

    /// <param name="page">At least <see cref="Length"/> bytes.</param>
    public static PageHeader Read(ReadOnlySpan<byte> page) => new(
        new Lsn(((ulong)BinaryPrimitives.ReadUInt32LittleEndian(page) << 32) | BinaryPrimitives.ReadUInt32LittleEndian(page[4..])),
        BinaryPrimitives.ReadUInt16LittleEndian(page[8..]),
        BinaryPrimitives.ReadUInt16LittleEndian(page[10..]),
        BinaryPrimitives.ReadUInt16LittleEndian(page[12..]),
        BinaryPrimitives.ReadUInt16LittleEndian(page[14..]),
        BinaryPrimitives.ReadUInt16LittleEndian(page[16..]),
        BinaryPrimitives.ReadUInt16LittleEndian(page[18..]));

    /// <summary>wal-g's test of a page that can be read: its pointers are in order and its size is the cluster's.</summary>
    public bool IsValid(int pageSizeBytes) =>
        (Flags & KnownFlags) == Flags && Lower >= Length && Lower <= Upper && Upper <= Special && Special <= pageSizeBytes
        && Lsn.IsValid && (SizeAndVersion & 0xFF00) == pageSizeBytes && (SizeAndVersion & 0xFF) <= NewestVersion;
}
