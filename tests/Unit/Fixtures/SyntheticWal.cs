using System.Buffers.Binary;
using WalRus.Postgres;

namespace WalRus.Tests;

/// <summary>
/// Segments whose first page is a real one and whose rest is reproducible noise: for tests of moving WAL, not of reading it.
/// </summary>
internal static class SyntheticWal
{
    public const ulong SystemIdentifier = 7364839283746501234;

    public static WalSegmentSize Small { get; } = WalSegmentSize.FromBytes(1 << 20);

    public static byte[] Segment(string name, WalSegmentSize size, ulong systemIdentifier = SystemIdentifier)
    {
        var parsed = WalFileName.Parse(name);
        var bytes = new byte[size.Bytes];

        // Half noise, half zeros: compresses like WAL.
        new Random((int)parsed.SegmentNumber(size)).NextBytes(bytes.AsSpan(0, bytes.Length / 2));
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, 0xD116);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(2), 0x0002);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), parsed.Timeline.Value);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(8), parsed.StartLsn(size).Value);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(16), 0);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(24), systemIdentifier);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(32), (uint)size.Bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(36), 8192);
        return bytes;
    }

    /// <summary>Writes a segment where PostgreSQL would and, if asked, marks it ready.</summary>
    public static string Write(string walFolder, string name, bool ready = false, ulong systemIdentifier = SystemIdentifier)
    {
        Directory.CreateDirectory(Path.Combine(walFolder, "archive_status"));
        var path = Path.Combine(walFolder, name);
        File.WriteAllBytes(path, Segment(name, Small, systemIdentifier));
        if (ready)
        {
            File.WriteAllBytes(Path.Combine(walFolder, "archive_status", name + ".ready"), []);
        }

        return path;
    }
}
