using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Retention;

/// <summary>
/// The backups from which recovery to any moment since a time starts: all WAL behind them stays. On each timeline that
/// was still being written then, the newest backup on the way to it that ended before; where there is none so old, the
/// oldest, so that the window reaches as far back as it can.
/// </summary>
internal sealed class RecoveryStarts(Archive archive, BackupInventory inventory, TimelinePasts pasts)
{
    /// <param name="since">The beginning of the window; null when recovery must be possible from every backup that is kept.</param>
    /// <param name="choice">What the policy keeps.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    public async Task<IReadOnlyList<ArchivedBackup>> FindAsync(
        DateTimeOffset? since, PolicyChoice choice, CancellationToken cancellationToken)
    {
        var restorable = inventory.Backups.Where(inventory.IsRestorable).OrderBy(backup => backup.Time).ToList();
        if (restorable.Count == 0)
        {
            return [];
        }

        if (since is not { } time)
        {
            var kept = choice.Kept.ToList();
            return kept.Count > 0 ? kept : [restorable[^1]];
        }

        var starts = new HashSet<ArchivedBackup>();
        foreach (var timeline in await WrittenSinceAsync(time, restorable[^1].Timeline, cancellationToken).ConfigureAwait(false))
        {
            if (await StartOfAsync(timeline, time, restorable, cancellationToken).ConfigureAwait(false) is { } start)
            {
                starts.Add(start);
            }
        }

        return [.. starts];
    }

    private async Task<IReadOnlyCollection<TimelineId>> WrittenSinceAsync(
        DateTimeOffset time, TimelineId newest, CancellationToken cancellationToken)
    {
        var ranges = await new WalCatalog(archive).GetRangesAsync(cancellationToken).ConfigureAwait(false);
        return [.. ranges.Where(range => range.LastModified >= time).Select(range => range.Timeline).Append(newest).Distinct()];
    }

    private async Task<ArchivedBackup?> StartOfAsync(
        TimelineId timeline, DateTimeOffset time, IEnumerable<ArchivedBackup> oldestFirst, CancellationToken cancellationToken)
    {
        ArchivedBackup? start = null;
        foreach (var backup in oldestFirst)
        {
            if (await pasts.LeadsToAsync(backup.Timeline, backup.FinishLsn, timeline, cancellationToken).ConfigureAwait(false)
                && (start is null || backup.Time <= time))
            {
                start = backup;
            }
        }

        return start;
    }
}
