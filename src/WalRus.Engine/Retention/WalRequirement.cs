using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Retention;

/// <summary>Whether an object of the WAL folder stays.</summary>
public readonly record struct WalVerdict(bool Keeps, RetentionRule Rule, string Why);

/// <summary>
/// Which WAL must stay: ranges of segments on timelines, each with its reason. What belongs to segments (sidecars,
/// metadata, backup histories) stays while any of its segments does; timeline histories and foreign objects always do.
/// </summary>
public sealed class WalRequirement
{
    /// <summary>A sidecar, or a group's metadata, is of so many segments.</summary>
    private const ulong GroupSegments = 16;

    private static readonly WalVerdict Dropped = new(false, RetentionRule.Obsolete, "no backup that stays needs it");

    private readonly TimelinePasts pasts;
    private readonly WalSegmentSize size;
    private readonly List<Need> needs = [];
    private readonly Dictionary<TimelineId, Range[]> ranges = [];
    private ulong? keepFrom;

    internal WalRequirement(TimelinePasts pasts, WalSegmentSize size)
    {
        this.pasts = pasts;
        this.size = size;
    }

    /// <summary>wal-g's rule: all WAL of timelines above this one stays. Null for no such rule.</summary>
    internal TimelineId? KeepAbove { get; set; }

    /// <summary>Everything from a segment on, on its timeline and on all that branch off behind it.</summary>
    internal void AddFrom(WalFileName first, RetentionRule rule, string why) =>
        Add(new Need(first.Timeline, first.SegmentNumber(size), ulong.MaxValue, rule, why));

    /// <summary>On one timeline only: wal-g's rule for what lies at or behind a backup.</summary>
    internal void AddFromOnTimeline(WalFileName first, RetentionRule rule, string why) =>
        Add(new Need(first.Timeline, first.SegmentNumber(size), ulong.MaxValue, rule, why) { OnThisTimelineOnly = true });

    /// <summary>With --use-sentinel-time: segments from this one's number on stay, on every timeline.</summary>
    internal void KeepFrom(WalFileName first) => keepFrom = first.SegmentNumber(size);

    /// <summary>
    /// What a backup needs to become consistent, as wal-g reserves it: from the segment before its first byte to that of
    /// its last. A standby may follow a promotion while it is backed up, so the timelines that branch off in between count too.
    /// </summary>
    internal void AddBackup(ArchivedBackup backup)
    {
        var first = backup.Name.StartSegment.SegmentNumber(size);
        if (backup.StartLsn.IsValid)
        {
            first = Math.Min(first, size.SegmentNumber(new Lsn(backup.StartLsn.Value - 1)));
        }

        var last = backup.FinishLsn.IsValid ? size.SegmentNumber(new Lsn(backup.FinishLsn.Value - 1)) : ulong.MaxValue;
        var (rule, why) = backup.State switch
        {
            ArchivedBackupState.Unfinished => (RetentionRule.BeingWritten, $"{backup.Name} is being written"),
            ArchivedBackupState.Unreadable => (RetentionRule.Unreadable, $"{backup.Name} cannot be read and could need it"),
            _ => (RetentionRule.NeededByBackup, $"{backup.Name} needs it"),
        };
        Add(new Need(backup.Timeline, first, Math.Max(first, last), rule, why));
    }

    /// <summary>The segments that a backup reserves, for the log.</summary>
    internal IEnumerable<WalFileName> ReservedBy(ArchivedBackup backup)
    {
        if (backup.StartLsn.IsValid && backup.FinishLsn.IsValid)
        {
            var last = size.SegmentNumber(new Lsn(backup.FinishLsn.Value - 1));
            for (var number = size.SegmentNumber(new Lsn(backup.StartLsn.Value - 1)); number <= last; number++)
            {
                yield return WalFileName.FromSegment(backup.Timeline, number, size);
            }
        }
    }

