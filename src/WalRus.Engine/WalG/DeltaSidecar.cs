using System.Buffers.Binary;
using WalRus.Postgres;

namespace WalRus.WalG;

/// <summary>
/// The object that lists the blocks which sixteen segments of WAL change: "&lt;first segment&gt;_delta". Source: wal-g, "_delta"
/// files: locations of 16 bytes in any order and as often as records name them, forks left out; 16 zero bytes; the length of
/// what follows (4 bytes); the beginning of the record that does not end in the last of the segments. Little-endian.
/// </summary>
public static class DeltaSidecar
{
    /// <summary>Segments of one sidecar; the first one's number is a multiple of it.</summary>
    public const int SegmentCount = 16;

    public const int LocationBytes = 16;

    /// <summary>A record that goes on in the next group may be as long as a segment.</summary>
    private const int MaxTailBytes = 64 << 20;

    /// <summary>The first segment of the group that a segment belongs to: it gives the sidecar its name.</summary>
    public static WalFileName GroupOf(WalFileName segment, WalSegmentSize size)
    {
        var number = segment.SegmentNumber(size);
        return WalFileName.FromSegment(segment.Timeline, number - (number % SegmentCount), size);
    }

    /// <summary>The object's name without a codec's extension.</summary>
    public static string NameOf(WalFileName group) => $"{group}_delta";

    public static void WriteLocation(Span<byte> target, RelationFileNode relation, uint block)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(target, relation.Tablespace);
        BinaryPrimitives.WriteUInt32LittleEndian(target[4..], relation.Database);
        BinaryPrimitives.WriteUInt32LittleEndian(target[8..], relation.FileNode);
        BinaryPrimitives.WriteUInt32LittleEndian(target[12..], block);
    }

    public static (RelationFileNode Relation, uint Block) ReadLocation(ReadOnlySpan<byte> source) => (
        new RelationFileNode(
            BinaryPrimitives.ReadUInt32LittleEndian(source),
            BinaryPrimitives.ReadUInt32LittleEndian(source[4..]),
            BinaryPrimitives.ReadUInt32LittleEndian(source[8..])),
        BinaryPrimitives.ReadUInt32LittleEndian(source[12..]));

    /// <summary>Reads a sidecar whole, one buffer of it at a time.</summary>
    /// <param name="source">What it holds, decrypted and decompressed.</param>
    /// <param name="buffer">At least 4 KiB.</param>
    /// <param name="take">Called for each location.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    /// <returns>Its length and CRC-32C, which <see cref="DeltaFileChanges"/> repeats.</returns>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>: it ends too early, or goes on behind its end.</exception>
    public static async Task<(long Length, uint Checksum)> ReadAsync(
        Stream source, Memory<byte> buffer, Action<RelationFileNode, uint> take, CancellationToken cancellationToken)
    {
        long length = 0;
        var crc = Crc32C.Initial;
        var filled = 0;
        var isEnded = false;
        long tailLeft = -1;
        while (true)
        {
            var read = await source.ReadAsync(buffer[filled..], cancellationToken).ConfigureAwait(false);
            crc = Crc32C.Append(crc, buffer.Span.Slice(filled, read));
            length += read;
            filled += read;
            var at = isEnded ? 0 : TakeLocations(buffer.Span[..filled], take, out isEnded);
            if (isEnded && tailLeft < 0 && filled - at >= sizeof(uint))
            {
                tailLeft = BinaryPrimitives.ReadUInt32LittleEndian(buffer.Span[at..]);
                at += sizeof(uint);
            }

            if (tailLeft >= 0)
            {
                tailLeft -= filled - at;
                at = filled;
                if (tailLeft is < 0 or > MaxTailBytes)
                {
                    throw Corrupt();
                }
            }

            if (read == 0)
            {
                return tailLeft == 0 ? (length, Crc32C.Finish(crc)) : throw Corrupt();
            }

            buffer.Span[at..filled].CopyTo(buffer.Span);
            filled -= at;
        }
    }

    private static int TakeLocations(ReadOnlySpan<byte> bytes, Action<RelationFileNode, uint> take, out bool isEnded)
    {
        isEnded = false;
        var at = 0;
        for (; !isEnded && bytes.Length - at >= LocationBytes; at += LocationBytes)
        {
            var (relation, block) = ReadLocation(bytes[at..]);
            isEnded = relation == default && block == 0;
            if (!isEnded)
            {
                take(relation, block);
            }
        }

        return at;
    }

    private static WalRusException Corrupt() => new(ErrorCode.ObjectCorrupt, "It is no list of changed blocks: its end is not where it should be.");
}
