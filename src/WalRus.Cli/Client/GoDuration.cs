namespace WalRus.Cli.Client;

/// <summary>
/// Go's durations: numbers with units, such as 1h30m or 1.5s; a bare "0". (The engine has a parser for settings; this one
/// needs no floating-point parsing, which would be a tenth of the small client's code.)
/// </summary>
internal static class GoDuration
{
    /// <summary>The longest that is kept; what is longer means as much.</summary>
    private static readonly TimeSpan Most = TimeSpan.FromDays(365);

    /// <returns>False for what Go refuses; a negative duration is zero, since both mean "no time at all".</returns>
    public static bool TryParse(string text, out TimeSpan duration)
    {
        duration = TimeSpan.Zero;
        var rest = text.AsSpan();
        var negative = rest.StartsWith("-");
        rest = negative || rest.StartsWith("+") ? rest[1..] : rest;
        if (rest.SequenceEqual("0"))
        {
            return true;
        }

        if (rest.IsEmpty)
        {
            return false;
        }

        var ticks = 0.0;
        while (!rest.IsEmpty)
        {
            if (!TryNumber(ref rest, out var number) || !TryUnit(ref rest, out var ticksPerUnit))
            {
                return false;
            }

            ticks += number * ticksPerUnit;
        }

        duration = negative ? TimeSpan.Zero : ticks >= Most.Ticks ? Most : TimeSpan.FromTicks((long)ticks);
        return true;
    }

    private static bool TryNumber(ref ReadOnlySpan<char> rest, out double number)
    {
        number = 0;
        var digits = 0;
        var scale = 0.0;
        while (!rest.IsEmpty && (char.IsAsciiDigit(rest[0]) || (rest[0] == '.' && scale == 0)))
        {
            if (rest[0] == '.')
            {
                scale = 1;
            }
            else
            {
                digits++;
                number = (number * 10) + (rest[0] - '0');
                scale *= 10;
            }

            rest = rest[1..];
        }

        number = scale > 1 ? number / scale : number;
        return digits > 0;
    }

    private static bool TryUnit(ref ReadOnlySpan<char> rest, out double ticks)
    {
        var length = 0;
        while (length < rest.Length && rest[length] != '.' && !char.IsAsciiDigit(rest[length]))
        {
            length++;
        }

        ticks = rest[..length] switch
        {
            "h" => TimeSpan.TicksPerHour,
            "m" => TimeSpan.TicksPerMinute,
            "s" => TimeSpan.TicksPerSecond,
            "ms" => TimeSpan.TicksPerMillisecond,
            "us" or "\u00b5s" or "\u03bcs" => TimeSpan.TicksPerMicrosecond,
            "ns" => 1.0 / TimeSpan.NanosecondsPerTick,
            _ => 0,
        };
        rest = rest[length..];
        return ticks > 0;
    }
}
