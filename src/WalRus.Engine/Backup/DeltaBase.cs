using WalRus.Delta;
using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>
/// What a delta is made against, shared by all lanes: the parent's files with their times, and who proposes changed
/// blocks. Thread-safe.
/// </summary>
internal sealed class DeltaBase : IAsyncDisposable
{
    private readonly ParentFiles files;
    private readonly DatabaseAges? databases;
    private long unchanged;
    private long incremented;
    private long changedBlocks;
    private long scannedBytes;

    /// <param name="files">The parent's; disposed with this.</param>
    /// <param name="source">Disposed with this.</param>
    /// <param name="databases">Null where the data directory is not at hand.</param>
    public DeltaBase(ParentFiles files, IChangedBlockSource source, DatabaseAges? databases)
    {
        this.files = files;
        this.databases = databases;
        Source = source;
    }

    public IChangedBlockSource Source { get; }

    /// <summary>The parent's start: pages changed since then are in the delta.</summary>
    public required Lsn Since { get; init; }

    public required IncrementFormat Format { get; init; }

    /// <summary>Blocks of a whole relation segment.</summary>
    public required int FileBlocks { get; init; }

    public long UnchangedFileCount => Interlocked.Read(ref unchanged);

    public long IncrementedFileCount => Interlocked.Read(ref incremented);

    public long ChangedBlockCount => Interlocked.Read(ref changedBlocks);

    public long ScannedBytes => Interlocked.Read(ref scannedBytes);

    /// <summary>
    /// How a file compares with the parent's of that name: null when the parent lists none, else whether its time is the
    /// recorded one. A time of whole seconds proves nothing: other tools round, and a file may change within the second.
    /// </summary>
    public bool? IsUnchanged(in WalkedFile file) => !files.TryFind(file.Name, out var seconds, out var nanoseconds)
        ? null
        : seconds == file.Facts.ModifiedUnixSeconds && nanoseconds == file.Facts.ModifiedNanoseconds && nanoseconds != 0;

    /// <summary>The time the parent recorded for a file, in whole seconds; false when the parent does not list it.</summary>
    public bool TryFindInParent(string name, out long seconds) => files.TryFind(name, out seconds, out _);

    /// <summary>True when the parent's files of this database cannot be the ones that are there now.</summary>
    public bool IsReplaced(uint database) => databases?.IsReplaced(database) ?? false;

    public void CountUnchanged() => Interlocked.Increment(ref unchanged);

    public void CountIncrement(int blocks)
    {
        Interlocked.Increment(ref incremented);
        Interlocked.Add(ref changedBlocks, blocks);
    }

    public void CountScan(long bytes) => Interlocked.Add(ref scannedBytes, bytes);

    public async ValueTask DisposeAsync()
    {
        files.Dispose();
        await Source.DisposeAsync().ConfigureAwait(false);
    }
}
