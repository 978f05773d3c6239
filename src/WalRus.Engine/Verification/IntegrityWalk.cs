using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Verification;

/// <summary>
/// wal-g's walk backwards from the cluster's segment: three scans, each going on where the last one stopped. Here in whole
/// stretches of which the same is known, so that its cost follows the gaps and not the segments.
/// </summary>
/// <param name="coverage">What there is; null for nothing.</param>
/// <param name="size">The segment size.</param>
/// <param name="history">The past of the cluster's timeline.</param>
/// <param name="stop">The lowest segment looked at.</param>
internal sealed class IntegrityWalk(WalCoverage? coverage, WalSegmentSize size, TimelineHistory history, ulong stop)
{
    private readonly List<SegmentRange> ranges = [];
    private readonly SortedList<ulong, TimelineId> switches = SwitchesOf(history, size);
    private TimelineId timeline = history.Timeline;
    private ulong position;

    /// <summary>The segments below one, lowest first.</summary>
    public IReadOnlyList<SegmentRange> Run(ulong start, int maxDelayed, int uploading)
    {
        position = start;
        Scan((ulong)maxDelayed, SegmentStatus.MissingDelayed, stopsAtFound: true);
        Scan((ulong)uploading, SegmentStatus.MissingUploading, stopsAtFound: false);
        Scan(ulong.MaxValue, SegmentStatus.MissingLost, stopsAtFound: false);
        ranges.Reverse();
        return ranges;
    }

    /// <summary>From which timeline the segment below a switch comes: where several lie in one segment, the lowest.</summary>
    private static SortedList<ulong, TimelineId> SwitchesOf(TimelineHistory history, WalSegmentSize size)
    {
        var switches = new SortedList<ulong, TimelineId>();
        foreach (var past in history.Switches)
        {
            switches.TryAdd(size.SegmentNumber(past.SwitchPoint), past.Timeline);
        }

        return switches;
    }

    private void Scan(ulong limit, SegmentStatus missing, bool stopsAtFound)
    {
        while (limit > 0 && position > stop)
        {
            Step();
            var (isThere, lowest) = Stretch();
            var count = Math.Min(position - Math.Max(lowest, Floor()) + 1, isThere && stopsAtFound ? 1 : limit);
            Add(position - count + 1, position, isThere ? SegmentStatus.Found : missing);
            position -= count - 1;
            limit -= count;
            if (isThere && stopsAtFound)
            {
                return;
            }
        }
    }

    /// <summary>To the segment below, on the timeline that wrote it.</summary>
    private void Step()
    {
        // wal-g: a switch that is in the history and never happened, as after a restore, leaves the segments as they are.
        if (switches.TryGetValue(position, out var before) && !Has(timeline, position - 1))
        {
            timeline = before;
        }

        position--;
    }

    private bool Has(TimelineId of, ulong number) => coverage?.AtOrBelow(of, number)?.Contains(number) == true;

    /// <summary>Whether the segment at the position is there, and down to where the same holds.</summary>
    private (bool IsThere, ulong Lowest) Stretch()
    {
        var below = coverage?.AtOrBelow(timeline, position);
        return below is not { } run ? (false, 0) : run.Contains(position) ? (true, run.First) : (false, run.Last + 1);
    }

    /// <summary>No stretch goes below the next switch: what is beyond it may be another timeline's.</summary>
    private ulong Floor() => Math.Max(stop, switches.Keys.LastOrDefault(number => number <= position));

    private void Add(ulong first, ulong last, SegmentStatus status)
    {
        var (from, to) = (WalFileName.FromSegment(timeline, first, size), WalFileName.FromSegment(timeline, last, size));
        if (ranges.Count > 0 && ranges[^1] is var above && above.Timeline == timeline && above.Status == status)
        {
            ranges[^1] = above with { First = from, Count = above.Count + (last - first + 1) };
            return;
        }

        ranges.Add(new SegmentRange(from, to, last - first + 1, status));
    }
}