    /// <summary>Whether an object stays, and why. Reads a timeline's history where it must.</summary>
    public async ValueTask<WalVerdict> JudgeAsync(WalObjectName name, CancellationToken cancellationToken)
    {
        if (name.Kind == WalObjectKind.Foreign)
        {
            return new(true, RetentionRule.Foreign, "it is not of PostgreSQL's WAL");
        }

        if (name.Segment is not { } segment)
        {
            return new(true, RetentionRule.TimelineHistory, "histories tell where timelines come from and which are taken");
        }

        if (!segment.IsValidFor(size))
        {
            return new(true, RetentionRule.Foreign, $"no segment of {size} has this name");
        }

        var first = segment.SegmentNumber(size);
        var last = name.CoversGroup ? first + GroupSegments - 1 : first;
        if (keepFrom <= last)
        {
            return new(true, RetentionRule.NotSelected, "it is not older than the backup everything before which goes");
        }

        if (!ranges.TryGetValue(segment.Timeline, out var kept))
        {
            kept = await RangesOfAsync(segment.Timeline, cancellationToken).ConfigureAwait(false);
            ranges.Add(segment.Timeline, kept);
        }

        var index = LastAtOrBefore(kept, last);
        return index >= 0 && kept[index].Last >= first
            ? new(true, kept[index].Rule, kept[index].Why)
            : Dropped;
    }

    private static int LastAtOrBefore(Range[] kept, ulong number)
    {
        int low = 0, high = kept.Length - 1;
        while (low <= high)
        {
            var middle = (low + high) / 2;
            if (kept[middle].First <= number)
            {
                low = middle + 1;
            }
            else
            {
                high = middle - 1;
            }
        }

        return high;
    }

    /// <summary>Sorted, and apart from each other: where ranges overlap they become one, with the reason of the longer.</summary>
    private static Range[] Merge(IEnumerable<Range> all)
    {
        var merged = new List<Range>();
        foreach (var range in all.OrderBy(range => range.First).ThenByDescending(range => range.Last))
        {
            if (merged.Count == 0 || range.First > merged[^1].Last)
            {
                merged.Add(range);
            }
            else if (range.Last > merged[^1].Last)
            {
                merged[^1] = range with { First = merged[^1].First };
            }
        }

        return [.. merged];
    }

    private void Add(Need need)
    {
        needs.Add(need);
        ranges.Clear();
    }

    private async ValueTask<Range[]> RangesOfAsync(TimelineId timeline, CancellationToken cancellationToken)
    {
        if (KeepAbove is { } below && timeline > below)
        {
            return [new(0, ulong.MaxValue, RetentionRule.NotSelected, $"its timeline is above {below}")];
        }

        var kept = new List<Range>();
        foreach (var need in needs)
        {
            if (need.Timeline == timeline)
            {
                kept.Add(new(need.First, need.Last, need.Rule, need.Why));
            }
            else if (need.Timeline < timeline && !need.OnThisTimelineOnly
                && await BranchesOffBehindAsync(timeline, need, cancellationToken).ConfigureAwait(false))
            {
                // What the timeline has below its own beginning is not there: no need to cut.
                kept.Add(new(need.First, need.Last, need.Rule, need.Why));
            }
        }

        return Merge(kept);
    }

    /// <summary>A timeline whose past is not known could come from anywhere below.</summary>
    private async ValueTask<bool> BranchesOffBehindAsync(TimelineId timeline, Need need, CancellationToken cancellationToken)
    {
        var past = await pasts.FindAsync(timeline, cancellationToken).ConfigureAwait(false);
        return past is null
            || (past.Contains(need.Timeline) && past.EndOf(need.Timeline) is { } end && end > size.StartOf(need.First));
    }

    /// <summary>Segments that must stay, by number, both ends included.</summary>
    private sealed record Need(TimelineId Timeline, ulong First, ulong Last, RetentionRule Rule, string Why)
    {
        public bool OnThisTimelineOnly { get; init; }
    }

    private readonly record struct Range(ulong First, ulong Last, RetentionRule Rule, string Why);
}
