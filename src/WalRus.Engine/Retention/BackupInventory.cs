using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.WalG;

namespace WalRus.Retention;

/// <summary>
/// All backups of an archive with what depends on what: complete ones, and folders without a sentinel. A folder is
/// listed before the sentinels are, so that a backup that ends meanwhile counts as complete.
/// </summary>
public sealed class BackupInventory
{
    private readonly Dictionary<string, ArchivedBackup> byName;
    private readonly ILookup<string, ArchivedBackup> children;

    /// <param name="backups">In any order.</param>
    public BackupInventory(IEnumerable<ArchivedBackup> backups)
    {
        Backups = [.. backups.OrderBy(backup => backup.Name.StartSegment).ThenBy(backup => backup.StartTime).ThenBy(backup => backup.Name)];
        byName = Backups.ToDictionary(backup => backup.Name.ToString(), StringComparer.Ordinal);
        children = Backups
            .SelectMany(backup => ParentsOf(backup).Select(parent => (Parent: parent.Name.ToString(), Child: backup)))
            .ToLookup(pair => pair.Parent, pair => pair.Child, StringComparer.Ordinal);
    }

    /// <summary>wal-g's order: by timeline and segment of the start, then by time.</summary>
    public IReadOnlyList<ArchivedBackup> Backups { get; }

