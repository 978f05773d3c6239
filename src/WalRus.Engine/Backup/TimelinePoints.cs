using System.Runtime.CompilerServices;
using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>The recovery points of one timeline, in the order of its WAL.</summary>
internal sealed class TimelinePoints(Archive archive, ArchiveTimeline timeline, RecoveryPointWindow window, IEventLog log)
{
    private DateTimeOffset? lastTime;
    private bool isPast;

    public async IAsyncEnumerable<RecoveryPoint> ReadAsync(
        IEnumerable<BackupDetail> allBackups, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var backups = new Queue<RecoveryPoint>(allBackups
            .Where(backup => backup.Timeline == timeline.Timeline && backup.FinishLsn.IsValid
                && window.TakesBackup(EndOf(backup), backup.FinishLsn, timeline.Path.Size))
            .OrderBy(backup => backup.FinishLsn)
            .Select(OfBackup));
        foreach (var run in window.ReadsWal ? timeline.Own : [])
        {
            await foreach (var point in ReadRunAsync(run, cancellationToken).ConfigureAwait(false))
            {
                while (backups.TryPeek(out var backup) && backup.Lsn <= point.Lsn)
                {
                    yield return backups.Dequeue();
                }

                yield return point;
            }

            if (isPast)
            {
                break;
            }
        }

        foreach (var backup in backups)
        {
            yield return backup;
        }
    }

    private static DateTimeOffset EndOf(BackupDetail backup) => backup.FinishTime ?? backup.Modified;

    private async IAsyncEnumerable<RecoveryPoint> ReadRunAsync(
        WalRun run, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (window.Clip(run.First, run.Last, timeline.Path.Size) is not { } range)
        {
            yield break;
        }

        var first = await BeginAsync(range.First, range.Last, cancellationToken).ConfigureAwait(false);
        while (first <= range.Last && !isPast)
        {
            var scan = new WalScan(archive, timeline.Path);
            log.RecoveryPointsSearched(timeline.Path.SegmentAt(first).ToString(), timeline.Path.SegmentAt(range.Last).ToString());
            await foreach (var step in scan.ReadAsync(first, range.Last, cancellationToken).ConfigureAwait(false))
            {
                if (Take(step) is { } point)
                {
                    yield return point;
                }

                if (isPast)
                {
                    yield break;
                }
            }

            if (scan.Stop is not { } stop || stop.SegmentNumber > range.Last)
            {
                yield break;
            }

            if (stop.SegmentNumber == range.Last)
            {
                log.RecoveryPointsEnd(stop.Reason);
                yield break;
            }

            // Whatever follows cannot be replayed from before it, only from a backup behind it.
            log.RecoveryPointsBroken(stop.Reason);
            timeline.Break(stop.SegmentNumber);
            first = stop.SegmentNumber + 1;
        }
    }

    private async Task<ulong> BeginAsync(ulong first, ulong last, CancellationToken cancellationToken)
    {
        if (!window.HasBeginning || first == last)
        {
            return first;
        }

        var reached = await new WalBisection(archive, timeline.Path)
            .FindFirstAsync(first, last, window.IsReached, window.ArchivedBefore, cancellationToken).ConfigureAwait(false);

        // The segment before may go on past the beginning of the window.
        return Math.Max(first, Math.Max(reached, 1) - 1);
    }

    private RecoveryPoint? Take(WalScanStep step)
    {
        if (step.SegmentEnd is { } end)
        {
            return end.LastRecord >= timeline.Path.Begin && window.TakesSegmentEnd(lastTime)
                ? Reach(new RecoveryPoint
                {
                    Kind = RecoveryPointKinds.SegmentEnd,
                    Timeline = timeline.Timeline,
                    Lsn = end.LastRecord,
                    EndLsn = end.End,
                    Time = lastTime,
                    Name = end.Segment.ToString(),
                })
                : null;
        }

        var fact = step.Fact!;
        lastTime = fact.Kind == WalFactKind.RestorePoint || fact.IsTransactionEnd ? fact.Time ?? lastTime : lastTime;
        isPast = window.IsPast(fact);

        // A timeline's first segment begins with a copy of the one it came from.
        return fact.Lsn >= timeline.Path.Begin && window.Takes(fact) ? Reach(OfRecord(fact)) : null;
    }

    private RecoveryPoint OfRecord(WalFact fact) => new()
    {
        Kind = fact.Kind == WalFactKind.RestorePoint ? RecoveryPointKinds.RestorePoint
            : fact.IsCommit ? RecoveryPointKinds.Commit : RecoveryPointKinds.Abort,
        Timeline = timeline.Timeline,
        Lsn = fact.Lsn,
        EndLsn = fact.EndLsn,
        Time = fact.Time,
        Name = fact.Name,
        Xid = fact.Xid,
    };

    private RecoveryPoint OfBackup(BackupDetail backup)
    {
        var point = new RecoveryPoint
        {
            Kind = RecoveryPointKinds.Backup,
            Timeline = backup.Timeline,
            Lsn = backup.FinishLsn,
            EndLsn = backup.FinishLsn,
            Time = EndOf(backup),
            Name = backup.Name.ToString(),
        };
        if (timeline.ChainProblem(backup) is { } problem)
        {
            return point with { Obstacle = problem };
        }

        return Reach(point) is { Obstacle: null } reached ? reached with { Backup = backup } : Reach(point);
    }

    private RecoveryPoint Reach(RecoveryPoint point) =>
        point with { Backup = timeline.BackupFor(point.EndLsn, out var obstacle), Obstacle = obstacle };
}
