using System.Buffers.Binary;
using WalRus.Postgres;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Delta;

/// <summary>
/// What one segment changes, in a file of its own in the data folder until its group of sixteen is whole. So segments come in any
/// order, from any process, and a crash loses at most the one under way.
/// </summary>
/// <remarks>
/// Locations and file changes of 16 bytes each, the end of the record from the segment before, the beginning of the record that
/// goes on in the next; then a footer: "WalRusR1", system identifier (8), segment size (4), page magic (2), flags (2), the four
/// parts' lengths (8, 4, 4, 4), CRC-32C of all before (4). A file that is torn or another tool's is no record.
/// </remarks>
internal sealed class WalDeltaRecord : IDisposable
{
    internal const int FooterBytes = 48;
    internal const ushort TailGivenUp = 1;

    /// <summary>Most bytes of each part but the locations: more is not recorded, and the WAL is read instead.</summary>
    internal const int PartLimit = 1 << 20;

    private readonly FileStream file;
    private readonly string path;
    private readonly byte[] footer;
    private uint crc = Crc32C.Initial;

    private WalDeltaRecord(FileStream file, string path, byte[] footer)
    {
        this.file = file;
        this.path = path;
        this.footer = footer;
    }

    internal static ReadOnlySpan<byte> Magic => "WalRusR1"u8;

    public ulong SystemIdentifier => BinaryPrimitives.ReadUInt64LittleEndian(footer.AsSpan(8));

    public int SegmentBytes => BinaryPrimitives.ReadInt32LittleEndian(footer.AsSpan(16));

    public ushort PageMagic => BinaryPrimitives.ReadUInt16LittleEndian(footer.AsSpan(20));

    /// <summary>The record that began in the segment before was given up by a server that crashed.</summary>
    public bool IsTailGivenUp => (BinaryPrimitives.ReadUInt16LittleEndian(footer.AsSpan(22)) & TailGivenUp) != 0;

    public bool HasTail => TailBytes > 0;

    private long LocationBytes => BinaryPrimitives.ReadInt64LittleEndian(footer.AsSpan(24));

    private int ChangeBytes => BinaryPrimitives.ReadInt32LittleEndian(footer.AsSpan(32));

    private int TailBytes => BinaryPrimitives.ReadInt32LittleEndian(footer.AsSpan(36));

    private int HeadBytes => BinaryPrimitives.ReadInt32LittleEndian(footer.AsSpan(40));

    /// <summary>Null when the file is gone.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>: it is no record.</exception>
    public static WalDeltaRecord? Open(string path)
    {
        FileStream file;
        try
        {
            file = new FileStream(path, new FileStreamOptions { Share = FileShare.Read | FileShare.Delete, BufferSize = 0 });
        }
        catch (FileNotFoundException)
        {
            return null;
        }

        var footer = new byte[FooterBytes];
        if (file.Length >= FooterBytes)
        {
            file.Position = file.Length - FooterBytes;
            file.ReadExactly(footer);
            file.Position = 0;
        }

        var record = new WalDeltaRecord(file, path, footer);
        if (!record.IsPlausible())
        {
            file.Dispose();
            throw Torn(path);
        }

        return record;
    }

    /// <summary>Copies the locations; first of all.</summary>
    public async Task CopyLocationsAsync(Func<ReadOnlyMemory<byte>, ValueTask> target, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        for (var left = LocationBytes; left > 0;)
        {
            var part = buffer[..(int)Math.Min(left, buffer.Length)];
            await file.ReadExactlyAsync(part, cancellationToken).ConfigureAwait(false);
            crc = Crc32C.Append(crc, part.Span);
            await target(part).ConfigureAwait(false);
            left -= part.Length;
        }
    }

    /// <summary>The other parts, and the proof that all of it was as written; last of all.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>.</exception>
    public (byte[] Changes, byte[] Tail, byte[] Head) ReadRest()
    {
        var (changes, tail, head) = (new byte[ChangeBytes], new byte[TailBytes], new byte[HeadBytes]);
        foreach (var part in new[] { changes, tail, head })
        {
            file.ReadExactly(part);
            crc = Crc32C.Append(crc, part);
        }

        crc = Crc32C.Append(crc, footer.AsSpan(0, FooterBytes - sizeof(uint)));
        return Crc32C.Finish(crc) == BinaryPrimitives.ReadUInt32LittleEndian(footer.AsSpan(FooterBytes - sizeof(uint)))
            ? (changes, tail, head)
            : throw Torn(path);
    }

    public void Dispose() => file.Dispose();

    private static WalRusException Torn(string path) => new(ErrorCode.ObjectCorrupt, $"'{path}' is torn.");

    private bool IsPlausible() =>
        footer.AsSpan(0, Magic.Length).SequenceEqual(Magic) && WalSegmentSize.IsValid(SegmentBytes)
        && LocationBytes >= 0 && LocationBytes % DeltaSidecar.LocationBytes == 0
        && ChangeBytes is >= 0 and <= PartLimit && ChangeBytes % DeltaSidecar.LocationBytes == 0
        && TailBytes is >= 0 and <= PartLimit && HeadBytes is >= 0 and <= PartLimit
        && file.Length == LocationBytes + ChangeBytes + TailBytes + HeadBytes + FooterBytes;
}
