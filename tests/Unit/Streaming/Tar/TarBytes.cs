using System.Globalization;
using System.Text;

namespace WalRus.Tests.Streaming.Tar;

/// <summary>Tar archives by hand, for what no well-behaved writer produces.</summary>
internal static class TarBytes
{
    public static byte[] Header(string name, long size, char type = '0', int mode = 0x180, string linkName = "")
    {
        var header = new byte[512];
        Encoding.UTF8.GetBytes(name).CopyTo(header, 0);
        Octal(mode, 8).CopyTo(header, 100);
        Octal(0, 8).CopyTo(header, 108);
        Octal(0, 8).CopyTo(header, 116);
        Octal(size, 12).CopyTo(header, 124);
        Octal(0, 12).CopyTo(header, 136);
        header[156] = (byte)type;
        Encoding.UTF8.GetBytes(linkName).CopyTo(header, 157);
        "ustar\000"u8.CopyTo(header.AsSpan(257));
        return header;
    }

    /// <summary>Puts the right checksum into a header.</summary>
    public static byte[] Sum(byte[] header)
    {
        header.AsSpan(148, 8).Fill((byte)' ');
        Octal(header.Sum(value => value), 8).CopyTo(header, 148);
        return header;
    }

    /// <summary>Header, content and padding.</summary>
    public static byte[] Member(
        string name, byte[] content, char type = '0', long? size = null, int mode = 0x180, string linkName = "") =>
        [.. Sum(Header(name, size ?? content.Length, type, mode, linkName)), .. content, .. new byte[-content.Length & 511]];

    public static byte[] Pax(params string[] records) => Pax('x', records);

    public static byte[] Pax(char type, params string[] records) =>
        Member("PaxHeaders/x", records.SelectMany(Record).ToArray(), type);

    private static byte[] Octal(long number, int width) =>
        Encoding.ASCII.GetBytes(Convert.ToString(number, 8).PadLeft(width - 1, '0') + "\0");

    private static byte[] Record(string record)
    {
        var body = Encoding.UTF8.GetBytes($" {record}\n");
        var length = body.Length + 1;
        while (length.ToString(CultureInfo.InvariantCulture).Length + body.Length != length)
        {
            length = length.ToString(CultureInfo.InvariantCulture).Length + body.Length;
        }

        return [.. Encoding.ASCII.GetBytes(length.ToString(CultureInfo.InvariantCulture)), .. body];
    }
}
