using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace WalRus.Streaming.Tar;

/// <summary>Who owns a member, by name; both empty when not known. Restoring prefers names over numbers.</summary>
public readonly record struct TarOwner(string UserName, string GroupName)
{
    public static TarOwner None { get; } = new("", "");
}

/// <summary>
/// Writes the header of one member: USTAR (POSIX.1-1988) when all of it fits there, with a PAX extended header
/// (POSIX.1-2001) in front for what does not. Sources: the POSIX pax utility's page; field styles as wal-g's archives have.
/// </summary>
internal static class TarWriterHeader
{
    public const int BlockBytes = 512;

    private const int NameBytes = 100;
    private const int PrefixBytes = 155;
    private const int OwnerNameBytes = 32;
    private const long OctalMax7 = (1L << 21) - 1;
    private const long OctalMax11 = (1L << 33) - 1;

    private static readonly Range NameField = 0..100;
    private static readonly Range ModeField = 100..108;
    private static readonly Range UserIdField = 108..116;
    private static readonly Range GroupIdField = 116..124;
    private static readonly Range SizeField = 124..136;
    private static readonly Range ModifiedField = 136..148;
    private static readonly Range ChecksumField = 148..156;
    private static readonly Range LinkNameField = 157..257;
    private static readonly Range UserNameField = 265..297;
    private static readonly Range GroupNameField = 297..329;
    private static readonly Range DeviceMajorField = 329..337;
    private static readonly Range DeviceMinorField = 337..345;
    private static readonly Range PrefixField = 345..500;

    /// <summary>
    /// Fills one block with the USTAR header. What does not fit is left out (numbers) or cut (texts).
    /// </summary>
    /// <returns>False when something did not fit: then <see cref="PaxRecordsOf"/> must precede it.</returns>
    public static bool TryWrite(Span<byte> block, in TarEntry entry, in TarOwner owner)
    {
        Debug.Assert(block.Length == BlockBytes, "A header is one block.");
        block.Clear();
        var fits = TryPutName(block, entry.Name);
        fits &= TryPutText(block[LinkNameField], entry.LinkName, NameBytes);
        fits &= TryPutText(block[UserNameField], owner.UserName, OwnerNameBytes - 1);
        fits &= TryPutText(block[GroupNameField], owner.GroupName, OwnerNameBytes - 1);
        fits &= TryPutOctal(block[ModeField], entry.Mode & 0xFFF);
        fits &= TryPutOctal(block[UserIdField], entry.UserId);
        fits &= TryPutOctal(block[GroupIdField], entry.GroupId);
        fits &= TryPutOctal(block[SizeField], entry.SizeBytes);
        fits &= TryPutOctal(block[ModifiedField], entry.ModifiedUnixSeconds);
        Finish(block, TypeOf(entry.Kind));
        return fits;
    }

    /// <summary>The content of the extended header that carries what USTAR cannot.</summary>
    public static ArrayBufferWriter<byte> PaxRecordsOf(in TarEntry entry, in TarOwner owner)
    {
        var records = new ArrayBufferWriter<byte>(512);
        Span<byte> scratch = stackalloc byte[BlockBytes];
        if (!TryPutName(scratch, entry.Name))
        {
            AddRecord(records, "path", entry.Name);
        }

        AddText(records, "linkpath", entry.LinkName, NameBytes);
        AddText(records, "uname", owner.UserName, OwnerNameBytes - 1);
        AddText(records, "gname", owner.GroupName, OwnerNameBytes - 1);
        AddNumber(records, "uid", entry.UserId, OctalMax7);
        AddNumber(records, "gid", entry.GroupId, OctalMax7);
        AddNumber(records, "size", entry.SizeBytes, OctalMax11);
        AddNumber(records, "mtime", entry.ModifiedUnixSeconds, OctalMax11);
        return records;
    }

    /// <summary>The header of the extended header itself; its name serves only readers that do not know PAX.</summary>
    public static void WritePax(Span<byte> block, string name, int recordBytes)
    {
        block.Clear();
        var lastPart = name.AsSpan(name.AsSpan().TrimEnd('/').LastIndexOf('/') + 1).TrimEnd('/');
        TryPutText(block[NameField], $"PaxHeaders.0/{lastPart}", NameBytes);
        TryPutOctal(block[ModeField], 0x1A4); // 0644
        TryPutOctal(block[UserIdField], 0);
        TryPutOctal(block[GroupIdField], 0);
        TryPutOctal(block[SizeField], recordBytes);
        TryPutOctal(block[ModifiedField], 0);
        Finish(block, (byte)'x');
    }

