namespace WalRus.Delta;

/// <summary>What a delta backup learns changed blocks from.</summary>
public enum BlockSourceKind
{
    /// <summary>The pages themselves: all of a changed file's are read.</summary>
    Pages,

    /// <summary>The WAL since the parent: <see cref="WalMapSource.FromWal"/>.</summary>
    Wal,

    /// <summary>The server's own summaries of it: <see cref="WalMapSource.FromSummaries"/>.</summary>
    Summaries,
}
