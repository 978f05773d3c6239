using WalRus.Postgres;

namespace WalRus.Archiving;

/// <summary>Segments in a row, by number, both included.</summary>
public readonly record struct WalRun(ulong First, ulong Last)
{
    public bool Contains(ulong number) => number >= First && number <= Last;
}

/// <summary>Which segments the archive holds, as runs without a gap: memory grows with the gaps, not with the segments.</summary>
public sealed class WalCoverage
{
    private readonly Dictionary<TimelineId, IReadOnlyList<WalRun>> runs;

    private WalCoverage(WalSegmentSize size, IReadOnlyList<WalRange> ranges, Dictionary<TimelineId, IReadOnlyList<WalRun>> runs)
    {
        Size = size;
        Ranges = ranges;
        this.runs = runs;
    }

    /// <summary>What the archived segments say of their size.</summary>
    public WalSegmentSize Size { get; }

    /// <summary>What there is of each timeline, lowest first; never empty.</summary>
    public IReadOnlyList<WalRange> Ranges { get; }

    /// <summary>Null when the archive holds no segment.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>: no segment says how large it is.</exception>
    public static Task<WalCoverage?> ReadAsync(WalCatalog wal, CancellationToken cancellationToken) =>
        ReadAsync(wal, null, cancellationToken);

    /// <summary>As above, for those who only look at names: they need no key.</summary>
    /// <param name="wal">The archived WAL.</param>
    /// <param name="assumed">The segment size where no segment can be read that tells; null to fail then.</param>
    /// <param name="cancellationToken">Stops the listing.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>: no segment says how large it is.</exception>
    public static async Task<WalCoverage?> ReadAsync(WalCatalog wal, WalSegmentSize? assumed, CancellationToken cancellationToken)
    {
        var ranges = await wal.GetRangesAsync(cancellationToken).ConfigureAwait(false);
        if (ranges.Count == 0)
        {
            return null;
        }

        var size = await ReadSizeAsync(wal, ranges, assumed, cancellationToken).ConfigureAwait(false);
        var runs = new Dictionary<TimelineId, IReadOnlyList<WalRun>>();
        ranges = [.. ranges.Where(range => range.First.IsValidFor(size) && range.Last.IsValidFor(size))];
        foreach (var range in ranges)
        {
            runs[range.Timeline] = await ReadRunsAsync(wal, range, size, cancellationToken).ConfigureAwait(false);
        }

        return new WalCoverage(size, ranges, runs);
    }

    /// <summary>The runs of segments with a timeline's name, in order.</summary>
    public IReadOnlyList<WalRun> Of(TimelineId timeline) => runs.GetValueOrDefault(timeline, []);

    /// <summary>The run of a timeline that holds a segment or, where that is missing, is the next below it; null for none.</summary>
    public WalRun? AtOrBelow(TimelineId timeline, ulong number) => AtOrBelow(Of(timeline), number);

    /// <summary>The same of a list of runs in order.</summary>
    public static WalRun? AtOrBelow(IReadOnlyList<WalRun> list, ulong number)
    {
        var (low, high) = (0, list.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = list[middle].First <= number ? (middle + 1, high) : (low, middle);
        }

        return low == 0 ? null : list[low - 1];
    }

    /// <summary>The runs that replay along a path finds, through all its timelines.</summary>
    public IReadOnlyList<WalRun> Along(WalPath path)
    {
        var last = Ranges.Where(range => path.History.Contains(range.Timeline)).Select(range => range.Last.SegmentNumber(Size))
            .DefaultIfEmpty().Max();
        var along = new List<WalRun>();
        foreach (var (from, to) in path.Pieces(0, last))
        {
            var (lowest, highest) = (from.SegmentNumber(Size), to.SegmentNumber(Size));
            foreach (var run in Of(from.Timeline).Where(run => run.Last >= lowest && run.First <= highest))
            {
                var part = new WalRun(Math.Max(run.First, lowest), Math.Min(run.Last, highest));
                if (along.Count > 0 && along[^1].Last + 1 == part.First)
                {
                    along[^1] = along[^1] with { Last = part.Last };
                }
                else
                {
                    along.Add(part);
                }
            }
        }

        return along;
    }

    /// <summary>One segment that can be read is enough; a damaged one must not hide the others.</summary>
    private static async Task<WalSegmentSize> ReadSizeAsync(
        WalCatalog wal, IReadOnlyList<WalRange> ranges, WalSegmentSize? assumed, CancellationToken cancellationToken)
    {
        WalRusException? damage = null;
        foreach (var segment in ranges.Reverse().SelectMany(range => new[] { range.Last, range.First }))
        {
            try
            {
                if (await wal.ReadHeaderAsync(segment, cancellationToken).ConfigureAwait(false) is { } header
                    && WalSegmentSize.IsValid(header.SegmentSizeBytes))
                {
                    return WalSegmentSize.FromBytes(header.SegmentSizeBytes);
                }
            }
            catch (WalRusException broken) when (broken.Code == ErrorCode.ObjectCorrupt
                || (assumed is not null && broken.Code is ErrorCode.DecryptionFailed or ErrorCode.CodecUnknown))
            {
                damage = broken;
            }
        }

        return assumed ?? throw damage ?? new WalRusException(
            ErrorCode.ObjectCorrupt, $"'{ranges[^1].Last}' does not say how large a segment is.");
    }

    private static async Task<IReadOnlyList<WalRun>> ReadRunsAsync(
        WalCatalog wal, WalRange range, WalSegmentSize size, CancellationToken cancellationToken)
    {
        var runs = new List<WalRun>();
        var first = range.First.SegmentNumber(size);
        await foreach (var missing in wal.ListMissingAsync(range.First, range.Last, size, cancellationToken).ConfigureAwait(false))
        {
            var number = missing.SegmentNumber(size);
            if (number > first)
            {
                runs.Add(new WalRun(first, number - 1));
            }

            first = number + 1;
        }

        runs.Add(new WalRun(first, range.Last.SegmentNumber(size)));
        return runs;
    }
}
