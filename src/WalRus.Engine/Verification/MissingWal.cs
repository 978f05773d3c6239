using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Postgres;

namespace WalRus.Verification;

/// <summary>
/// The segments that an archive should hold and does not: between those of a timeline, where one timeline takes over from
/// another, and from a backup's start to the WAL that is there. Below the first backup that is not permanent nothing is
/// expected: retention keeps of a permanent one's WAL only what makes it consistent.
/// </summary>
internal static class MissingWal
{
    /// <summary>Runs that are missing, by timeline, lowest first.</summary>
    /// <param name="timelines">A survey with backups.</param>
    public static IEnumerable<WalGap> Of(IReadOnlyList<ArchivedTimeline> timelines)
    {
        var floor = timelines.SelectMany(timeline => timeline.Backups, (timeline, backup) => (timeline.Size, Backup: backup))
            .Where(pair => !pair.Backup.IsPermanent && pair.Backup.StartLsn.IsValid)
            .Select(pair => pair.Size.SegmentNumber(pair.Backup.StartLsn)).DefaultIfEmpty().Min();
        foreach (var timeline in timelines)
        {
            var (lower, upper) = RangeOf(timeline, timelines);
            var next = Math.Max(lower, floor);
            foreach (var run in timeline.Runs)
            {
                if (run.First > next)
                {
                    yield return Gap(timeline, next, run.First - 1);
                }

                next = Math.Max(next, run.Last + 1);
            }

            if (next <= upper)
            {
                yield return Gap(timeline, next, upper);
            }
        }
    }

    private static WalGap Gap(ArchivedTimeline timeline, ulong first, ulong last) => new(
        WalFileName.FromSegment(timeline.Timeline, first, timeline.Size), WalFileName.FromSegment(timeline.Timeline, last, timeline.Size), last - first + 1);

    /// <summary>What is needed of a timeline as far as backups and other timelines tell; its own first and last segment otherwise.</summary>
    private static (ulong Lower, ulong Upper) RangeOf(ArchivedTimeline timeline, IReadOnlyList<ArchivedTimeline> all)
    {
        var size = timeline.Size;
        var lower = timeline.Runs.Count > 0 ? timeline.Runs[0].First : ulong.MaxValue;
        var upper = timeline.Runs.Count > 0 ? timeline.Runs[^1].Last : 0;
        foreach (var backup in timeline.Backups.Where(backup => backup.StartLsn.IsValid && backup.FinishLsn > backup.StartLsn))
        {
            lower = Math.Min(lower, size.SegmentNumber(backup.StartLsn));
            upper = Math.Max(upper, size.SegmentNumber(new Lsn(backup.FinishLsn.Value - 1)));
        }

        // The timeline begins where its parent was left, if anything comes from there.
        if (timeline.History is { Switches: { Count: > 0 } switches } && all.Any(other => other.Timeline == switches[^1].Timeline))
        {
            lower = Math.Min(lower, size.SegmentNumber(switches[^1].SwitchPoint));
        }

        foreach (var later in all.Where(other => other.Timeline > timeline.Timeline && other.History?.Contains(timeline.Timeline) == true))
        {
            var end = size.SegmentNumber(later.History!.EndOf(timeline.Timeline)!.Value);
            upper = end > 0 ? Math.Max(upper, end - 1) : upper;
        }

        return (lower, upper);
    }
}
