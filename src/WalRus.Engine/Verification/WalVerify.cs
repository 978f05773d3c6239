using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Verification;

/// <summary>wal-g's wal-verify: is all WAL from a backup to the cluster's position archived, and on the right timeline?</summary>
/// <param name="archive">The archive.</param>
/// <param name="options">How to look at it.</param>
/// <param name="log">Hears what was decided.</param>
public sealed class WalVerify(Archive archive, WalVerifyOptions options, IEventLog log)
{
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.BackupNotFound"/> for a name; <see cref="ErrorCode.BackupIncomplete"/> when the named backup is of
    /// no timeline that leads to the cluster's; <see cref="ErrorCode.WalSegmentNotFound"/> when there is no position and no
    /// WAL to take it from; <see cref="ErrorCode.ObjectCorrupt"/> for a damaged history.
    /// </exception>
    public async Task<WalVerifyResult> RunAsync(WalVerifyRequest request, CancellationToken cancellationToken)
    {
        var wal = new WalCatalog(archive);
        var coverage = request.Integrity || request.Position is null
            ? await WalCoverage.ReadAsync(wal, options.AssumedSize, cancellationToken).ConfigureAwait(false) : null;
        var size = coverage?.Size ?? options.AssumedSize;
        var (timeline, segment) = request.Position is { Lsn.IsValid: true } position
            ? (position.Timeline, size.SegmentNumber(new Lsn(position.Lsn.Value - 1))) : BehindTheLast(coverage, size);
        log.WalVerifyPosition(WalFileName.FromSegment(timeline, segment, size).ToString());
        var integrity = request.Integrity
            ? await CheckIntegrityAsync(wal, coverage, (timeline, segment, size), request.BackupName, cancellationToken).ConfigureAwait(false)
            : null;
        var highest = request.Timeline ? await wal.FindLatestTimelineAsync(cancellationToken).ConfigureAwait(false) : null;
        return new WalVerifyResult(integrity, request.Timeline ? Compare(timeline, highest) : null);
    }

    /// <summary>Without a server: the segment behind the last one of the highest timeline is the one being written.</summary>
    private (TimelineId Timeline, ulong Segment) BehindTheLast(WalCoverage? coverage, WalSegmentSize size) => coverage?.Ranges[^1] is { } range
        ? (range.Timeline, range.Last.SegmentNumber(size) + 1)
        : throw new WalRusException(
            ErrorCode.WalSegmentNotFound,
            $"{archive.Store.Location} holds no WAL, so it does not say where its cluster is.",
            "Check the prefix, or give the position of the cluster.");

    private static TimelineResult Compare(TimelineId current, TimelineId? highest) => new(
        highest is null ? VerifyStatus.Warning : highest == current ? VerifyStatus.Ok : VerifyStatus.Failure, current, highest);

    private async Task<IntegrityResult> CheckIntegrityAsync(
        WalCatalog wal,
        WalCoverage? coverage,
        (TimelineId Timeline, ulong Segment, WalSegmentSize Size) current,
        string? backupName,
        CancellationToken cancellationToken)
    {
        var history = await wal.ReadHistoryAsync(current.Timeline, cancellationToken).ConfigureAwait(false)
            ?? TimelineHistory.WithoutPast(current.Timeline);
        var lower = await FindLowerEndAsync(history, current.Size, backupName, cancellationToken).ConfigureAwait(false);
        var stop = lower?.StartSegment.SegmentNumber(current.Size) ?? 1;
        var ranges = new IntegrityWalk(coverage, current.Size, history, stop)
            .Run(current.Segment, options.MaxDelayed, options.UploadConcurrency);
        return new IntegrityResult(Judge(ranges, hasBackup: lower is not null), ranges, lower?.Name.ToString());
    }

    private static VerifyStatus Judge(IReadOnlyList<SegmentRange> ranges, bool hasBackup)
    {
        // Without a backup nothing says that what comes before the first archived segment was ever needed.
        var lost = hasBackup ? ranges : ranges.SkipWhile(range => range.Status == SegmentStatus.MissingLost);
        return lost.Any(range => range.Status == SegmentStatus.MissingLost) ? VerifyStatus.Failure
            : ranges.Any(range => range.Status != SegmentStatus.Found) ? VerifyStatus.Warning : VerifyStatus.Ok;
    }

    private async Task<BackupDetail?> FindLowerEndAsync(
        TimelineHistory history, WalSegmentSize size, string? name, CancellationToken cancellationToken)
    {
        var catalog = new BackupCatalog(archive, log);
        if (name is not null)
        {
            var named = await catalog.FindAsync(name, cancellationToken).ConfigureAwait(false);
            return ObstacleOf(named, history, size) is { } obstacle
                ? throw new WalRusException(
                    ErrorCode.BackupIncomplete,
                    $"'{named.Name}' does not lead to timeline {history.Timeline}: {obstacle}.",
                    "Choose a backup of this timeline or its past (backup-list, Get-BackupList).")
                : named;
        }

        BackupDetail? earliest = null;
        await foreach (var entry in catalog.ListAsync(cancellationToken).ConfigureAwait(false))
        {
            if (entry.Detail is not { } backup)
            {
                log.BackupPassedOver(entry.Name.ToString(), entry.Error!.Message);
            }
            else if (!backup.IsPermanent && ObstacleOf(backup, history, size) is null
                && (earliest is null || backup.StartSegment.SegmentNumber(size) < earliest.StartSegment.SegmentNumber(size)))
            {
                earliest = backup;
            }
        }

        if (earliest is null)
        {
            log.WalVerifyWithoutBackup();
        }
        else
        {
            log.WalVerifyBackup(earliest.Name.ToString());
        }

        return earliest;
    }

    /// <summary>Why replay from a backup does not lead to the history's timeline; null when it does, or nothing tells.</summary>
    private static string? ObstacleOf(BackupDetail backup, TimelineHistory history, WalSegmentSize size)
    {
        if (history.Switches.Count == 0)
        {
            return null;
        }

        if (!history.Contains(backup.Timeline))
        {
            return $"timeline {backup.Timeline} is not in its past";
        }

        var start = backup.StartSegment.SegmentNumber(size);
        var begin = history.Switches.LastOrDefault(past => past.Timeline < backup.Timeline).SwitchPoint;
        return begin.IsValid && start < size.SegmentNumber(begin) ? $"it starts before timeline {backup.Timeline} does, at {begin}"
            : history.EndOf(backup.Timeline) is { } end && start >= size.SegmentNumber(end) ? $"timeline {backup.Timeline} was left at {end}"
            : null;
    }
}
