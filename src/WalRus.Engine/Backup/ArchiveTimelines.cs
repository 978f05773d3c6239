using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>One timeline of the archive: its WAL, and the backups from which replay gets there.</summary>
internal sealed class ArchiveTimeline
{
    private readonly List<WalRun> along;
    private readonly BackupChains chains;

    public ArchiveTimeline(
        TimelineHistory history, bool hasHistory, WalCoverage? coverage, IEnumerable<BackupDetail> backups, BackupChains chains)
    {
        this.chains = chains;
        HasHistory = hasHistory;
        Path = new WalPath(history, coverage?.Size ?? WalSegmentSize.Default);
        along = [.. coverage?.Along(Path) ?? []];
        Own = [.. (coverage?.Of(history.Timeline) ?? []).Select(run => run with { First = Math.Max(run.First, FirstSegment) })
            .Where(run => run.First <= run.Last)];
        Backups = [.. backups.Where(LeadsHere).OrderBy(backup => backup.FinishLsn)];
    }

    public TimelineId Timeline => Path.History.Timeline;

    public WalPath Path { get; }

    /// <summary>False where the archive lacks the file that says where the timeline comes from: PostgreSQL refuses it as a target.</summary>
    public bool HasHistory { get; }

    /// <summary>Runs of the timeline's own segments, from where it begins.</summary>
    public IReadOnlyList<WalRun> Own { get; }

    /// <summary>Runs of segments on the way through all timelines to the end of this one.</summary>
    public IReadOnlyList<WalRun> Along => along;

    /// <summary>Backups that replay to this timeline can start from, by their end: deltas only with their whole chain.</summary>
    public IReadOnlyList<BackupDetail> Backups { get; }

    private ulong FirstSegment => Path.Size.SegmentNumber(Path.Begin);

    /// <summary>The newest backup from which replay gets to a position without a gap.</summary>
    /// <param name="end">The first byte behind what must be replayed.</param>
    /// <param name="obstacle">Why there is none, for people; null when there is one.</param>
    public BackupDetail? BackupFor(Lsn end, out string? obstacle)
    {
        obstacle = HasHistory ? null : $"{Timeline.HistoryFileName} is not archived";
        var before = Backups.LastOrDefault(backup => backup.FinishLsn <= end);
        if (before is null)
        {
            obstacle ??= "no backup ends before it";
            return null;
        }

        // The newest backup has the least to replay: where it meets a gap, so do all before it.
        var (first, last) = (Path.Size.SegmentNumber(before.StartLsn), Path.Size.SegmentNumber(new Lsn(end.Value - 1)));
        if (!along.Exists(run => run.Contains(first) && run.Contains(last)))
        {
            var missing = along.Where(run => run.Contains(first)).Select(run => run.Last + 1).FirstOrDefault(first);
            obstacle ??= $"{Path.SegmentAt(missing)} is missing or broken";
        }

        return obstacle is null ? before : null;
    }

    /// <summary>Takes note that replay ends in a segment although the archive has it.</summary>
    public void Break(ulong number)
    {
        var index = along.FindIndex(run => run.Contains(number));
        if (index < 0)
        {
            return;
        }

        var run = along[index];
        along.RemoveAt(index);
        along.InsertRange(index, new[] { new WalRun(run.First, number - 1), new WalRun(number + 1, run.Last) }
            .Where(part => part.First <= part.Last && part.Last != ulong.MaxValue));
    }

    /// <summary>Why a delta cannot be restored, or null.</summary>
    public string? ChainProblem(BackupDetail backup) => chains.Of(backup, out var problem) is null ? problem : null;

    /// <summary>What a restore of the backup reads: the backups of its chain, the full one first.</summary>
    public IReadOnlyList<BackupDetail> ChainOf(BackupDetail backup) => chains.Of(backup, out _) ?? [backup];

    private bool LeadsHere(BackupDetail backup) =>
        ChainProblem(backup) is null && Path.History.Contains(backup.Timeline)
        && (Path.History.EndOf(backup.Timeline) is not { } end || backup.FinishLsn <= end);
}

/// <summary>Every timeline of which the archive holds WAL or a backup.</summary>
internal sealed class ArchiveTimelines
{
    private ArchiveTimelines(
        IReadOnlyList<ArchiveTimeline> all,
        IReadOnlyList<BackupDetail> backups,
        IReadOnlyList<BackupCatalogEntry> unreadable,
        IReadOnlyList<WalRange> ranges)
    {
        All = all;
        Backups = backups;
        Unreadable = unreadable;
        Ranges = ranges;
    }

    /// <summary>Lowest first.</summary>
    public IReadOnlyList<ArchiveTimeline> All { get; }

    /// <summary>Every backup that can be read, in no order.</summary>
    public IReadOnlyList<BackupDetail> Backups { get; }

    /// <summary>Every backup that cannot be read, with the reason.</summary>
    public IReadOnlyList<BackupCatalogEntry> Unreadable { get; }

    public IReadOnlyList<WalRange> Ranges { get; }

    public static async Task<ArchiveTimelines> ReadAsync(Archive archive, CancellationToken cancellationToken)
    {
        var wal = new WalCatalog(archive);
        var backups = new List<BackupDetail>();
        var unreadable = new List<BackupCatalogEntry>();
        await foreach (var entry in new BackupCatalog(archive).ListAsync(cancellationToken).ConfigureAwait(false))
        {
            if (entry.Detail is { } backup)
            {
                backups.Add(backup);
            }
            else
            {
                unreadable.Add(entry);
            }
        }

        var coverage = await WalCoverage.ReadAsync(wal, cancellationToken).ConfigureAwait(false);
        var ranges = coverage?.Ranges ?? [];
        var all = new List<ArchiveTimeline>();
        var chains = new BackupChains(backups);
        foreach (var timeline in ranges.Select(range => range.Timeline).Concat(backups.Select(backup => backup.Timeline))
            .Distinct().Order())
        {
            var history = await wal.ReadHistoryAsync(timeline, cancellationToken).ConfigureAwait(false);
            all.Add(new ArchiveTimeline(
                history ?? TimelineHistory.WithoutPast(timeline), history is not null, coverage, backups, chains));
        }

        return new ArchiveTimelines(all, backups, unreadable, ranges);
    }
}
