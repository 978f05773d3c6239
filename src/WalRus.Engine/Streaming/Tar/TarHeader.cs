using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace WalRus.Streaming.Tar;

/// <summary>
/// Reads the fields of one 512-byte tar header: old v7, USTAR (POSIX.1-1988), star, and GNU with its base-256 numbers.
/// </summary>
internal static class TarHeader
{
    public const int BlockBytes = 512;

    public const byte TypeRegular = (byte)'0';
    public const byte TypeRegularV7 = 0;
    public const byte TypeHardLink = (byte)'1';
    public const byte TypeSymbolicLink = (byte)'2';
    public const byte TypeCharacterDevice = (byte)'3';
    public const byte TypeBlockDevice = (byte)'4';
    public const byte TypeDirectory = (byte)'5';
    public const byte TypeFifo = (byte)'6';
    public const byte TypeContiguous = (byte)'7';
    public const byte TypePax = (byte)'x';
    public const byte TypePaxSolaris = (byte)'X';
    public const byte TypePaxGlobal = (byte)'g';
    public const byte TypeGnuLongName = (byte)'L';
    public const byte TypeGnuLongLink = (byte)'K';
    public const byte TypeGnuSparse = (byte)'S';

    private static readonly Range NameField = 0..100;
    private static readonly Range ModeField = 100..108;
    private static readonly Range UserIdField = 108..116;
    private static readonly Range GroupIdField = 116..124;
    private static readonly Range SizeField = 124..136;
    private static readonly Range ModifiedField = 136..148;
    private static readonly Range ChecksumField = 148..156;
    private static readonly Range LinkNameField = 157..257;
    private static readonly Range MagicField = 257..263;
    private static readonly Range PrefixField = 345..500;
    private static readonly Range StarPrefixField = 345..476;
    private static readonly Range StarTrailerField = 508..512;

    public static byte Type(ReadOnlySpan<byte> header) => header[156];

    /// <summary>
    /// True when the checksum is right: the sum of all bytes, its own field counted as spaces. Some old writers summed
    /// signed bytes; both are accepted.
    /// </summary>
    public static bool ChecksumIsRight(ReadOnlySpan<byte> header)
    {
        if (!TryParseNumber(header[ChecksumField], out var expected))
        {
            return false;
        }

        long unsigned = 8 * ' ';
        long signed = 8 * ' ';
        for (var i = 0; i < BlockBytes; i++)
        {
            if (i is < 148 or >= 156)
            {
                unsigned += header[i];
                signed += (sbyte)header[i];
            }
        }

        return expected == unsigned || expected == signed;
    }

    /// <summary>Everything in the header itself. False, with what is wrong, when a number is malformed.</summary>
    public static bool TryParse(
        ReadOnlySpan<byte> header, out TarEntry entry, [NotNullWhen(false)] out string? problem)
    {
        entry = default;
        problem = null;
        if (!TryParseNumber(header[SizeField], out var size) || size < 0)
        {
            problem = "its size is not a number";
        }
        else if (!TryParseNumber(header[ModeField], out var mode)
            || !TryParseNumber(header[UserIdField], out var user)
            || !TryParseNumber(header[GroupIdField], out var group)
            || !TryParseNumber(header[ModifiedField], out var modified))
        {
            problem = "one of its numbers is malformed";
        }
        else
        {
            var name = Name(header);
            var kind = Kind(Type(header), name);
            entry = new TarEntry(
                name, kind, HasContent(Type(header), kind) ? size : 0, (int)(mode & 0xFFF), user, group, modified, Text(header[LinkNameField]));
        }

        return problem is null;
    }

    /// <summary>Text up to the first NUL or the end of the field.</summary>
    public static string Text(ReadOnlySpan<byte> field)
    {
        var end = field.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? field : field[..end]);
    }

    /// <summary>
    /// Octal digits padded by spaces and NULs (an empty field is 0), or, with the first bit set, a big-endian two's
    /// complement number of the remaining bits (GNU's base-256).
    /// </summary>
    public static bool TryParseNumber(ReadOnlySpan<byte> field, out long number)
    {
        number = 0;
        if ((field[0] & 0x80) != 0)
        {
            return TryParseBinary(field, out number);
        }

        var digits = field.Trim(" \0"u8);
        if (digits.Length > 20)
        {
            return false;
        }

        foreach (var digit in digits)
        {
            if (digit is < (byte)'0' or > (byte)'7' || number > long.MaxValue >> 3)
            {
                return false;
            }

            number = (number << 3) | (uint)(digit - '0');
        }

        return true;
    }

    private static bool TryParseBinary(ReadOnlySpan<byte> field, out long number)
    {
        // The mark bit is not part of the number; the next one is its sign.
        var negative = (field[0] & 0x40) != 0;
        Span<byte> wide = stackalloc byte[16];
        wide.Fill(negative ? (byte)0xFF : (byte)0);
        field.CopyTo(wide[(16 - field.Length)..]);
        wide[16 - field.Length] = (byte)(negative ? field[0] | 0x80 : field[0] & 0x7F);
        var whole = BinaryPrimitives.ReadInt128BigEndian(wide);
        number = (long)Int128.Clamp(whole, long.MinValue, long.MaxValue);
        return number == whole;
    }

    private static string Name(ReadOnlySpan<byte> header)
    {
        var name = Text(header[NameField]);
        // GNU's magic is "ustar " and holds other things where POSIX has the prefix; v7 has no magic at all.
        if (!header[MagicField].SequenceEqual("ustar\0"u8))
        {
            return name;
        }

        var isStar = header[StarTrailerField].SequenceEqual("tar\0"u8);
        var prefix = Text(header[isStar ? StarPrefixField : PrefixField]);
        return prefix.Length == 0 ? name : $"{prefix}/{name}";
    }

    private static TarEntryKind Kind(byte type, string name) => type switch
    {
        TypeRegularV7 when name.EndsWith('/') => TarEntryKind.Directory,
        TypeRegular or TypeRegularV7 or TypeContiguous => TarEntryKind.File,
        TypeDirectory => TarEntryKind.Directory,
        TypeSymbolicLink => TarEntryKind.SymbolicLink,
        TypeHardLink => TarEntryKind.HardLink,
        _ => TarEntryKind.Other,
    };

    /// <summary>False for types whose size field means nothing: nothing follows their header.</summary>
    private static bool HasContent(byte type, TarEntryKind kind) =>
        kind is TarEntryKind.File
        || (kind is TarEntryKind.Other && type is not (TypeCharacterDevice or TypeBlockDevice or TypeFifo));
}
