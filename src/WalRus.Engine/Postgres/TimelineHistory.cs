using System.Globalization;
using System.Text;

namespace WalRus.Postgres;

/// <summary>One switch: up to where a timeline is part of a later one's past.</summary>
/// <param name="Timeline">The timeline that was left.</param>
/// <param name="SwitchPoint">The WAL position at which it was left: the first byte that is not its own any more.</param>
/// <param name="Reason">PostgreSQL's remark.</param>
public readonly record struct TimelineSwitch(TimelineId Timeline, Lsn SwitchPoint, string Reason);

/// <summary>
/// A timeline's past, oldest switch first. Source: PostgreSQL's timeline.c: lines of timeline, position and reason,
/// '#' starts a comment line. Timeline 1 has none.
/// </summary>
public sealed record TimelineHistory(TimelineId Timeline, IReadOnlyList<TimelineSwitch> Switches)
{
    /// <summary>No cluster has been promoted so often; more is no history file.</summary>
    private const int MaxSwitches = 100_000;

    /// <summary>The timeline this one came from; null for the first.</summary>
    public TimelineId? Parent => Switches.Count == 0 ? null : Switches[^1].Timeline;

    /// <summary>A timeline without a past, as timeline 1 is.</summary>
    public static TimelineHistory WithoutPast(TimelineId timeline) => new(timeline, []);

    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>: a line cannot be read, or the order is wrong.</exception>
    public static TimelineHistory Parse(TimelineId timeline, ReadOnlySpan<byte> file)
    {
        var switches = new List<TimelineSwitch>();
        foreach (var line in Encoding.UTF8.GetString(file).Split('\n'))
        {
            var text = line.Trim();
            if (text.Length == 0 || text[0] == '#')
            {
                continue;
            }

            var fields = text.Split((char[])['\t', ' '], 3, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            if (fields.Length < 2
                || !uint.TryParse(fields[0], NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number == 0
                || !Lsn.TryParse(fields[1], out var position))
            {
                throw Corrupt(timeline, "a line is not a timeline and a WAL position");
            }

            if (switches.Count > 0 && (number <= switches[^1].Timeline.Value || position < switches[^1].SwitchPoint))
            {
                throw Corrupt(timeline, "its timelines are not in order");
            }

            switches.Add(new TimelineSwitch(new TimelineId(number), position, fields.Length > 2 ? fields[2] : ""));
            if (switches.Count > MaxSwitches)
            {
                throw Corrupt(timeline, "it is too long");
            }
        }

        return switches.Count > 0 && switches[^1].Timeline >= timeline
            ? throw Corrupt(timeline, "it names a timeline that is not in its past")
            : new TimelineHistory(timeline, switches);
    }

    /// <summary>The timeline that wrote the byte at a position, on the way to this one.</summary>
    public TimelineId TimelineAt(Lsn position)
    {
        foreach (var past in Switches)
        {
            if (position < past.SwitchPoint)
            {
                return past.Timeline;
            }
        }

        return Timeline;
    }

    /// <summary>Where a timeline ends on the way to this one; null for this one itself.</summary>
    /// <exception cref="ArgumentException">The timeline is not in this one's past.</exception>
    public Lsn? EndOf(TimelineId timeline)
    {
        if (timeline == Timeline)
        {
            return null;
        }

        foreach (var past in Switches)
        {
            if (past.Timeline == timeline)
            {
                return past.SwitchPoint;
            }
        }

        throw new ArgumentException($"Timeline {timeline} is not in the past of timeline {Timeline}.", nameof(timeline));
    }

    /// <summary>True for this timeline and each in its past.</summary>
    public bool Contains(TimelineId timeline) =>
        timeline == Timeline || Switches.Any(past => past.Timeline == timeline);

    /// <summary>The file as PostgreSQL writes it.</summary>
    public byte[] ToFile()
    {
        var text = new StringBuilder();
        foreach (var past in Switches)
        {
            text.Append(CultureInfo.InvariantCulture, $"{past.Timeline}\t{past.SwitchPoint}\t{past.Reason}\n");
        }

        return Encoding.UTF8.GetBytes(text.ToString());
    }

    private static WalRusException Corrupt(TimelineId timeline, string why) => new(
        ErrorCode.ObjectCorrupt, $"'{timeline.HistoryFileName}' cannot be read: {why}.");
}
