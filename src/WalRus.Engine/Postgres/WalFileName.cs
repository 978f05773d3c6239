using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace WalRus.Postgres;

/// <summary>
/// The name of a WAL segment file: 24 upper-case hex digits, timeline, log id, segment within the log id.
/// Ordered by timeline, then position, as the names themselves sort.
/// </summary>
public readonly record struct WalFileName : IComparable<WalFileName>
{
    public const int Length = 24;

    private WalFileName(TimelineId timeline, uint logId, uint segment)
    {
        Timeline = timeline;
        LogId = logId;
        Segment = segment;
    }

    public TimelineId Timeline { get; }

    public uint LogId { get; }

    /// <summary>The third field: the segment within its log id, below <see cref="WalSegmentSize.SegmentsPerLogId"/>.</summary>
    public uint Segment { get; }

    public static bool operator <(WalFileName left, WalFileName right) => left.CompareTo(right) < 0;

    public static bool operator >(WalFileName left, WalFileName right) => left.CompareTo(right) > 0;

    public static bool operator <=(WalFileName left, WalFileName right) => left.CompareTo(right) <= 0;

    public static bool operator >=(WalFileName left, WalFileName right) => left.CompareTo(right) >= 0;

    public static WalFileName FromSegment(TimelineId timeline, ulong segmentNumber, WalSegmentSize size) =>
        new(timeline, checked((uint)(segmentNumber / size.SegmentsPerLogId)), (uint)(segmentNumber % size.SegmentsPerLogId));

    /// <summary>The segment that holds the byte at <paramref name="lsn"/>.</summary>
    public static WalFileName FromLsn(TimelineId timeline, Lsn lsn, WalSegmentSize size) =>
        FromSegment(timeline, size.SegmentNumber(lsn), size);

    /// <exception cref="FormatException">Not 24 upper-case hex digits with a timeline above 0.</exception>
    public static WalFileName Parse(string text) => TryParse(text, out var name)
        ? name
        : throw new FormatException($"'{text}' is not a WAL segment name (24 upper-case hex digits).");

    public static bool TryParse([NotNullWhen(true)] string? text, out WalFileName name) =>
        TryParse(text.AsSpan(), out name);

    /// <summary>Strict: exactly 24 upper-case hex digits, timeline not 0. The segment size is not known here; see <see cref="IsValidFor"/>.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out WalFileName name)
    {
        name = default;
        if (text.Length != Length || text.IndexOfAnyExcept("0123456789ABCDEF") >= 0)
        {
            return false;
        }

        var timeline = uint.Parse(text[..8], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        var logId = uint.Parse(text[8..16], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        var segment = uint.Parse(text[16..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        if (timeline == 0)
        {
            return false;
        }

        name = new WalFileName(new TimelineId(timeline), logId, segment);
        return true;
    }

    /// <summary>False when the third field is too large for the segment size: such a name cannot exist in that cluster.</summary>
    public bool IsValidFor(WalSegmentSize size) => Segment < size.SegmentsPerLogId;

    public ulong SegmentNumber(WalSegmentSize size) => LogId * size.SegmentsPerLogId + Segment;

    public Lsn StartLsn(WalSegmentSize size) => size.StartOf(SegmentNumber(size));

    /// <summary>The name <paramref name="count"/> segments further on the same timeline.</summary>
    public WalFileName Next(WalSegmentSize size, ulong count = 1) =>
        FromSegment(Timeline, checked(SegmentNumber(size) + count), size);

    public int CompareTo(WalFileName other)
    {
        var byTimeline = Timeline.CompareTo(other.Timeline);
        if (byTimeline != 0)
        {
            return byTimeline;
        }

        var byLogId = LogId.CompareTo(other.LogId);
        return byLogId != 0 ? byLogId : Segment.CompareTo(other.Segment);
    }

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Timeline.Value:X8}{LogId:X8}{Segment:X8}");
}
