using System.Globalization;

namespace WalRus.Reporting;

/// <summary>Figures as the page prints them.</summary>
internal static class ReportText
{
    private static readonly string[] Units = ["B", "KB", "MB", "GB", "TB", "PB"];

    public static string Bytes(double value)
    {
        var unit = 0;
        while (Math.Abs(value) >= 1024 && unit < Units.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        return value.ToString(unit == 0 || value >= 100 ? "0" : "0.0", CultureInfo.InvariantCulture) + " " + Units[unit];
    }

    /// <summary>Two figures are enough: "3 d", "4 h 5 min", "12 s".</summary>
    public static string Duration(TimeSpan span)
    {
        var value = span < TimeSpan.Zero ? TimeSpan.Zero : span;
        FormattableString text = value switch
        {
            { TotalDays: >= 3 } => $"{Math.Round(value.TotalDays):0} days",
            { TotalDays: >= 1 } => $"{value.Days} d {value.Hours} h",
            { TotalHours: >= 1 } => $"{value.Hours} h {value.Minutes} min",
            { TotalMinutes: >= 10 } => $"{value.TotalMinutes:0} min",
            { TotalMinutes: >= 1 } => $"{value.Minutes} min {value.Seconds} s",
            { TotalSeconds: >= 10 } => $"{value.TotalSeconds:0} s",
            _ => $"{value.TotalSeconds:0.0} s",
        };
        return text.ToString(CultureInfo.InvariantCulture);
    }

    public static string Count(long count, string noun) =>
        string.Create(CultureInfo.InvariantCulture, $"{count:N0} {noun}{(count == 1 ? "" : "s")}");

    /// <summary>15.14 from 150014.</summary>
    public static string Version(int number) => number == 0
        ? "" : string.Create(CultureInfo.InvariantCulture, $"{number / 10000}.{number % 10000}");
}
