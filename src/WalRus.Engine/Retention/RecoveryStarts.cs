using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Retention;

/// <summary>
/// The backups from which recovery to any moment since a time starts: all WAL behind them stays. On each timeline that
/// was still being written then, the newest backup on the way to it that ended before; where there is none so old, the
/// oldest, so that the window reaches as far back as it can; and the first one behind each gap in the WAL.
/// </summary>
internal sealed class RecoveryStarts(Archive archive, BackupInventory inventory, TimelinePasts pasts)
{
    /// <summary>Oldest first.</summary>
    private readonly List<ArchivedBackup> restorable =
        [.. inventory.Backups.Where(inventory.IsRestorable).OrderBy(backup => backup.Time).ThenBy(backup => backup.Name)];

    /// <param name="since">The beginning of the window; null when recovery must be possible from every backup that is kept.</param>
    /// <param name="choice">What the policy keeps.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    public async Task<IReadOnlyCollection<ArchivedBackup>> FindAsync(
        DateTimeOffset? since, PolicyChoice choice, CancellationToken cancellationToken)
    {
        if (restorable.Count == 0)
        {
            return [];
        }

        if (since is not { } time)
        {
            var kept = choice.Kept.ToList();
            return kept.Count > 0 ? kept : [restorable[^1]];
        }

        var size = SegmentSizeOfBackups.Find(inventory.Backups);
        var coverage = await WalCoverage.ReadAsync(new WalCatalog(archive), size, cancellationToken).ConfigureAwait(false);
        var starts = new HashSet<ArchivedBackup>();
        var timelines = (coverage?.Ranges ?? []).Where(range => range.LastModified >= time).Select(range => range.Timeline)
            .Append(restorable[^1].Timeline).Distinct();
        foreach (var timeline in timelines)
        {
            var past = await pasts.FindAsync(timeline, cancellationToken).ConfigureAwait(false);
            starts.UnionWith(past is null || coverage is null
                ? WithoutPast(timeline, time)
                : Along(new WalPath(past, coverage.Size), coverage, time));
        }

        return starts;
    }

    /// <summary>What leads to the timeline is not known: then all that could.</summary>
    private IEnumerable<ArchivedBackup> WithoutPast(TimelineId timeline, DateTimeOffset time)
    {
        var possible = restorable.Where(backup => backup.Timeline <= timeline).ToList();
        return possible.Skip(Math.Max(0, possible.FindLastIndex(backup => backup.Time <= time)));
    }

    /// <summary>From the newest stretch of WAL back to the first that reaches behind the beginning of the window.</summary>
    private IEnumerable<ArchivedBackup> Along(WalPath path, WalCoverage coverage, DateTimeOffset time)
    {
        var leading = restorable.Where(backup => LeadsTo(path.History, backup)).ToList();
        foreach (var run in coverage.Along(path).Reverse())
        {
            var within = leading.Where(backup => IsWithin(run, backup, path.Size)).ToList();
            if (within.FindLast(backup => backup.Time <= time) is { } reaching)
            {
                yield return reaching;
                yield break;
            }

            if (within.Count > 0)
            {
                yield return within[0];
            }
        }
    }

    private static bool LeadsTo(TimelineHistory history, ArchivedBackup backup) =>
        history.Contains(backup.Timeline) && (history.EndOf(backup.Timeline) is not { } end || backup.FinishLsn <= end);

    /// <summary>Recovery from it gets at least to consistency.</summary>
    private static bool IsWithin(WalRun run, ArchivedBackup backup, WalSegmentSize size) =>
        backup.StartLsn.IsValid && backup.FinishLsn.IsValid
        && run.Contains(size.SegmentNumber(backup.StartLsn)) && run.Contains(size.SegmentNumber(new Lsn(backup.FinishLsn.Value - 1)));
}
