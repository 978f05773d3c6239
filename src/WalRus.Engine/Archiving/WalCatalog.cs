using System.Collections;
using System.Globalization;
using System.Runtime.CompilerServices;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.WalG;

namespace WalRus.Archiving;

/// <summary>One object of the WAL folder.</summary>
/// <param name="FileName">The WAL file's name, without the codec's extension.</param>
/// <param name="Segment">
/// The segment it is or belongs to: of a sidecar or a group's metadata the first of the group. Null for timeline
/// histories and foreign objects.
/// </param>
/// <param name="Timeline">The timeline in the name; null for foreign objects.</param>
public readonly record struct WalObject(
    ObjectKey Key,
    WalObjectKind Kind,
    string FileName,
    WalFileName? Segment,
    TimelineId? Timeline,
    long SizeBytes,
    DateTimeOffset LastModified);

/// <summary>What the archive holds of one timeline.</summary>
/// <param name="Timeline">Which.</param>
/// <param name="First">Its lowest whole segment.</param>
/// <param name="Last">Its highest whole segment.</param>
/// <param name="SegmentCount">Objects that are whole segments; one stored with two codecs counts twice.</param>
/// <param name="LastModified">When the newest of them was stored.</param>
public readonly record struct WalRange(
    TimelineId Timeline, WalFileName First, WalFileName Last, long SegmentCount, DateTimeOffset LastModified)
{
    /// <summary>Everything with the timeline's name: segments, partial ones, the history, sidecars, metadata.</summary>
    public long ObjectCount { get; init; }

    /// <summary>Bytes stored in those.</summary>
    public long SizeBytes { get; init; }
}

/// <summary>Segments that a recovery needs and the archive does not hold.</summary>
/// <param name="Count">How many.</param>
/// <param name="First">The first few of them, in order.</param>
public sealed record MissingSegments(long Count, IReadOnlyList<WalFileName> First);

/// <summary>The archived WAL, always as a stream: memory does not grow with how much there is.</summary>
public sealed class WalCatalog(Archive archive)
{
    private const int MaxHistoryBytes = 16 << 20;
    private const int NamesKept = 20;

    /// <summary>Segments of a range looked at in one go: a bit each.</summary>
    private const int WindowSegments = 1 << 20;

    /// <summary>Up to so many log ids are listed one by one, each by its own prefix; more by what they have in common.</summary>
    private const ulong NarrowLogIds = 16;

    private const int TimelineDigits = 8;

    /// <summary>Everything in the WAL folder, in no promised order.</summary>
    /// <param name="namePrefix">Only names that start with this, such as a timeline's eight digits; null for all.</param>
    /// <param name="cancellationToken">Stops the listing.</param>
    public IAsyncEnumerable<WalObject> ListAsync(string? namePrefix, CancellationToken cancellationToken) =>
        ListAsync(namePrefix, null, cancellationToken);

