using System.Globalization;
using System.Text.Json;

namespace WalRus.Configuration;

/// <summary>Reads the text of settings: wal-g's spellings (Go's) and WAL-RUS' more lenient booleans.</summary>
internal static class SettingText
{
    public static bool TryBoolean(string text, out bool value)
    {
        switch (text.ToUpperInvariant())
        {
            case "1" or "T" or "TRUE" or "YES" or "ON": value = true; return true;
            case "0" or "F" or "FALSE" or "NO" or "OFF": value = false; return true;
            default: value = false; return false;
        }
    }

    public static bool TryInteger(string text, out long value) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);

    public static bool TryNumber(string text, out double value) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);

    /// <summary>"1048576", "64MB", "1 GiB": every unit counts in 1024.</summary>
    public static bool TryBytes(string text, out long value)
    {
        value = 0;
        var digits = text.AsSpan().IndexOfAnyExceptInRange('0', '9');
        if (digits < 0)
        {
            digits = text.Length;
        }

        var shift = text.AsSpan(digits).Trim().ToString().ToUpperInvariant() switch
        {
            "" or "B" => 0,
            "K" or "KB" or "KIB" => 10,
            "M" or "MB" or "MIB" => 20,
            "G" or "GB" or "GIB" => 30,
            "T" or "TB" or "TIB" => 40,
            _ => -1,
        };
        if (shift < 0 || !TryInteger(text[..digits], out var number) || number > long.MaxValue >> shift)
        {
            return false;
        }

        value = number << shift;
        return true;
    }

    /// <summary>Go's time.ParseDuration: numbers with units, such as 1h30m or 1.5s; a bare "0" is allowed.</summary>
    public static bool TryDuration(string text, out TimeSpan value)
    {
        value = TimeSpan.Zero;
        var rest = text.AsSpan();
        var negative = rest.StartsWith("-");
        if (negative || rest.StartsWith("+"))
        {
            rest = rest[1..];
        }

        if (rest is "0")
        {
            return true;
        }

        var ticks = 0.0;
        var terms = 0;
        while (!rest.IsEmpty)
        {
            var length = rest.IndexOfAnyExcept("0123456789.");
            if (length <= 0 || !double.TryParse(
                rest[..length], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
            {
                return false;
            }

            rest = rest[length..];
            length = rest.IndexOfAny("0123456789.");
            var unit = length < 0 ? rest : rest[..length];
            var ticksPerUnit = TicksPer(unit);
            if (ticksPerUnit < 0)
            {
                return false;
            }

            ticks += number * ticksPerUnit;
            rest = rest[unit.Length..];
            terms++;
        }

        // Go's own range is 292 years; what a timer can wait for is less, and nobody means more.
        if (terms == 0 || ticks > TimeSpan.FromDays(10_000).Ticks)
        {
            return false;
        }

        value = TimeSpan.FromTicks((long)Math.Round(negative ? -ticks : ticks));
        return true;
    }

    public static bool TryJson(string text, out JsonElement value)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            value = document.RootElement.Clone();
            return true;
        }
        catch (JsonException)
        {
            value = default;
            return false;
        }
    }

    private static double TicksPer(ReadOnlySpan<char> unit) => unit switch
    {
        "ns" => 0.01,
        "us" or "\u00b5s" or "\u03bcs" => TimeSpan.TicksPerMicrosecond,
        "ms" => TimeSpan.TicksPerMillisecond,
        "s" => TimeSpan.TicksPerSecond,
        "m" => TimeSpan.TicksPerMinute,
        "h" => TimeSpan.TicksPerHour,
        _ => -1,
    };
}
