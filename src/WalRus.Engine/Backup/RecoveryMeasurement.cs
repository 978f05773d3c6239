using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>How far each timeline of an archive can be recovered, what is missing, and how long a recovery may take.</summary>
public sealed class RecoveryMeasurement
{
    /// <summary>How far back from the last segment a transaction is looked for.</summary>
    private const ulong SegmentsLookedAt = 64;

    private readonly Archive archive;
    private readonly BackupFetchOptions options;
    private readonly TimeProvider time;
    private readonly IEventLog log;

    public RecoveryMeasurement(Archive archive, BackupFetchOptions options, IEventLog log)
        : this(archive, options, TimeProvider.System, log)
    {
    }

    internal RecoveryMeasurement(Archive archive, BackupFetchOptions options, TimeProvider time, IEventLog log)
    {
        this.archive = archive;
        this.options = options;
        this.time = time;
        this.log = log;
    }

    /// <summary>One object a timeline of which there is WAL or a backup, lowest first.</summary>
    /// <exception cref="WalRusException">What the store or a key says; <see cref="ErrorCode.ObjectCorrupt"/> for a damaged history.</exception>
    public async Task<IReadOnlyList<TimelineRecovery>> RunAsync(
        RecoveryMeasureRequest request, CancellationToken cancellationToken)
    {
        var timelines = await ArchiveTimelines.ReadAsync(archive, cancellationToken).ConfigureAwait(false);
        return await RunAsync(timelines, request, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The same for timelines that are read already; in their order.</summary>
    internal async Task<IReadOnlyList<TimelineRecovery>> RunAsync(
        ArchiveTimelines timelines, RecoveryMeasureRequest request, CancellationToken cancellationToken)
    {
        var results = new List<TimelineRecovery>();
        foreach (var timeline in timelines.All)
        {
            results.Add(await MeasureAsync(
                timeline, ReferenceEquals(timeline, timelines.All[^1]), request, cancellationToken).ConfigureAwait(false));
        }

        return results;
    }

    private async Task<TimelineRecovery> MeasureAsync(
        ArchiveTimeline timeline, bool isNewest, RecoveryMeasureRequest request, CancellationToken cancellationToken)
    {
        var result = new TimelineRecovery
        {
            Timeline = timeline.Timeline,
            IsNewest = isNewest,
            BackupCount = timeline.Backups.Count,
            Gaps = GapsOf(timeline),
        };
        var oldest = timeline.Backups.FirstOrDefault(backup => timeline.BackupFor(backup.FinishLsn, out _) is not null);
        if (oldest is null)
        {
            return result;
        }

        result = result with { OldestTime = oldest.FinishTime ?? oldest.Modified, OldestLsn = oldest.FinishLsn };
        if (await FindEndAsync(timeline, cancellationToken).ConfigureAwait(false) is not { } found)
        {
            // A backup's own end is always within reach.
            var newest = timeline.Backups.Last(backup => timeline.BackupFor(backup.FinishLsn, out _) is not null);
            return WithAge(result with { NewestBackup = newest, NewestTime = newest.FinishTime ?? newest.Modified, NewestLsn = newest.FinishLsn });
        }

        var (end, backup) = found;
        var segment = timeline.Path.SegmentAt(end.Number);
        var stored = await archive.FindAsync(WalGLayout.Wal(segment.ToString()), cancellationToken).ConfigureAwait(false);
        result = WithAge(result with
        {
            NewestBackup = backup,
            NewestTime = Later(end.Time, backup.FinishTime),
            NewestLsn = end.Record,
            NewestSegment = segment,
            NewestSegmentTime = stored?.LastModified,
        });
        return await WithDurationAsync(result, timeline, end.Number, request, cancellationToken).ConfigureAwait(false);
    }

    private static DateTimeOffset? Later(DateTimeOffset? left, DateTimeOffset? right) =>
        left is null || right > left ? right : left;

    private TimelineRecovery WithAge(TimelineRecovery result) => result with
    {
        RecoveryPointAge = result.IsNewest ? time.GetUtcNow() - result.NewestTime : null,
    };

    /// <summary>What is missing between the first backup's start and the last archived segment.</summary>
    private static List<WalGap> GapsOf(ArchiveTimeline timeline)
    {
        var gaps = new List<WalGap>();
        if (timeline.Backups.Count == 0 || timeline.Along.Count == 0)
        {
            return gaps;
        }

        var next = timeline.Backups.Min(backup => timeline.Path.Size.SegmentNumber(backup.StartLsn));
        foreach (var run in timeline.Along.Where(run => run.Last >= next))
        {
            if (run.First > next)
            {
                gaps.Add(new WalGap(timeline.Path.SegmentAt(next), timeline.Path.SegmentAt(run.First - 1), run.First - next));
            }

            next = run.Last + 1;
        }

        return gaps;
    }

    /// <summary>The last record that a backup leads to; null when no WAL beyond the backups is within reach.</summary>
    private async Task<(ReachableEnd End, BackupDetail Backup)?> FindEndAsync(ArchiveTimeline timeline, CancellationToken cancellationToken)
    {
        for (var index = timeline.Along.Count - 1; index >= 0;)
        {
            var run = timeline.Along[index];
            var (end, stop) = await ReadEndAsync(timeline, run, cancellationToken).ConfigureAwait(false);
            if (stop is not null && (end is null || stop.SegmentNumber < run.Last))
            {
                // Broken in the middle: what is behind it comes first, then what is before.
                var count = timeline.Along.Count;
                timeline.Break(stop.SegmentNumber);
                index += timeline.Along.Count - count;
                continue;
            }

            if (end is not null && timeline.BackupFor(end.EndLsn, out _) is { } backup)
            {
                return (end, backup);
            }

            index--;
        }

        return null;
    }

    /// <summary>Reads the last segments of a run, more of them as long as they hold no transaction.</summary>
    private async Task<(ReachableEnd? End, WalScanStop? Stop)> ReadEndAsync(
        ArchiveTimeline timeline, WalRun run, CancellationToken cancellationToken)
    {
        for (ulong count = 1; ; count *= 4)
        {
            var first = run.Last - run.First < count ? run.First : run.Last - count + 1;
            var scan = new WalScan(archive, timeline.Path);
            DateTimeOffset? ended = null;
            await foreach (var step in scan.ReadAsync(first, run.Last, cancellationToken).ConfigureAwait(false))
            {
                ended = step.Fact is { } fact && (fact.IsTransactionEnd || fact.Kind == WalFactKind.RestorePoint) ? fact.Time : ended;
            }

            var stop = scan.Stop is { } reached && reached.SegmentNumber <= run.Last ? scan.Stop : null;
            if (ended is not null || first == run.First || count >= SegmentsLookedAt || stop?.SegmentNumber < run.Last)
            {
                var (start, end) = scan.LastRecord;
                return (start.IsValid ? new ReachableEnd(run.Last, start, end, ended) : null, stop);
            }
        }
    }

    private async Task<TimelineRecovery> WithDurationAsync(
        TimelineRecovery result, ArchiveTimeline timeline, ulong last, RecoveryMeasureRequest request, CancellationToken cancellationToken)
    {
        var (backup, path) = (result.NewestBackup!, timeline.Path);
        var segments = (long)(last - path.Size.SegmentNumber(backup.StartLsn) + 1);
        var rate = request.Sample
            ? await new RestoreRateSample(archive, options, request.SampleDuration, log)
                .MeasureAsync(backup, path, last, cancellationToken).ConfigureAwait(false)
            : RestoreRateSample.Recorded(backup);
        var bytes = timeline.ChainOf(backup).Sum(step => step.UncompressedSize);
        return result with
        {
            BackupBytes = bytes,
            WalSegmentCount = segments,
            Rate = rate,
            ExpectedDuration = rate is null ? null : TimeSpan.FromSeconds(
                bytes / rate.BackupBytesPerSecond + (double)segments * path.Size.Bytes / rate.WalBytesPerSecond),
        };
    }

    /// <param name="Number">The segment with the last record.</param>
    private sealed record ReachableEnd(ulong Number, Lsn Record, Lsn EndLsn, DateTimeOffset? Time);
}
