using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace WalRus.Postgres;

/// <summary>A log sequence number: a byte position in the WAL. Printed as PostgreSQL does, "hi/lo" in upper-case hex.</summary>
public readonly record struct Lsn(ulong Value) : IComparable<Lsn>, ISpanParsable<Lsn>
{
    public static Lsn Invalid => default;

    public bool IsValid => Value != 0;

    public static bool operator <(Lsn left, Lsn right) => left.Value < right.Value;

    public static bool operator >(Lsn left, Lsn right) => left.Value > right.Value;

    public static bool operator <=(Lsn left, Lsn right) => left.Value <= right.Value;

    public static bool operator >=(Lsn left, Lsn right) => left.Value >= right.Value;

    public static Lsn operator +(Lsn left, ulong bytes) => new(checked(left.Value + bytes));

    /// <summary>Bytes from <paramref name="right"/> to <paramref name="left"/>.</summary>
    public static long operator -(Lsn left, Lsn right) => unchecked((long)(left.Value - right.Value));

    /// <exception cref="FormatException">Not "X/X" with one to eight hex digits on each side.</exception>
    public static Lsn Parse(string text) =>
        TryParse(text, out var lsn) ? lsn : throw new FormatException($"'{text}' is not an LSN such as 16/B374D848.");

    public static bool TryParse([NotNullWhen(true)] string? text, out Lsn lsn) =>
        TryParse(text.AsSpan(), null, out lsn);

    public static bool TryParse(ReadOnlySpan<char> text, IFormatProvider? provider, out Lsn result)
    {
        result = default;
        var slash = text.IndexOf('/');
        if (slash is < 1 or > 8 || text.Length - slash - 1 is < 1 or > 8
            || !uint.TryParse(text[..slash], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var high)
            || !uint.TryParse(
                text[(slash + 1)..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var low))
        {
            return false;
        }

        result = new Lsn(((ulong)high << 32) | low);
        return true;
    }

    static Lsn ISpanParsable<Lsn>.Parse(ReadOnlySpan<char> s, IFormatProvider? provider) => Parse(s.ToString());

    static Lsn IParsable<Lsn>.Parse(string s, IFormatProvider? provider) => Parse(s);

    static bool IParsable<Lsn>.TryParse(string? s, IFormatProvider? provider, out Lsn result) => TryParse(s, out result);

    public int CompareTo(Lsn other) => Value.CompareTo(other.Value);

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{(uint)(Value >> 32):X}/{(uint)Value:X}");
}
