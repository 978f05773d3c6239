using System.Globalization;
using WalRus.Postgres;

namespace WalRus.Delta;

/// <summary>Fills a map from the server's WAL summaries, and from the WAL what they leave out.</summary>
internal sealed class SummaryMapBuilder(
    ChangedBlockRange range, ChangedBlockMap map, WalMapBuilder wal, TimeSpan patience, IEventLog log)
{
    private const int FirstVersion = 170000;

    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(100);

    private int summaryCount;

    /// <summary>How long is waited for the server to summarize the last WAL, from the last summary that came.</summary>
    public static TimeSpan Patience { get; } = TimeSpan.FromSeconds(10);

    /// <returns>What was read, for people.</returns>
    public async Task<string> AddAsync(CancellationToken cancellationToken)
    {
        if (range.DataDirectory is null)
        {
            throw WalMapBuilder.Unknown("WAL summaries are read from the data directory, and this backup has none at hand");
        }

        if (range.PgVersion < FirstVersion)
        {
            throw WalMapBuilder.Unknown("servers before version 17 make no WAL summaries");
        }

        var folder = Path.Combine(range.DataDirectory, "pg_wal", "summaries");
        await WaitAsync(folder, cancellationToken).ConfigureAwait(false);
        foreach (var (timeline, from, to) in Pieces())
        {
            await AddPieceAsync(folder, timeline, from, to, cancellationToken).ConfigureAwait(false);
        }

        return string.Create(CultureInfo.InvariantCulture, $"{summaryCount} WAL summaries, {wal.Read}");
    }

    /// <summary>The timelines' own parts of the range.</summary>
    private IEnumerable<(TimelineId Timeline, Lsn From, Lsn To)> Pieces()
    {
        var from = range.From;
        foreach (var past in range.Timelines.Switches.Where(past => past.SwitchPoint > range.From && past.SwitchPoint < range.To))
        {
            yield return (past.Timeline, from, past.SwitchPoint);
            from = past.SwitchPoint;
        }

        if (from < range.To)
        {
            yield return (range.Timelines.TimelineAt(from), from, range.To);
        }
    }

    private static List<WalSummaryName> Find(string folder, TimelineId timeline, Lsn from, Lsn to)
    {
        try
        {
            return
            [
                .. Directory.EnumerateFiles(folder).Select(path => Path.GetFileName(path))
                    .Select(name => WalSummaryName.TryParse(name, out var parsed) ? parsed : default)
                    .Where(found => found.Timeline == timeline && found.End > from && found.Start < to)
                    .OrderBy(found => found.Start).ThenBy(found => found.End),
            ];
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw WalMapBuilder.Unknown($"the server's WAL summaries cannot be read: {failure.Message}", failure);
        }
    }

    /// <summary>The server summarizes up to a backup's start soon after the checkpoint that begins it.</summary>
    private async Task WaitAsync(string folder, CancellationToken cancellationToken)
    {
        var (timeline, from, to) = Pieces().LastOrDefault();
        var reached = default(Lsn);
        for (var waited = TimeSpan.Zero; waited < patience; waited += PollInterval)
        {
            var newest = Find(folder, timeline, from, to).Select(found => found.End).DefaultIfEmpty().Max();
            if (newest >= to)
            {
                return;
            }

            waited = newest > reached ? TimeSpan.Zero : waited;
            reached = newest;
            await Task.Delay(PollInterval, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task AddPieceAsync(string folder, TimelineId timeline, Lsn from, Lsn to, CancellationToken cancellationToken)
    {
        var found = Find(folder, timeline, from, to);
        if (found.Count == 0 && summaryCount == 0)
        {
            throw WalMapBuilder.Unknown(
                $"the server has no WAL summaries from {from} on (summarize_wal is off, or they are older than wal_summary_keep_time)");
        }

        var why = "there is none";
        foreach (var name in found)
        {
            if (name.End <= from)
            {
                continue;
            }

            if (name.Start > from)
            {
                await AddGapAsync(from, name.Start, why, cancellationToken).ConfigureAwait(false);
                (from, why) = (name.Start, "there is none");
            }

            cancellationToken.ThrowIfCancellationRequested();
            if (TryRead(Path.Combine(folder, name.ToString()), ref why))
            {
                summaryCount++;
                from = name.End;
            }
        }

        await AddGapAsync(from, to, why, cancellationToken).ConfigureAwait(false);
    }

    private async Task AddGapAsync(Lsn from, Lsn to, string why, CancellationToken cancellationToken)
    {
        if (from < to)
        {
            log.WalSummaryMissing(from.ToString(), to.ToString(), why);
            await wal.AddAsync(from, to, cancellationToken).ConfigureAwait(false);
        }
    }

    private bool TryRead(string path, ref string why)
    {
        try
        {
            using var file = new FileStream(path, new FileStreamOptions { Share = FileShare.ReadWrite | FileShare.Delete, BufferSize = 64 << 10 });
            WalSummary.Read(file, TakeLimit, TakeBlock);
            return true;
        }
        catch (Exception failure) when (failure is WalRusException or IOException or UnauthorizedAccessException)
        {
            why = $"'{path}': {failure.Message}";
            return false;
        }
    }

    private void TakeLimit(WalBlockReference limit)
    {
        if (limit.Fork == 0)
        {
            map.AddFrom(limit.Relation, limit.Block);
        }
    }

    private void TakeBlock(WalBlockReference block)
    {
        if (block.Fork == 0)
        {
            map.Add(block.Relation, block.Block);
        }
    }
}
