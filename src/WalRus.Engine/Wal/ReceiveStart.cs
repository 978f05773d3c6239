using System.Globalization;
using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Wal;

/// <summary>
/// Finds where receiving goes on without a gap: behind what the archive holds on the way to the server's timeline. Segments
/// that a timeline wrote behind the point where the server left it are not on that way.
/// </summary>
internal sealed class ReceiveStart(Archive archive, TimelineHistory history, WalSegmentSize size)
{
    private readonly WalCatalog catalog = new(archive);

    /// <summary>The segment that holds a switch is whole on the later timeline only, so its last byte tells whose it is.</summary>
    public ReceivePoint PointOf(ulong segment) =>
        new(history.TimelineAt(size.StartOf(segment) + (ulong)(size.Bytes - 1)), size.StartOf(segment));

    /// <summary>
    /// Where a point that was reached before lies on the way to the server's timeline: itself, or, when the server left that
    /// timeline earlier, the start of the segment in which it did. Null when the server never was on that timeline.
    /// </summary>
    public ReceivePoint? OnPath(ReceivePoint point)
    {
        if (!history.Contains(point.Timeline))
        {
            return null;
        }

        while (history.EndOf(point.Timeline) is { } end && point.Position >= end)
        {
            var next = history.Switches
                .SkipWhile(past => past.Timeline != point.Timeline).Skip(1).Select(past => past.Timeline)
                .Append(history.Timeline).First();
            point = new ReceivePoint(next, size.StartOf(size.SegmentNumber(end)));
        }

        return point;
    }

    /// <summary>The first segment that the archive lacks; null when it holds none on this way and there is no slot.</summary>
    /// <param name="slot">The oldest WAL that the slot keeps.</param>
    /// <param name="cancellationToken">Stops the search.</param>
    public async Task<ReceivePoint?> FindAsync(Lsn? slot, CancellationToken cancellationToken)
    {
        var kept = slot is { } restart ? size.SegmentNumber(restart) : (ulong?)null;
        if (kept is > 0 and { } first && await IsArchivedAsync(first - 1, cancellationToken).ConfigureAwait(false))
        {
            return await FirstMissingAsync(first, cancellationToken).ConfigureAwait(false);
        }

        var highest = await HighestAsync(cancellationToken).ConfigureAwait(false);
        if (highest is null)
        {
            return kept is { } only ? PointOf(only) : null;
        }

        return kept is { } begin && highest >= begin
            ? await FirstMissingAsync(begin, cancellationToken).ConfigureAwait(false)
            : PointOf(highest.Value + 1);
    }

    /// <summary>Timelines on the way, newest first, each with the segments that are whole on it.</summary>
    private IEnumerable<(TimelineId Timeline, ulong First, ulong? Last)> Ranges()
    {
        var end = (Lsn?)null;
        for (var index = history.Switches.Count; index >= 0; index--)
        {
            var timeline = index == history.Switches.Count ? history.Timeline : history.Switches[index].Timeline;
            var begin = index == 0 ? 0 : size.SegmentNumber(history.Switches[index - 1].SwitchPoint);
            var last = end is { } at ? size.SegmentNumber(at) : (ulong?)null;
            if (last is null || last > begin)
            {
                yield return (timeline, begin, last - 1);
            }

            end = index == 0 ? null : history.Switches[index - 1].SwitchPoint;
        }
    }

    private async Task<bool> IsArchivedAsync(ulong segment, CancellationToken cancellationToken)
    {
        var name = WalFileName.FromSegment(PointOf(segment).Timeline, segment, size);
        return await archive.FindAsync(WalGLayout.Wal(name.ToString()), cancellationToken).ConfigureAwait(false) is not null;
    }

    private async Task<ulong?> HighestAsync(CancellationToken cancellationToken)
    {
        foreach (var range in Ranges())
        {
            if (await HighestAsync(range, cancellationToken).ConfigureAwait(false) is { } highest)
            {
                return highest;
            }
        }

        return null;
    }

    private async Task<ulong?> HighestAsync(
        (TimelineId Timeline, ulong First, ulong? Last) range, CancellationToken cancellationToken)
    {
        ulong? highest = null;
        var prefix = range.Timeline.Value.ToString("X8", CultureInfo.InvariantCulture);
        await foreach (var item in catalog.ListAsync(prefix, cancellationToken).ConfigureAwait(false))
        {
            if (item is { Kind: WalObjectKind.Segment, Segment: { } segment } && segment.IsValidFor(size)
                && segment.SegmentNumber(size) is var number && number >= range.First && number <= (range.Last ?? ulong.MaxValue)
                && (highest is null || number > highest))
            {
                highest = number;
            }
        }

        return highest;
    }

    private async Task<ReceivePoint> FirstMissingAsync(ulong from, CancellationToken cancellationToken)
    {
        foreach (var range in Ranges().Reverse())
        {
            if (range.Last < from)
            {
                continue;
            }

            var first = Math.Max(from, range.First);
            var last = range.Last ?? await HighestAsync(range, cancellationToken).ConfigureAwait(false);
            if (last is null || last < first)
            {
                return PointOf(first);
            }

            var missing = catalog.ListMissingAsync(
                WalFileName.FromSegment(range.Timeline, first, size), WalFileName.FromSegment(range.Timeline, last.Value, size),
                size, cancellationToken);
            await foreach (var name in missing.ConfigureAwait(false))
            {
                return PointOf(name.SegmentNumber(size));
            }

            if (range.Last is null)
            {
                return PointOf(last.Value + 1);
            }
        }

        return PointOf(from);
    }
}
