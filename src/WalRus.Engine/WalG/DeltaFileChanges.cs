using System.Buffers.Binary;
using WalRus.Postgres;

namespace WalRus.WalG;

/// <summary>
/// What a sidecar cannot say, in an object of our own beside it, "&lt;first segment&gt;_delta_files": which relations were made or
/// cut off, from which block on, and which databases were made by copying files. wal-g takes it for a file it does not know. It
/// also says whose WAL this is, and repeats the length and checksum of the sidecar it belongs to.
/// </summary>
/// <remarks>
/// Little-endian: "WalRusD1", system identifier (8 bytes), segment size (4), the sidecar's checksum (4) and length (8); entries of
/// 16 bytes as <see cref="DeltaSidecar.WriteLocation"/>, file number 0 for a whole database; 16 zero bytes; CRC-32C of all before.
/// </remarks>
public sealed record DeltaFileChanges
{
    public const int HeaderBytes = 32;

    private const int MaxBytes = 32 << 20;

    private static ReadOnlySpan<byte> Magic => "WalRusD1"u8;

    public required ulong SystemIdentifier { get; init; }

    public required WalSegmentSize SegmentSize { get; init; }

    public required uint SidecarChecksum { get; init; }

    public required long SidecarLength { get; init; }

    /// <summary>The entries, 16 bytes each.</summary>
    public required ReadOnlyMemory<byte> Entries { get; init; }

    /// <summary>The object's name without a codec's extension.</summary>
    public static string NameOf(WalFileName group) => $"{group}_delta_files";

    public byte[] ToBytes()
    {
        var bytes = new byte[HeaderBytes + Entries.Length + DeltaSidecar.LocationBytes + sizeof(uint)];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(8), SystemIdentifier);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(16), SegmentSize.Bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(20), SidecarChecksum);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(24), SidecarLength);
        Entries.Span.CopyTo(bytes.AsSpan(HeaderBytes));
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(bytes.Length - sizeof(uint)), Crc32C.Compute(bytes.AsSpan(0, bytes.Length - sizeof(uint))));
        return bytes;
    }

    /// <summary>Reads the object whole: it is small.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>.</exception>
    public static async Task<DeltaFileChanges> ReadAsync(Stream source, CancellationToken cancellationToken)
    {
        using var copy = new MemoryStream();
        var buffer = new byte[8192];
        int read;
        while ((read = await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
        {
            if (copy.Length + read > MaxBytes)
            {
                throw Corrupt();
            }

            copy.Write(buffer, 0, read);
        }

        return Parse(copy.ToArray());
    }

    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>.</exception>
    public static DeltaFileChanges Parse(byte[] bytes)
    {
        const int FooterBytes = DeltaSidecar.LocationBytes + sizeof(uint);
        if (bytes.Length < HeaderBytes + FooterBytes || (bytes.Length - HeaderBytes - FooterBytes) % DeltaSidecar.LocationBytes != 0
            || !bytes.AsSpan(0, Magic.Length).SequenceEqual(Magic)
            || Crc32C.Compute(bytes.AsSpan(0, bytes.Length - sizeof(uint))) != BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(bytes.Length - sizeof(uint)))
            || BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(16)) is var segmentSize && !WalSegmentSize.IsValid(segmentSize))
        {
            throw Corrupt();
        }

        return new DeltaFileChanges
        {
            SystemIdentifier = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(8)),
            SegmentSize = WalSegmentSize.FromBytes(segmentSize),
            SidecarChecksum = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(20)),
            SidecarLength = BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(24)),
            Entries = bytes.AsMemory(HeaderBytes, bytes.Length - HeaderBytes - FooterBytes),
        };
    }

    private static WalRusException Corrupt() => new(ErrorCode.ObjectCorrupt, "It is no list of changed files.");
}
