using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace WalRus.WalG;

/// <summary>
/// A time as wal-g's documents hold it: RFC 3339, nanoseconds, the writer's own UTC offset. Nothing is lost between
/// reading and writing; .NET's own types stop at 100 ns, and a rounded file time makes wal-g's next delta full-size.
/// Equality and order are those of the instant: the offset is only how it was written down.
/// </summary>
public readonly struct WalGTime : IEquatable<WalGTime>, IComparable<WalGTime>
{
    private const int LongestText = 35;
    private const int NanosecondsPerSecond = 1_000_000_000;
    private const long UnixEpochSeconds = 62_135_596_800;
    private static readonly long LastSecond = DateTime.MaxValue.Ticks / TimeSpan.TicksPerSecond;

    private readonly long seconds;
    private readonly int nanoseconds;
    private readonly short offsetMinutes;

    private WalGTime(long seconds, int nanoseconds, int offsetMinutes)
    {
        this.seconds = seconds;
        this.nanoseconds = nanoseconds;
        this.offsetMinutes = (short)offsetMinutes;
    }

    /// <summary>Go's zero time, 0001-01-01T00:00:00Z: how wal-g writes "not known". Also this type's default.</summary>
    public bool IsZero => seconds == 0 && nanoseconds == 0;

    /// <summary>Whole seconds since 1970-01-01 UTC, rounded down.</summary>
    public long UnixSeconds => seconds - UnixEpochSeconds;

    /// <summary>0 to 999,999,999, counted from <see cref="UnixSeconds"/>.</summary>
    public int Nanoseconds => nanoseconds;

    /// <summary>The offset from UTC the time was written with.</summary>
    public TimeSpan Offset => TimeSpan.FromMinutes(offsetMinutes);

    public static bool operator ==(WalGTime left, WalGTime right) => left.Equals(right);

    public static bool operator !=(WalGTime left, WalGTime right) => !left.Equals(right);

    public static bool operator <(WalGTime left, WalGTime right) => left.CompareTo(right) < 0;

    public static bool operator >(WalGTime left, WalGTime right) => left.CompareTo(right) > 0;

    public static bool operator <=(WalGTime left, WalGTime right) => left.CompareTo(right) <= 0;

    public static bool operator >=(WalGTime left, WalGTime right) => left.CompareTo(right) >= 0;

    public static WalGTime FromDateTimeOffset(DateTimeOffset time) => new(
        time.UtcTicks / TimeSpan.TicksPerSecond,
        (int)(time.UtcTicks % TimeSpan.TicksPerSecond) * 100,
        (int)time.Offset.TotalMinutes);

    /// <summary>A file system's time.</summary>
    /// <param name="unixSeconds">Since 1970-01-01 UTC.</param>
    /// <param name="nanoseconds">0 to 999,999,999.</param>
    /// <param name="offset">The offset to write it with, whole minutes; wal-g writes file times in the local one.</param>
    /// <exception cref="ArgumentOutOfRangeException">Outside the years 1 to 9999, or no such nanosecond or offset.</exception>
    public static WalGTime FromUnix(long unixSeconds, int nanoseconds, TimeSpan offset = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(unixSeconds, -UnixEpochSeconds);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(unixSeconds, LastSecond - UnixEpochSeconds);
        ArgumentOutOfRangeException.ThrowIfNegative(nanoseconds);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(nanoseconds, NanosecondsPerSecond);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(offset.Duration(), TimeSpan.FromDays(1), nameof(offset));
        return new WalGTime(unixSeconds + UnixEpochSeconds, nanoseconds, (int)offset.TotalMinutes);
    }

    /// <summary>Reads RFC 3339 with any number of fractional digits; those after the ninth are dropped, as Go does.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out WalGTime time)
    {
        time = default;
        if (text.Length < 20 || text[4] != '-' || text[7] != '-' || text[10] is not ('T' or 't') || text[13] != ':'
            || text[16] != ':' || !TryDigits(text[..4], out var year) || !TryDigits(text[5..7], out var month)
            || !TryDigits(text[8..10], out var day) || !TryDigits(text[11..13], out var hour)
            || !TryDigits(text[14..16], out var minute) || !TryDigits(text[17..19], out var second)
            || year == 0 || month is < 1 or > 12 || day < 1 || day > DateTime.DaysInMonth(year, month)
            || hour > 23 || minute > 59 || second > 59)
        {
            return false;
        }

        if (!TryFraction(text[19..], out var nanoseconds, out var zone) || !TryOffset(zone, out var offset))
        {
            return false;
        }

        var local = new DateTime(year, month, day, hour, minute, second, DateTimeKind.Unspecified);
        var utc = (local.Ticks / TimeSpan.TicksPerSecond) - (offset * 60L);
        if (utc < 0 || utc > LastSecond)
        {
            return false;
        }

        time = new WalGTime(utc, nanoseconds, offset);
        return true;
    }

    /// <summary>Up to the next whole microsecond: the precision of wal-g's start and finish times.</summary>
    public WalGTime RoundUpToMicroseconds()
    {
        var rounded = (nanoseconds + 999) / 1000 * 1000;
        return rounded < NanosecondsPerSecond
            ? new WalGTime(seconds, rounded, offsetMinutes)
            : new WalGTime(Math.Min(seconds + 1, LastSecond), 0, offsetMinutes);
    }

    /// <summary>Cut to .NET's 100 ns, with the same offset where .NET knows it (up to 14 hours), else in UTC.</summary>
    public DateTimeOffset ToDateTimeOffset()
    {
        var utc = new DateTimeOffset((seconds * TimeSpan.TicksPerSecond) + (nanoseconds / 100), TimeSpan.Zero);
        var localTicks = utc.Ticks + (offsetMinutes * TimeSpan.TicksPerMinute);
        return Math.Abs(offsetMinutes) <= 14 * 60 && localTicks >= 0 && localTicks <= DateTime.MaxValue.Ticks
            ? utc.ToOffset(Offset)
            : utc;
    }

    public bool Equals(WalGTime other) => seconds == other.seconds && nanoseconds == other.nanoseconds;

    public override bool Equals([NotNullWhen(true)] object? obj) => obj is WalGTime other && Equals(other);

    public override int GetHashCode() => HashCode.Combine(seconds, nanoseconds);

    public int CompareTo(WalGTime other)
    {
        var bySeconds = seconds.CompareTo(other.seconds);
        return bySeconds != 0 ? bySeconds : nanoseconds.CompareTo(other.nanoseconds);
    }

    /// <summary>RFC 3339 as Go prints it: the fraction without trailing zeros, "Z" for UTC.</summary>
    public override string ToString()
    {
        Span<char> text = stackalloc char[LongestText];
        return text[..Format(text)].ToString();
    }

    /// <summary>Writes what <see cref="ToString"/> gives; 35 characters are always enough.</summary>
    /// <returns>How many characters were written.</returns>
    public int Format(Span<char> destination)
    {
        // An instant at either end of the calendar may have no local time there: such a one is written in UTC.
        var localSeconds = seconds + (offsetMinutes * 60L);
        var offset = localSeconds < 0 || localSeconds > LastSecond ? 0 : (int)offsetMinutes;
        var local = new DateTime((seconds + (offset * 60L)) * TimeSpan.TicksPerSecond, DateTimeKind.Unspecified);
        local.TryFormat(destination, out var length, "yyyy-MM-dd'T'HH:mm:ss", CultureInfo.InvariantCulture);
        if (nanoseconds != 0)
        {
            destination[length++] = '.';
            nanoseconds.TryFormat(destination[length..], out var digits, "000000000", CultureInfo.InvariantCulture);
            length += destination.Slice(length, digits).TrimEnd('0').Length;
        }

        if (offset == 0)
        {
            destination[length++] = 'Z';
            return length;
        }

        var size = Math.Abs(offset);
        destination[length++] = offset < 0 ? '-' : '+';
        (size / 60).TryFormat(destination[length..], out _, "00", CultureInfo.InvariantCulture);
        destination[length + 2] = ':';
        (size % 60).TryFormat(destination[(length + 3)..], out _, "00", CultureInfo.InvariantCulture);
        return length + 5;
    }

    private static bool TryFraction(ReadOnlySpan<char> text, out int nanoseconds, out ReadOnlySpan<char> rest)
    {
        nanoseconds = 0;
        rest = text;
        if (text[0] is not ('.' or ','))
        {
            return true;
        }

        var digits = text[1..].IndexOfAnyExceptInRange('0', '9');
        if (digits <= 0)
        {
            return false;
        }

        for (var index = 0; index < 9; index++)
        {
            nanoseconds = (nanoseconds * 10) + (index < digits ? text[1 + index] - '0' : 0);
        }

        rest = text[(1 + digits)..];
        return true;
    }

    private static bool TryOffset(ReadOnlySpan<char> zone, out int minutes)
    {
        minutes = 0;
        if (zone is "Z" or "z")
        {
            return true;
        }

        if (zone.Length != 6 || zone[0] is not ('+' or '-') || zone[3] != ':'
            || !TryDigits(zone[1..3], out var hours) || !TryDigits(zone[4..], out var rest) || hours > 23 || rest > 59)
        {
            return false;
        }

        minutes = (zone[0] == '-' ? -1 : 1) * ((hours * 60) + rest);
        return true;
    }

    private static bool TryDigits(ReadOnlySpan<char> text, out int value) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
}
