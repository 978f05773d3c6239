using System.Globalization;

namespace WalRus.Postgres;

/// <summary>A timeline's number, from 1. File names hold it as eight upper-case hex digits, SQL and settings as decimal.</summary>
public readonly record struct TimelineId(uint Value) : IComparable<TimelineId>
{
    public static bool operator <(TimelineId left, TimelineId right) => left.Value < right.Value;

    public static bool operator >(TimelineId left, TimelineId right) => left.Value > right.Value;

    public static bool operator <=(TimelineId left, TimelineId right) => left.Value <= right.Value;

    public static bool operator >=(TimelineId left, TimelineId right) => left.Value >= right.Value;

    /// <summary>"00000002.history"</summary>
    public string HistoryFileName => string.Create(CultureInfo.InvariantCulture, $"{Value:X8}.history");

    public int CompareTo(TimelineId other) => Value.CompareTo(other.Value);

    /// <summary>Decimal, as PostgreSQL prints it.</summary>
    public override string ToString() => Value.ToString(CultureInfo.InvariantCulture);
}
