using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>Finds which segments a recovery will ask for, timeline by timeline, and whether the archive has them.</summary>
internal sealed class RecoveryWalCheck(Archive archive, WalCatalog wal)
{
    private const int NamesShown = 3;

    /// <summary>The segment size that the archived WAL states in its page headers.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.RecoveryWalMissing"/>: no WAL of the backup's timeline is archived.</exception>
    public async Task<WalSegmentSize> FindSegmentSizeAsync(BackupDetail backup, CancellationToken cancellationToken)
    {
        var header = await wal.ReadHeaderAsync(backup.StartSegment, cancellationToken).ConfigureAwait(false);
        if (header is null)
        {
            var timeline = backup.StartSegment.ToString()[..8];
            await foreach (var item in wal.ListAsync(timeline, cancellationToken).ConfigureAwait(false))
            {
                if (item is { Kind: WalObjectKind.Segment, Segment: { } segment })
                {
                    header = await wal.ReadHeaderAsync(segment, cancellationToken).ConfigureAwait(false);
                    break;
                }
            }
        }

        return header is { } found && WalSegmentSize.IsValid(found.SegmentSizeBytes)
            ? WalSegmentSize.FromBytes(found.SegmentSizeBytes)
            : throw Missing([backup.StartSegment], 1, backup);
    }

    /// <param name="path">To the timeline that recovery ends on; the backup's is in its past.</param>
    /// <param name="position">The last byte that replay needs to reach the target; null where that is not known.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.RecoveryWalMissing"/>,
    /// <see cref="ErrorCode.RecoveryTargetUnreachable"/>.</exception>
    public async Task<RecoveryPlan> PlanAsync(
        BackupDetail backup, WalPath path, RecoveryTarget target, Lsn? position, CancellationToken cancellationToken)
    {
        var size = path.Size;
        var first = size.SegmentNumber(backup.StartLsn);
        var consistent = Math.Max(first, size.SegmentNumber(new Lsn(Math.Max(backup.FinishLsn.Value, 1) - 1)));
        var end = await FindEndAsync(backup, path, cancellationToken).ConfigureAwait(false);
        var wanted = target switch
        {
            { Immediate: true } => consistent,
            _ when position is { } lsn => Math.Max(consistent, size.SegmentNumber(lsn)),
            _ => Math.Max(consistent, end ?? consistent),
        };
        if (target.Lsn is not null && end is { } last && wanted > last && wanted > consistent)
        {
            throw new WalRusException(
                ErrorCode.RecoveryTargetUnreachable,
                $"The archived WAL ends with {path.SegmentAt(last)}; {target.Lsn} lies beyond it.",
                "Archive the rest of the server's pg_wal folder, or choose an earlier target.");
        }

        var warnings = new List<string>();
        await CheckAsync(backup, path, target, (first, consistent, wanted), position is not null, warnings, cancellationToken).ConfigureAwait(false);
        return new RecoveryPlan
        {
            Backup = backup,
            Target = target,
            Timelines = TimelinesOf(backup, path.History),
            FirstSegment = path.SegmentAt(first),
            LastSegment = path.SegmentAt(wanted),
            SegmentCount = checked((long)(wanted - first + 1)),
            SegmentSize = size,
            Warnings = warnings,
        };
    }

    private static List<TimelineId> TimelinesOf(BackupDetail backup, TimelineHistory history) =>
    [
        .. history.Switches.Select(past => past.Timeline).Where(timeline => timeline >= backup.Timeline), history.Timeline,
    ];

    /// <summary>
    /// The highest archived segment on the way. Null when there is none at all: then the backup's own segments, which
    /// are checked next, are missing too.
    /// </summary>
    public async Task<ulong?> FindEndAsync(BackupDetail backup, WalPath path, CancellationToken cancellationToken)
    {
        var size = path.Size;
        foreach (var timeline in TimelinesOf(backup, path.History).AsEnumerable().Reverse())
        {
            ulong? highest = null;
            var prefix = WalFileName.FromSegment(timeline, 0, size).ToString()[..8];
            await foreach (var item in wal.ListAsync(prefix, cancellationToken).ConfigureAwait(false))
            {
                if (item is { Kind: WalObjectKind.Segment, Segment: { } segment } && segment.IsValidFor(size)
                    && path.SegmentAt(segment.SegmentNumber(path.Size)) == segment)
                {
                    highest = Math.Max(highest ?? 0, segment.SegmentNumber(size));
                }
            }

            if (highest is not null)
            {
                return highest;
            }
        }

        return null;
    }

    private async Task CheckAsync(
        BackupDetail backup,
        WalPath path,
        RecoveryTarget target,
        (ulong First, ulong Consistent, ulong Last) range,
        bool isExact,
        List<string> warnings,
        CancellationToken cancellationToken)
    {
        var missing = new List<WalFileName>();
        long count = 0;
        foreach (var (from, to) in path.Pieces(range.First, range.Last))
        {
            var found = await wal.FindMissingAsync(from, to, path.Size, cancellationToken).ConfigureAwait(false);
            count += found.Count;
            missing.AddRange(found.First.Take(NamesShown - missing.Count));
        }

        if (count == 0)
        {
            return;
        }

        var gap = missing[0].SegmentNumber(path.Size);
        if (gap <= range.Consistent || isExact || IsToTheEnd(target)
            || (target.Time is { } time
                && await IsArchivedBeforeAsync(path.SegmentAt(gap - 1), time, cancellationToken).ConfigureAwait(false)))
        {
            throw Missing(missing, count, backup);
        }

        warnings.Add(
            $"The archive lacks {Describe(missing, count)}: a target behind {path.SegmentAt(gap - 1)} will not be reached.");
    }

    private static bool IsToTheEnd(RecoveryTarget target) =>
        target is { Time: null, Lsn: null, Name: null, Xid: null, Immediate: false };

    /// <summary>
    /// A segment archived before the target time holds only what happened before it: the target lies behind. (Archived
    /// later says nothing: archiving may have been slow, or the archive was copied.)
    /// </summary>
    private async ValueTask<bool> IsArchivedBeforeAsync(
        WalFileName segment, DateTimeOffset time, CancellationToken cancellationToken)
    {
        var found = await archive.FindAsync(WalGLayout.Wal(segment.ToString()), cancellationToken).ConfigureAwait(false);
        return found is not null && found.LastModified < time;
    }

    private static WalRusException Missing(IReadOnlyList<WalFileName> names, long count, BackupDetail backup) => new(
        ErrorCode.RecoveryWalMissing,
        $"The archive lacks WAL that recovery from '{backup.Name}' needs: {Describe(names, count)}.",
        "Look for the files in the pg_wal folder of the old server or of a standby and archive them, or choose an earlier target or another backup.");

    private static string Describe(IReadOnlyList<WalFileName> names, long count) =>
        string.Join(", ", names) + (count > names.Count ? $" and {count - names.Count} more" : "");
}