    private static void Finish(Span<byte> block, byte type)
    {
        block[156] = type;
        "ustar\0"u8.CopyTo(block[257..]);
        "00"u8.CopyTo(block[263..]);
        TryPutOctal(block[DeviceMajorField], 0);
        TryPutOctal(block[DeviceMinorField], 0);

        // The checksum is the sum of all bytes, with its own field as spaces; written as six digits, NUL, space.
        var sum = 8 * ' ';
        foreach (var value in block)
        {
            sum += value;
        }

        var field = block[ChecksumField];
        TryPutOctal(field[..7], sum);
        field[7] = (byte)' ';
    }

    private static byte TypeOf(TarEntryKind kind) => kind switch
    {
        TarEntryKind.File => (byte)'0',
        TarEntryKind.SymbolicLink => (byte)'2',
        TarEntryKind.Directory => (byte)'5',
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "Only files, directories and symbolic links are written."),
    };

    /// <summary>Whole in the name field, or split at a slash into prefix and name; ASCII only.</summary>
    private static bool TryPutName(Span<byte> block, string name)
    {
        if (TryPutText(block[NameField], name, NameBytes) || !Ascii.IsValid(name))
        {
            return name.Length <= NameBytes && Ascii.IsValid(name);
        }

        var searched = name.AsSpan(0, Math.Min(name.Length, PrefixBytes + 1));
        var slash = searched.LastIndexOf('/');
        var rest = name.Length - slash - 1;
        if (slash <= 0 || rest is 0 or > NameBytes)
        {
            return false;
        }

        block[NameField].Clear();
        Encoding.ASCII.GetBytes(name.AsSpan(slash + 1), block[NameField]);
        Encoding.ASCII.GetBytes(name.AsSpan(0, slash), block[PrefixField]);
        return true;
    }

    /// <summary>Puts as much of the text as fits, other than ASCII as '?'.</summary>
    private static bool TryPutText(Span<byte> field, string text, int maxBytes)
    {
        var kept = text.AsSpan(0, Math.Min(text.Length, maxBytes));
        Encoding.ASCII.GetBytes(kept, field);
        return FitsText(text, maxBytes);
    }

    private static bool FitsText(string text, int maxBytes) => text.Length <= maxBytes && Ascii.IsValid(text);

    /// <summary>Zero-padded octal digits that fill the field but for a final NUL.</summary>
    private static bool TryPutOctal(Span<byte> field, long value)
    {
        var digits = field.Length - 1;
        var fits = value >= 0 && (digits >= 21 || value >> (3 * digits) == 0);
        var rest = fits ? value : 0;
        for (var i = digits - 1; i >= 0; i--)
        {
            field[i] = (byte)('0' + (rest & 7));
            rest >>= 3;
        }

        field[digits] = 0;
        return fits;
    }

    private static void AddText(ArrayBufferWriter<byte> records, string key, string value, int maxBytes)
    {
        if (!FitsText(value, maxBytes))
        {
            AddRecord(records, key, value);
        }
    }

    private static void AddNumber(ArrayBufferWriter<byte> records, string key, long value, long max)
    {
        if (value < 0 || value > max)
        {
            AddRecord(records, key, value.ToString(CultureInfo.InvariantCulture));
        }
    }

    /// <summary>"length key=value\n", where length counts its own digits.</summary>
    private static void AddRecord(ArrayBufferWriter<byte> records, string key, string value)
    {
        var rest = 1 + key.Length + 1 + Encoding.UTF8.GetByteCount(value) + 1;
        var length = rest + Digits(rest);
        if (Digits(length) != Digits(rest))
        {
            length = rest + Digits(length);
        }

        Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{length} {key}={value}\n"), records);
    }

    private static int Digits(int number)
    {
        var digits = 1;
        for (; number >= 10; number /= 10)
        {
            digits++;
        }

        return digits;
    }
}
