using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Delta;

/// <summary>
/// Knows what changed from the WAL itself: from what was recorded as it was archived, else by reading it. Reads no unchanged
/// file. Its memory is that of <see cref="ChangedBlockMap"/>, and a record's.
/// </summary>
public sealed class WalMapSource : IChangedBlockSource
{
    private readonly ChangedBlockMap map;

    private WalMapSource(string name, ChangedBlockMap map)
    {
        Name = name;
        this.map = map;
    }

    public string Name { get; }

    /// <summary>How long is waited for the last segment to be archived, where the server's own cannot be read.</summary>
    public static TimeSpan ArchiveTimeout { get; } = TimeSpan.FromSeconds(60);

    /// <summary>The source that reads WAL: sidecars, the server's pg_wal, the archive.</summary>
    public static ChangedBlockSourceOpener FromWal(Archive archive, IEventLog log, TimeSpan? archiveTimeout = null) =>
        (range, cancellationToken) => BuildAsync("WAL map", range, log, async map =>
        {
            var builder = new WalMapBuilder(archive, range, map, archiveTimeout ?? ArchiveTimeout, log);
            await builder.AddAsync(range.From, range.To, cancellationToken).ConfigureAwait(false);
            return builder.Read;
        });

    /// <summary>
    /// The source that reads the summaries a server of version 17 or later makes with <c>summarize_wal = on</c>; what they do not
    /// cover is read from the WAL, with a warning.
    /// </summary>
    public static ChangedBlockSourceOpener FromSummaries(
        Archive archive, IEventLog log, TimeSpan? archiveTimeout = null, TimeSpan? summaryTimeout = null) =>
        (range, cancellationToken) => BuildAsync("WAL summaries", range, log, map =>
        {
            var builder = new WalMapBuilder(archive, range, map, archiveTimeout ?? ArchiveTimeout, log);
            return new SummaryMapBuilder(range, map, builder, summaryTimeout ?? SummaryMapBuilder.Patience, log).AddAsync(cancellationToken);
        });

    public ValueTask<ChangedBlocks> FindAsync(RelationSegment segment, BlockSet candidates, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new ValueTask<ChangedBlocks>(map.FindIn(segment, candidates));
    }

    public ValueTask DisposeAsync()
    {
        map.Dispose();
        return ValueTask.CompletedTask;
    }

    private static async Task<IChangedBlockSource> BuildAsync(
        string name, ChangedBlockRange range, IEventLog log, Func<ChangedBlockMap, Task<string>> fill)
    {
        var map = new ChangedBlockMap();
        try
        {
            var read = await fill(map).ConfigureAwait(false);
            log.ChangedBlockMapBuilt(name, $"{range.From} to {range.To}", read, map.IsEverything ? int.MaxValue : 1 << map.Shift);
            return new WalMapSource(name, map);
        }
        catch
        {
            map.Dispose();
            throw;
        }
    }
}
