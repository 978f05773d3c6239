using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.InteropServices;

namespace WalRus.Postgres;

/// <summary>
/// The name of a WAL summary, which says what it covers. Source: PostgreSQL's walsummary.c: 40 hex digits and ".summary",
/// in pg_wal/summaries since version 17.
/// </summary>
/// <param name="Timeline">The timeline it summarizes.</param>
/// <param name="Start">Records from here on: included.</param>
/// <param name="End">Records up to here: not included.</param>
public readonly record struct WalSummaryName(TimelineId Timeline, Lsn Start, Lsn End)
{
    private const string Suffix = ".summary";

    public static bool TryParse([NotNullWhen(true)] string? name, out WalSummaryName parsed)
    {
        parsed = default;
        if (name is null || name.Length != 40 + Suffix.Length || !name.EndsWith(Suffix, StringComparison.Ordinal)
            || name.AsSpan(0, 40).IndexOfAnyExcept("0123456789ABCDEF") >= 0)
        {
            return false;
        }

        var timeline = uint.Parse(name.AsSpan(0, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        var start = ulong.Parse(name.AsSpan(8, 16), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        var end = ulong.Parse(name.AsSpan(24, 16), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        parsed = new WalSummaryName(new TimelineId(timeline), new Lsn(start), new Lsn(end));
        return timeline > 0 && start < end;
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{Timeline.Value:X8}{Start.Value:X16}{End.Value:X16}{Suffix}");
}

/// <summary>
/// A WAL summary's content: which blocks of which relation forks were changed. Source: PostgreSQL's blkreftable.c, version 17:
/// a magic number; for each fork its name, the limit, and chunks of 65536 blocks as offsets or as a bitmap; an entry of zeros;
/// CRC-32C. Little-endian.
/// </summary>
public static class WalSummary
{
    /// <summary>The limit of a fork that was neither made nor cut off.</summary>
    public const uint NoLimit = 0xFFFFFFFF;

    private const uint Magic = 0x652B137B;
    private const int EntryBytes = 24;
    private const int ChunkBlocks = 65536;
    private const int BitmapUnits = ChunkBlocks / 16;
    private const int MaxChunks = 65536;

    /// <summary>Reads a summary whole, one chunk in memory at a time. What was taken before an error does not count.</summary>
    /// <param name="source">From its first byte to its end.</param>
    /// <param name="takeLimit">
    /// Called for each fork that was made (0) or cut off (there), with the fork's number; file number 0 is a whole database that was
    /// made or removed.
    /// </param>
    /// <param name="takeBlock">Called for each changed block.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>: it is no whole summary, or damaged.</exception>
    public static void Read(Stream source, Action<WalBlockReference> takeLimit, Action<WalBlockReference> takeBlock)
    {
        ArgumentNullException.ThrowIfNull(source);
        var reader = new Reader(source);
        var usage = ArrayPool<ushort>.Shared.Rent(MaxChunks);
        try
        {
            if (BinaryPrimitives.ReadUInt32LittleEndian(reader.Take(sizeof(uint))) != Magic)
            {
                throw Corrupt();
            }

            while (ReadEntry(ref reader, out var limit, out var chunkCount))
            {
                if (limit.Block != NoLimit)
                {
                    takeLimit(limit);
                }

                ReadChunks(ref reader, limit, usage.AsSpan(0, chunkCount), takeBlock);
            }

            var expected = reader.Checksum;
            if (BinaryPrimitives.ReadUInt32LittleEndian(reader.Take(sizeof(uint))) != expected || source.ReadByte() >= 0)
            {
                throw Corrupt();
            }
        }
        catch (EndOfStreamException)
        {
            throw Corrupt();
        }
        finally
        {
            ArrayPool<ushort>.Shared.Return(usage);
        }
    }

    private static bool ReadEntry(ref Reader reader, out WalBlockReference limit, out int chunkCount)
    {
        var entry = reader.Take(EntryBytes);
        var (fork, count) = (BinaryPrimitives.ReadUInt32LittleEndian(entry[12..]), BinaryPrimitives.ReadUInt32LittleEndian(entry[20..]));
        if (fork > 3 || count > MaxChunks)
        {
            throw Corrupt();
        }

        var relation = new RelationFileNode(
            BinaryPrimitives.ReadUInt32LittleEndian(entry),
            BinaryPrimitives.ReadUInt32LittleEndian(entry[4..]),
            BinaryPrimitives.ReadUInt32LittleEndian(entry[8..]));
        limit = new WalBlockReference(relation, (byte)fork, BinaryPrimitives.ReadUInt32LittleEndian(entry[16..]));
        chunkCount = (int)count;
        return entry.IndexOfAnyExcept((byte)0) >= 0;
    }

    private static void ReadChunks(ref Reader reader, WalBlockReference fork, Span<ushort> usage, Action<WalBlockReference> take)
    {
        for (var chunk = 0; chunk < usage.Length; chunk++)
        {
            usage[chunk] = BinaryPrimitives.ReadUInt16LittleEndian(reader.Take(sizeof(ushort)));
        }

        for (var chunk = 0; chunk < usage.Length; chunk++)
        {
            var first = (uint)chunk * ChunkBlocks;
            if (usage[chunk] > BitmapUnits)
            {
                throw Corrupt();
            }

            var content = MemoryMarshal.Cast<byte, ushort>(reader.Take(usage[chunk] * sizeof(ushort)));
            for (var index = 0; index < content.Length; index++)
            {
                uint unit = BitConverter.IsLittleEndian ? content[index] : BinaryPrimitives.ReverseEndianness(content[index]);
                if (usage[chunk] < BitmapUnits)
                {
                    take(fork with { Block = first + unit });
                    continue;
                }

                for (var bit = 0; unit != 0; bit++, unit >>= 1)
                {
                    if ((unit & 1) != 0)
                    {
                        take(fork with { Block = first + (uint)((index * 16) + bit) });
                    }
                }
            }
        }
    }

    private static WalRusException Corrupt() => new(ErrorCode.ObjectCorrupt, "It is no whole WAL summary.");

    private ref struct Reader(Stream source)
    {
        private readonly byte[] buffer = new byte[BitmapUnits * sizeof(ushort)];
        private uint crc = Crc32C.Initial;

        public readonly uint Checksum => Crc32C.Finish(crc);

        public ReadOnlySpan<byte> Take(int count)
        {
            var taken = buffer.AsSpan(0, count);
            source.ReadExactly(taken);
            crc = Crc32C.Append(crc, taken);
            return taken;
        }
    }
}
