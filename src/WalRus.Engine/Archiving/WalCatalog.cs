using System.Collections;
using System.Runtime.CompilerServices;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.WalG;

namespace WalRus.Archiving;

/// <summary>What an object below <c>wal_005/</c> is.</summary>
public enum WalObjectKind
{
    Segment,
    PartialSegment,
    TimelineHistory,
    BackupHistory,

    /// <summary>wal-g's list of changed blocks of 16 segments.</summary>
    DeltaSidecar,

    /// <summary>wal-g's JSON beside a segment, or of 16 of them.</summary>
    Metadata,

    /// <summary>Nothing that wal-g or WalRus writes.</summary>
    Foreign,
}

/// <summary>One object of the WAL folder.</summary>
/// <param name="FileName">The WAL file's name, without the codec's extension.</param>
/// <param name="Segment">The segment in the name; null for history files and foreign objects.</param>
/// <param name="Timeline">The timeline in the name; null for foreign objects.</param>
public readonly record struct WalObject(
    ObjectKey Key, WalObjectKind Kind, string FileName, WalFileName? Segment, TimelineId? Timeline, long SizeBytes, DateTimeOffset LastModified);

/// <summary>What the archive holds of one timeline.</summary>
public readonly record struct WalRange(TimelineId Timeline, WalFileName First, WalFileName Last, long SegmentCount);

/// <summary>Segments that a recovery needs and the archive does not hold.</summary>
/// <param name="Count">How many.</param>
/// <param name="First">The first few of them, in order.</param>
public sealed record MissingSegments(long Count, IReadOnlyList<WalFileName> First);

/// <summary>The archived WAL, always as a stream: memory does not grow with how much there is, but for one bit a segment of a range.</summary>
public sealed class WalCatalog(Archive archive)
{
    private const int MaxHistoryBytes = 16 << 20;
    private const int NamesKept = 20;

    /// <summary>Everything in the WAL folder, in no promised order.</summary>
    /// <param name="namePrefix">Only names that start with this, such as a timeline's eight digits; null for all.</param>
    /// <param name="cancellationToken">Stops the listing.</param>
    public async IAsyncEnumerable<WalObject> ListAsync(
        string? namePrefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListRequest { Folder = WalGLayout.WalFolder, NamePrefix = namePrefix };
        await foreach (var entry in archive.Store.ListAsync(request, cancellationToken).ConfigureAwait(false))
        {
            if (!entry.IsFolder)
            {
                yield return Classify(entry);
            }
        }
    }

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
            if (item is { Kind: WalObjectKind.Segment, Segment: { } segment })
            {
                ranges[segment.Timeline] = ranges.TryGetValue(segment.Timeline, out var range)
                    ? range with
                    {
                        First = segment < range.First ? segment : range.First,
                        Last = segment > range.Last ? segment : range.Last,
                        SegmentCount = range.SegmentCount + 1,
                    }
                    : new WalRange(segment.Timeline, segment, segment, 1);
            }
        }

        return [.. ranges.Values];
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

    /// <summary>Which segments from one to another, both included and on one timeline, are not there.</summary>
    /// <exception cref="ArgumentException">The two are not of one timeline, or not in order.</exception>
    public async Task<MissingSegments> FindMissingAsync(
        WalFileName first, WalFileName last, WalSegmentSize size, CancellationToken cancellationToken)
    {
        if (first.Timeline != last.Timeline || first > last)
        {
            throw new ArgumentException($"'{first}' to '{last}' is not a range of one timeline.", nameof(last));
        }

        var start = first.SegmentNumber(size);
        var present = new BitArray(checked((int)(last.SegmentNumber(size) - start + 1)));
        await foreach (var item in ListAsync(CommonPrefix(first, last), cancellationToken).ConfigureAwait(false))
        {
            if (item is { Kind: WalObjectKind.Segment, Segment: { } segment } && segment >= first && segment <= last
                && segment.IsValidFor(size))
            {
                present[(int)(segment.SegmentNumber(size) - start)] = true;
            }
        }

        var names = new List<WalFileName>();
        long count = 0;
        for (var i = 0; i < present.Length; i++)
        {
            if (!present[i])
            {
                count++;
                if (names.Count < NamesKept)
                {
                    names.Add(first.Next(size, (ulong)i));
                }
            }
        }

        return new MissingSegments(count, names);
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

    private WalObject Classify(ListEntry entry)
    {
        var name = WithoutCodec(entry.Key.Name);
        var stem = name.Length >= WalFileName.Length ? name[..WalFileName.Length] : "";
        if (WalFileName.TryParse(stem, out var segment))
        {
            var kind = name[stem.Length..] switch
            {
                "" => WalObjectKind.Segment,
                ".partial" => WalObjectKind.PartialSegment,
                "_delta" => WalObjectKind.DeltaSidecar,
                ".json" => WalObjectKind.Metadata,
                var suffix when suffix.EndsWith(".backup", StringComparison.Ordinal) => WalObjectKind.BackupHistory,
                _ => WalObjectKind.Foreign,
            };
            return new WalObject(entry.Key, kind, name, segment, segment.Timeline, entry.SizeBytes, entry.LastModified);
        }

        if (name.Length == 16 && name.EndsWith(".history", StringComparison.Ordinal)
            && uint.TryParse(name.AsSpan(0, 8), System.Globalization.NumberStyles.AllowHexSpecifier, null, out var timeline))
        {
            return new WalObject(
                entry.Key, WalObjectKind.TimelineHistory, name, null, new TimelineId(timeline), entry.SizeBytes, entry.LastModified);
        }

        var isBulk = name.Length == WalFileName.Length + 4 && name.EndsWith(".json", StringComparison.Ordinal);
        return new WalObject(
            entry.Key, isBulk ? WalObjectKind.Metadata : WalObjectKind.Foreign, name, null, null, entry.SizeBytes, entry.LastModified);
    }

    private string WithoutCodec(string name)
    {
        foreach (var codec in archive.ReadOrder)
        {
            if (codec.Extension.Length > 0 && name.Length > codec.Extension.Length + 1
                && name[^(codec.Extension.Length + 1)] == '.' && name.EndsWith(codec.Extension, StringComparison.Ordinal))
            {
                return name[..^(codec.Extension.Length + 1)];
            }
        }

        return name;
    }

    private static string CommonPrefix(WalFileName first, WalFileName last)
    {
        var (left, right) = (first.ToString(), last.ToString());
        var length = 0;
        while (length < left.Length && left[length] == right[length])
        {
            length++;
        }

        return left[..length];
    }
}
