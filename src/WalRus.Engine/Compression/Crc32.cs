using System.Buffers.Binary;

namespace WalRus.Compression;

/// <summary>The CRC-32 of gzip (RFC 1952, section 8), eight bytes a step.</summary>
internal static class Crc32
{
    private const uint ReversedPolynomial = 0xEDB88320;
    private static readonly uint[] Tables = MakeTables();

    /// <summary>Continues <paramref name="crc"/> (0 at the start) over more data.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> data)
    {
        crc = ~crc;
        var tables = Tables;
        for (; data.Length >= 8; data = data[8..])
        {
            var low = BinaryPrimitives.ReadUInt32LittleEndian(data) ^ crc;
            var high = BinaryPrimitives.ReadUInt32LittleEndian(data[4..]);
            crc = tables[0x700 + (low & 0xFF)] ^ tables[0x600 + ((low >> 8) & 0xFF)]
                ^ tables[0x500 + ((low >> 16) & 0xFF)] ^ tables[0x400 + (low >> 24)]
                ^ tables[0x300 + (high & 0xFF)] ^ tables[0x200 + ((high >> 8) & 0xFF)]
                ^ tables[0x100 + ((high >> 16) & 0xFF)] ^ tables[high >> 24];
        }

        foreach (var value in data)
        {
            crc = tables[(crc ^ value) & 0xFF] ^ (crc >> 8);
        }

        return ~crc;
    }

    private static uint[] MakeTables()
    {
        var tables = new uint[8 * 256];
        for (var index = 0u; index < 256; index++)
        {
            var crc = index;
            for (var bit = 0; bit < 8; bit++)
            {
                crc = (crc & 1) != 0 ? (crc >> 1) ^ ReversedPolynomial : crc >> 1;
            }

            tables[index] = crc;
        }

        for (var at = 256; at < tables.Length; at++)
        {
            var before = tables[at - 256];
            tables[at] = tables[before & 0xFF] ^ (before >> 8);
        }

        return tables;
    }
}
