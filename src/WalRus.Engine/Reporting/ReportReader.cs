using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Drill;
using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Reporting;

/// <summary>Gathers what the page shows. WAL is kept as runs without a gap, so memory grows with gaps and backups only.</summary>
internal sealed class ReportReader(Archive archive, BackupFetchOptions options, TimeProvider time, IEventLog log)
{
    /// <summary>Runs of a timeline whose ends are dated by their objects; others are interpolated.</summary>
    private const int DatedRuns = 20;

    public async Task<ReportData> ReadAsync(BackupReportRequest request, CancellationToken cancellationToken)
    {
        var timelines = await ArchiveTimelines.ReadAsync(archive, cancellationToken).ConfigureAwait(false);
        var measured = await new RecoveryMeasurement(archive, options, time, log)
            .RunAsync(timelines, new RecoveryMeasureRequest { Sample = request.Sample }, cancellationToken).ConfigureAwait(false);
        var drawn = new List<ReportTimeline>();
        foreach (var (timeline, recovery) in timelines.All.Zip(measured))
        {
            var own = timelines.Backups.Where(backup => backup.Timeline == timeline.Timeline).OrderBy(backup => backup.FinishLsn).ToList();
            drawn.Add(await DrawAsync(timeline, recovery, own, cancellationToken).ConfigureAwait(false));
        }

        return new ReportData
        {
            Request = request,
            Now = time.GetUtcNow(),
            Backups = [.. timelines.Backups.OrderBy(backup => backup.Modified)],
            Unreadable = timelines.Unreadable,
            Timelines = drawn,
            Drills = DrillsOf(timelines.Backups, request.Drills),
        };
    }

    private static List<DrillHistoryEntry> DrillsOf(IReadOnlyList<BackupDetail> backups, IReadOnlyList<DrillHistoryEntry> drills)
    {
        var clusters = backups.Select(backup => backup.SystemIdentifier).OfType<ulong>().ToHashSet();
        var names = backups.Select(backup => backup.Name.ToString()).ToHashSet();
        return
        [
            .. drills.Where(drill => drill.SystemIdentifier is { } id ? clusters.Contains(id) : names.Contains(drill.BackupName))
                .OrderBy(drill => drill.StartTime),
        ];
    }

    private async Task<ReportTimeline> DrawAsync(
        ArchiveTimeline timeline, TimelineRecovery recovery, List<BackupDetail> backups, CancellationToken cancellationToken)
    {
        var clock = new WalClock();
        foreach (var backup in backups)
        {
            clock.Add(backup.StartLsn, backup.StartTime ?? backup.Modified);
            clock.Add(backup.FinishLsn, backup.FinishTime ?? backup.Modified);
        }

        var size = timeline.Path.Size;
        if (recovery is { NewestLsn: { } newest, NewestTime: { } at } && recovery.NewestSegment?.Timeline == timeline.Timeline)
        {
            clock.Add(newest, at);
        }

        await DateAsync(timeline, clock, cancellationToken).ConfigureAwait(false);
        var segments = timeline.Own.Aggregate(0UL, (sum, run) => sum + (run.Last - run.First + 1));
        if (clock.IsEmpty)
        {
            return new ReportTimeline(recovery, segments, [], [], backups);
        }

        TimeRange Range(ulong first, ulong last) => new(clock.At(size.StartOf(first)), clock.At(size.StartOf(last + 1)));
        return new ReportTimeline(
            recovery,
            segments,
            [.. timeline.Own.Select(run => Range(run.First, run.Last))],
            [
                .. recovery.Gaps.Where(gap => gap.First.Timeline == timeline.Timeline)
                    .Select(gap => Range(gap.First.SegmentNumber(size), gap.Last.SegmentNumber(size))),
            ],
            backups);
    }

    /// <summary>When the ends of the runs were stored: about when they were written.</summary>
    private async Task DateAsync(ArchiveTimeline timeline, WalClock clock, CancellationToken cancellationToken)
    {
        var size = timeline.Path.Size;
        var dated = timeline.Own.Take(DatedRuns).Concat(timeline.Own.TakeLast(1)).SelectMany(run => new[] { run.First, run.Last }).Distinct();
        foreach (var number in dated)
        {
            var name = WalFileName.FromSegment(timeline.Timeline, number, size);
            if (await archive.FindAsync(WalGLayout.Wal(name.ToString()), cancellationToken)
                .ConfigureAwait(false) is { } found)
            {
                clock.Add(size.StartOf(number + 1), found.LastModified);
            }
        }
    }
}