    /// <param name="archive">Where to look.</param>
    /// <param name="log">Hears of damaged documents.</param>
    /// <param name="youngAfter">A backup without sentinel that has an object newer than this counts as being written.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    public static async Task<BackupInventory> ReadAsync(
        Archive archive, IEventLog log, DateTimeOffset youngAfter, CancellationToken cancellationToken)
    {
        var (folders, sentinelBytes) = await ListAsync(archive, cancellationToken).ConfigureAwait(false);
        var found = new List<ArchivedBackup>();
        await foreach (var entry in new BackupCatalog(archive, log).ListAsync(cancellationToken).ConfigureAwait(false))
        {
            folders.Remove(entry.Name);
            var backup = entry.Detail is { } detail ? Complete(detail) : Unreadable(entry, log);
            found.Add(backup with { SentinelBytes = sentinelBytes.GetValueOrDefault(entry.Name) });
        }

        foreach (var name in folders)
        {
            if (await ReadFolderAsync(archive, name, youngAfter, cancellationToken).ConfigureAwait(false) is { } backup)
            {
                found.Add(backup);
            }
        }

        return new BackupInventory(found);
    }

    public ArchivedBackup? Find(string name) => byName.GetValueOrDefault(name);

    /// <summary>
    /// What a backup needs to be restored. Where its sentinel does not say, every backup that begins in the segment its
    /// name holds: too many rather than too few.
    /// </summary>
    public IEnumerable<ArchivedBackup> ParentsOf(ArchivedBackup backup) => backup switch
    {
        { State: ArchivedBackupState.Complete, DeltaFrom: null } => [],
        { State: ArchivedBackupState.Complete, DeltaFrom: { } name } => byName.TryGetValue(name, out var parent) ? [parent] : [],
        { Name.ParentSegment: { } segment } => Backups.Where(other => other.Name.StartSegment == segment),
        _ => [],
    };

    public IEnumerable<ArchivedBackup> ChildrenOf(ArchivedBackup backup) => children[backup.Name.ToString()];

    /// <summary>The given ones and all that is needed to restore them.</summary>
    public HashSet<ArchivedBackup> WithParents(IEnumerable<ArchivedBackup> backups) => Closure(backups, ParentsOf);

    /// <summary>The given ones and all that cannot be restored without them.</summary>
    public HashSet<ArchivedBackup> WithDeltas(IEnumerable<ArchivedBackup> backups) => Closure(backups, ChildrenOf);

    /// <summary>True when every backup of its chain is there and can be read.</summary>
    public bool IsRestorable(ArchivedBackup backup)
    {
        var seen = new HashSet<ArchivedBackup>();
        var step = backup;
        while (step is { State: ArchivedBackupState.Complete, DeltaFrom: { } parent } && seen.Add(step))
        {
            step = Find(parent);
        }

        return step is { State: ArchivedBackupState.Complete, DeltaFrom: null };
    }

    /// <summary>How many backups lie below each on its longest way to a full one: what is deepest is deleted first.</summary>
    public int DepthOf(ArchivedBackup backup)
    {
        var depth = 0;
        var seen = new HashSet<ArchivedBackup> { backup };
        for (var level = ParentsOf(backup).Where(seen.Add).ToList(); level.Count > 0;)
        {
            depth++;
            level = [.. level.SelectMany(ParentsOf).Where(seen.Add)];
        }

        return depth;
    }

    private static HashSet<ArchivedBackup> Closure(
        IEnumerable<ArchivedBackup> backups, Func<ArchivedBackup, IEnumerable<ArchivedBackup>> next)
    {
        var found = new HashSet<ArchivedBackup>();
        var open = new Stack<ArchivedBackup>(backups);
        while (open.TryPop(out var backup))
        {
            if (found.Add(backup))
            {
                foreach (var one in next(backup))
                {
                    open.Push(one);
                }
            }
        }

        return found;
    }

    private static async Task<(HashSet<BackupName> Folders, Dictionary<BackupName, long> SentinelBytes)> ListAsync(
        Archive archive, CancellationToken cancellationToken)
    {
        var folders = new HashSet<BackupName>();
        var sentinels = new Dictionary<BackupName, long>();
        var request = new ListRequest { Folder = WalGLayout.BackupFolder };
        await foreach (var entry in archive.Store.ListAsync(request, cancellationToken).ConfigureAwait(false))
        {
            if (entry.IsFolder && BackupName.TryParse(entry.Key.Name, out var folder))
            {
                folders.Add(folder);
            }
            else if (!entry.IsFolder && WalGLayout.SentinelOwner(entry.Key) is { } name)
            {
                sentinels[name] = entry.SizeBytes;
            }
        }

        return (folders, sentinels);
    }

    private static ArchivedBackup Complete(BackupDetail detail) => new()
    {
        Name = detail.Name,
        State = ArchivedBackupState.Complete,
        Modified = detail.Modified,
        StartTime = detail.StartTime,
        FinishTime = detail.FinishTime,
        StartLsn = detail.StartLsn,
        FinishLsn = detail.FinishLsn,
        IsPermanent = detail.IsPermanent,
        HasMetadata = detail.HasMetadata,
        DeltaFrom = detail.DeltaFrom,
        CompressedSize = detail.CompressedSize,
    };

    private static ArchivedBackup Unreadable(BackupCatalogEntry entry, IEventLog log)
    {
        log.BackupKeptUnread(entry.Name.ToString(), entry.Error!.Message);
        return new ArchivedBackup { Name = entry.Name, State = ArchivedBackupState.Unreadable, Modified = entry.Modified };
    }

    /// <returns>Null when the folder is empty or gone by now.</returns>
    private static async Task<ArchivedBackup?> ReadFolderAsync(
        Archive archive, BackupName name, DateTimeOffset youngAfter, CancellationToken cancellationToken)
    {
        DateTimeOffset? newest = null;
        var bytes = 0L;
        var request = new ListRequest { Folder = WalGLayout.BackupObjects(name), Recursive = true };
        await foreach (var entry in archive.Store.ListAsync(request, cancellationToken).ConfigureAwait(false))
        {
            newest = newest > entry.LastModified ? newest : entry.LastModified;
            bytes += entry.SizeBytes;
        }

        return newest is { } modified
            ? new ArchivedBackup
            {
                Name = name,
                State = modified > youngAfter ? ArchivedBackupState.Unfinished : ArchivedBackupState.Leftover,
                Modified = modified,
                CompressedSize = bytes,
            }
            : null;
    }
}
