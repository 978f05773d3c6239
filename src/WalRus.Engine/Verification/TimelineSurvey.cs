using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Verification;

/// <summary>
/// What the archive holds of each timeline: wal-g's wal-show. Only names are looked at, so no key is needed; memory grows
/// with backups and gaps, not with segments.
/// </summary>
/// <param name="archive">The archive.</param>
/// <param name="assumedSize">The segment size where no segment can be read that tells it.</param>
/// <param name="log">Hears of damaged metadata.</param>
public sealed class TimelineSurvey(Archive archive, WalSegmentSize assumedSize, IEventLog log)
{
    /// <summary>Each timeline of which there is a segment or a backup, lowest first.</summary>
    /// <param name="withBackups">Read the backups too.</param>
    /// <param name="unreadable">Told of each backup that cannot be read; null to pass over them.</param>
    /// <param name="cancellationToken">Stops the listing.</param>
    /// <exception cref="WalRusException">What the store says.</exception>
    public async Task<IReadOnlyList<ArchivedTimeline>> RunAsync(
        bool withBackups, Action<BackupCatalogEntry>? unreadable, CancellationToken cancellationToken)
    {
        var wal = new WalCatalog(archive);
        var backups = withBackups
            ? await new BackupCatalog(archive, log).ListOrderedAsync(unreadable, cancellationToken).ConfigureAwait(false) : [];
        var coverage = await WalCoverage.ReadAsync(wal, assumedSize, cancellationToken).ConfigureAwait(false);
        var timelines = new List<ArchivedTimeline>();
        foreach (var timeline in (coverage?.Ranges ?? []).Select(range => range.Timeline)
            .Concat(backups.Select(backup => backup.Timeline)).Distinct().Order())
        {
            var (history, problem) = await ReadHistoryAsync(wal, timeline, cancellationToken).ConfigureAwait(false);
            var range = coverage?.Ranges.FirstOrDefault(candidate => candidate.Timeline == timeline) ?? default;
            timelines.Add(new ArchivedTimeline
            {
                Timeline = timeline,
                History = history,
                HistoryProblem = problem,
                Size = coverage?.Size ?? assumedSize,
                Runs = coverage?.Of(timeline) ?? [],
                ObjectCount = range.ObjectCount,
                SizeBytes = range.SizeBytes,
                LastModified = range.SegmentCount > 0 ? range.LastModified : null,
                Backups = [.. backups.Where(backup => backup.Timeline == timeline).Reverse()],
            });
        }

        return timelines;
    }

    /// <summary>One damaged history must not hide the other timelines.</summary>
    private static async Task<(TimelineHistory? History, WalRusException? Problem)> ReadHistoryAsync(
        WalCatalog wal, TimelineId timeline, CancellationToken cancellationToken)
    {
        try
        {
            return (await wal.ReadHistoryAsync(timeline, cancellationToken).ConfigureAwait(false), null);
        }
        catch (WalRusException damaged) when (damaged.Code is ErrorCode.ObjectCorrupt or ErrorCode.DecryptionFailed)
        {
            return (null, damaged);
        }
    }
}
