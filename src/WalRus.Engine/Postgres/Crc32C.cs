using System.Buffers.Binary;
using System.Numerics;

namespace WalRus.Postgres;

/// <summary>CRC-32C (Castagnoli) as PostgreSQL uses it: in the processor where it can, a table elsewhere; both by BitOperations.</summary>
public static class Crc32C
{
    /// <summary>The checksum of the bytes, as stored in pg_control, WAL records and WAL summaries.</summary>
    public static uint Compute(ReadOnlySpan<byte> data) => Finish(Append(Initial, data));

    public const uint Initial = 0xFFFFFFFF;

    /// <summary>Goes on from an unfinished checksum.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> data)
    {
        while (data.Length >= 8)
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(data));
            data = data[8..];
        }

        foreach (var value in data)
        {
            crc = BitOperations.Crc32C(crc, value);
        }

        return crc;
    }

    public static uint Finish(uint crc) => crc ^ 0xFFFFFFFF;
}