    /// <summary>
    /// A timeline's history; null when the archive does not hold it. Timeline 1 has no past and needs no file.
    /// </summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>.</exception>
    public async ValueTask<TimelineHistory?> ReadHistoryAsync(TimelineId timeline, CancellationToken cancellationToken)
    {
        if (timeline.Value == 1)
        {
            return TimelineHistory.WithoutPast(timeline);
        }

        // WAL-RUS stores history files under their bare names, which the archive's search tries too.
        var found = await archive.FindAsync(WalGLayout.Wal(timeline.HistoryFileName), cancellationToken).ConfigureAwait(false);
        if (found is null)
        {
            return null;
        }

        var content = new MemoryStream();
        var source = await archive.OpenReadAsync(found.Key, cancellationToken).ConfigureAwait(false);
        await using (source.ConfigureAwait(false))
        {
            var buffer = new byte[8192];
            int read;
            while ((read = await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
            {
                content.Write(buffer, 0, read);
                if (content.Length > MaxHistoryBytes)
                {
                    throw new WalRusException(ErrorCode.ObjectCorrupt, $"'{found.Key}' is too large to be a timeline history.");
                }
            }
        }

        return TimelineHistory.Parse(timeline, content.GetBuffer().AsSpan(0, (int)content.Length));
    }

    /// <summary>What there is of each timeline, lowest first. Timelines of which there is no segment are not in it.</summary>
    public async Task<IReadOnlyList<WalRange>> GetRangesAsync(CancellationToken cancellationToken)
    {
        var ranges = new SortedDictionary<TimelineId, WalRange>();
        await foreach (var item in ListAsync(null, cancellationToken).ConfigureAwait(false))
        {
            if (item.Timeline is { } timeline)
            {
                var range = ranges.GetValueOrDefault(timeline);
                range = item is { Kind: WalObjectKind.Segment, Segment: { } segment } ? WithSegment(range, segment, item) : range;
                ranges[timeline] = range with
                {
                    ObjectCount = range.ObjectCount + 1,
                    SizeBytes = range.SizeBytes + item.SizeBytes,
                };
            }
        }

        return [.. ranges.Values.Where(range => range.SegmentCount > 0)];
    }

    /// <summary>The highest timeline of which the archive holds a segment or the history; null when it holds no WAL.</summary>
    public async Task<TimelineId?> FindLatestTimelineAsync(CancellationToken cancellationToken)
    {
        TimelineId? latest = null;
        await foreach (var item in ListAsync(null, cancellationToken).ConfigureAwait(false))
        {
            if (item.Kind is WalObjectKind.Segment or WalObjectKind.PartialSegment or WalObjectKind.TimelineHistory
                && (latest is null || item.Timeline > latest))
            {
                latest = item.Timeline;
            }
        }

        return latest;
    }

    /// <summary>Which segments from one to another, both included and on one timeline, are not there whole.</summary>
    /// <exception cref="ArgumentException">The two are not of one timeline, not in order, or not of this segment size.</exception>
    public async Task<MissingSegments> FindMissingAsync(
        WalFileName first, WalFileName last, WalSegmentSize size, CancellationToken cancellationToken)
    {
        var names = new List<WalFileName>();
        long count = 0;
        await foreach (var name in ListMissingAsync(first, last, size, cancellationToken).ConfigureAwait(false))
        {
            count++;
            if (names.Count < NamesKept)
            {
                names.Add(name);
            }
        }

        return new MissingSegments(count, names);
    }

    /// <summary>The same as a stream, lowest first: for those who need every name.</summary>
    /// <exception cref="ArgumentException">The two are not of one timeline, not in order, or not of this segment size.</exception>
    public IAsyncEnumerable<WalFileName> ListMissingAsync(
        WalFileName first, WalFileName last, WalSegmentSize size, CancellationToken cancellationToken)
    {
        if (first.Timeline != last.Timeline || first > last)
        {
            throw new ArgumentException($"'{first}' to '{last}' is not a range of one timeline.", nameof(last));
        }

        if (!first.IsValidFor(size) || !last.IsValidFor(size))
        {
            throw new ArgumentException($"'{first}' and '{last}' do not both exist with segments of {size}.", nameof(size));
        }

        return ListMissingInWindowsAsync(first, last, size, cancellationToken);
    }

    /// <summary>The first page's header of an archived segment; null when the archive does not hold it.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>, or what decoding says.</exception>
    public async ValueTask<WalPageHeader?> ReadHeaderAsync(WalFileName segment, CancellationToken cancellationToken)
    {
        var found = await archive.FindAsync(WalGLayout.Wal(segment.ToString()), cancellationToken).ConfigureAwait(false);
        if (found is null)
        {
            return null;
        }

        var header = new byte[WalPageHeader.LongLength];
        var source = await archive.OpenReadAsync(found.Key, cancellationToken).ConfigureAwait(false);
        await using (source.ConfigureAwait(false))
        {
            var read = await source.ReadAtLeastAsync(header, header.Length, false, cancellationToken).ConfigureAwait(false);
            return WalPageHeader.TryParse(header.AsSpan(0, read), out var parsed) && parsed.IsLong
                ? parsed
                : throw new WalRusException(ErrorCode.ObjectCorrupt, $"'{found.Key}' does not start with a WAL page header.");
        }
    }

    private static WalRange WithSegment(in WalRange range, WalFileName segment, in WalObject item) => range.SegmentCount == 0
        ? range with { Timeline = segment.Timeline, First = segment, Last = segment, SegmentCount = 1, LastModified = item.LastModified }
        : range with
        {
            First = segment < range.First ? segment : range.First,
            Last = segment > range.Last ? segment : range.Last,
            SegmentCount = range.SegmentCount + 1,
            LastModified = item.LastModified > range.LastModified ? item.LastModified : range.LastModified,
        };

    /// <summary>Prefixes that together cover the names from one to another, and little more.</summary>
    private static IEnumerable<string> PrefixesOf(WalFileName first, WalFileName last)
    {
        var name = first.ToString();
        if ((ulong)last.LogId - first.LogId >= NarrowLogIds)
        {
            yield return name[..name.AsSpan().CommonPrefixLength(last.ToString())];
            yield break;
        }

        for (ulong logId = first.LogId; logId <= last.LogId; logId++)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"{name.AsSpan(0, TimelineDigits)}{logId:X8}");
        }
    }

    private async IAsyncEnumerable<WalObject> ListAsync(
        string? namePrefix, ObjectKey? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListRequest { Folder = WalGLayout.WalFolder, NamePrefix = namePrefix, StartAfter = after };
        await foreach (var entry in archive.Store.ListAsync(request, cancellationToken).ConfigureAwait(false))
        {
            if (!entry.IsFolder)
            {
                var name = WalObjectName.Parse(entry.Key.Name);
                yield return new WalObject(
                    entry.Key, name.Kind, name.FileName, name.Segment, name.Timeline, entry.SizeBytes, entry.LastModified);
            }
        }
    }

    private async IAsyncEnumerable<WalFileName> ListMissingInWindowsAsync(
        WalFileName first, WalFileName last, WalSegmentSize size, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var left = last.SegmentNumber(size) - first.SegmentNumber(size) + 1; left > 0;)
        {
            var count = (int)Math.Min(WindowSegments, left);
            var present = await FindPresentAsync(first, count, size, cancellationToken).ConfigureAwait(false);
            for (var index = 0; index < count; index++)
            {
                if (!present[index])
                {
                    yield return first.Next(size, (ulong)index);
                }
            }

            left -= (ulong)count;
            first = left > 0 ? first.Next(size, (ulong)count) : first;
        }
    }

    /// <summary>A bit for each of <paramref name="count"/> segments from <paramref name="first"/> on.</summary>
    private async Task<BitArray> FindPresentAsync(
        WalFileName first, int count, WalSegmentSize size, CancellationToken cancellationToken)
    {
        var present = new BitArray(count);
        var start = first.SegmentNumber(size);
        var last = first.Next(size, (ulong)count - 1);

        // No name wanted comes before the first one's, less its last digit.
        var after = WalGLayout.Wal(first.ToString()[..^1]);
        foreach (var prefix in PrefixesOf(first, last))
        {
            await foreach (var item in ListAsync(prefix, after, cancellationToken).ConfigureAwait(false))
            {
                if (item is { Kind: WalObjectKind.Segment, Segment: { } segment } && segment >= first && segment <= last
                    && segment.IsValidFor(size))
                {
                    present[(int)(segment.SegmentNumber(size) - start)] = true;
                }
            }
        }

        return present;
    }
}
