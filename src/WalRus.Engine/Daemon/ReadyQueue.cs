using WalRus.Wal;

namespace WalRus.Daemon;

/// <summary>
/// The names PostgreSQL will ask for next, a bounded number of them, read from archive_status again when they are used up
/// and there may be more. Not thread-safe but for <see cref="Read"/>, which touches nothing here.
/// </summary>
internal sealed class ReadyQueue(string walFolder, int size)
{
    private readonly Queue<string> names = new();
    private bool mayHaveMore;

    public string WalFolder => walFolder;

    public ReadyFolder Folder { get; } = new(walFolder);

    /// <summary>True when only the folder can tell what comes next.</summary>
    public bool NeedsReading => names.Count == 0 && mayHaveMore;

    /// <summary>
    /// PostgreSQL asked, or a file was archived: there may be new names, or room for those beyond the last ones read. Only
    /// then is the folder read again: a hundred thousand names that lead nowhere must not be read for ever.
    /// </summary>
    public void Touch() => mayHaveMore = true;

    /// <summary>Starts again with the first that is ready now: one that was taken was not archived.</summary>
    public void Restart()
    {
        names.Clear();
        mayHaveMore = true;
    }

    public bool TryTake(out string name) => names.TryDequeue(out name!);

    /// <summary>Called before <see cref="Read"/>, so that a <see cref="Touch"/> meanwhile is not lost.</summary>
    public void BeginReading() => mayHaveMore = false;

    /// <summary>The first names that are ready, in PostgreSQL's order.</summary>
    /// <exception cref="IOException">The folder cannot be read.</exception>
    public IReadOnlyList<string> Read() => Folder.Exists ? Folder.First(size, name => WalFile.TryParse(name, out _)) : [];

    public void EndReading(IReadOnlyList<string> read)
    {
        names.Clear();
        foreach (var name in read)
        {
            names.Enqueue(name);
        }
    }
}
