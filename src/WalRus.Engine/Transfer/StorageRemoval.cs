using WalRus.Storage;
using WalRus.WalG;

namespace WalRus.Transfer;

/// <summary>
/// Deletes objects by key or folder: planned first, then done; sentinels before what they stand for, deltas' before their
/// parents', so that an interruption leaves no backup listed that is not whole.
/// </summary>
/// <param name="store">Where.</param>
/// <param name="log">Hears what was removed.</param>
public sealed class StorageRemoval(IObjectStore store, IEventLog log)
{
    private const int BatchSize = 1000;

    /// <summary>What a path stands for: the object of that key, else (always with a '/' at its end) the folder.</summary>
    /// <param name="path">A key or a folder.</param>
    /// <param name="force">Take parts of listed backups too.</param>
    /// <param name="cancellationToken">Stops the listing.</param>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.ObjectNotFound"/>, <see cref="ErrorCode.BackupNeeded"/>, <see cref="ErrorCode.InvalidArgument"/>.
    /// </exception>
    public async Task<StorageRemovalPlan> PlanAsync(string path, bool force, CancellationToken cancellationToken)
    {
        var key = StorageItems.KeyOf(path);
        if (!force)
        {
            await new BackupGuard(store).RequireFreeAsync(key.ToString(), cancellationToken).ConfigureAwait(false);
        }

        if (!path.EndsWith('/') && await store.HeadAsync(key, cancellationToken).ConfigureAwait(false) is { } one)
        {
            return new StorageRemovalPlan(key.ToString(), false, 1, one.SizeBytes);
        }

        var (count, bytes) = (0L, 0L);
        await foreach (var entry in BelowAsync(key.ToString(), cancellationToken).ConfigureAwait(false))
        {
            count++;
            bytes += entry.SizeBytes;
        }

        return count > 0 ? new StorageRemovalPlan(key.ToString(), true, count, bytes) : throw new WalRusException(
            ErrorCode.ObjectNotFound, $"object or folder \"{path}\" does not exist", "st ls (Get-WalStorageItem) shows what there is.");
    }

    /// <summary>Does what the plan says, with what lies there now.</summary>
    /// <returns>How many objects were deleted.</returns>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectNotDeletable"/> when some stayed; the others are gone.</exception>
    public async Task<long> RunAsync(StorageRemovalPlan plan, CancellationToken cancellationToken)
    {
        var work = new Work(store);
        if (!plan.IsFolder)
        {
            await work.DeleteAsync([ObjectKey.Parse(plan.Path)], cancellationToken).ConfigureAwait(false);
        }
        else
        {
            if (plan.Path is WalGLayout.BackupFolder or WalGLayout.CatchupFolder)
            {
                await UnlistAsync(plan.Path, work, cancellationToken).ConfigureAwait(false);
            }

            await DeleteBelowAsync(plan.Path, work, cancellationToken).ConfigureAwait(false);
        }

        log.StorageItemsRemoved(work.Deleted, plan.Path);
        return work.FailedCount == 0 ? work.Deleted : throw new WalRusException(
            ErrorCode.ObjectNotDeletable,
            FormattableString.Invariant($"{work.FailedCount} objects could not be deleted, the first of them '{work.First.Key}': {work.First.Reason}"),
            "Object lock, a policy or missing rights (s3:DeleteObject) may keep them.");
    }

    private async Task UnlistAsync(string folder, Work work, CancellationToken cancellationToken)
    {
        var sentinels = new List<(ObjectKey Key, bool IsDelta, DateTimeOffset Modified)>();
        await foreach (var entry in store.ListAsync(new ListRequest { Folder = folder }, cancellationToken).ConfigureAwait(false))
        {
            if (!entry.IsFolder && WalGLayout.SentinelOwner(entry.Key) is { } owner)
            {
                sentinels.Add((entry.Key, owner.IsDelta, entry.LastModified));
            }
        }

        foreach (var (key, _, _) in sentinels.Where(one => one.IsDelta).OrderByDescending(one => one.Modified).ThenByDescending(one => one.Key))
        {
            await work.DeleteAsync([key], cancellationToken).ConfigureAwait(false);
        }

        await work.DeleteAsync([.. sentinels.Where(one => !one.IsDelta).Select(one => one.Key)], cancellationToken).ConfigureAwait(false);
        if (work.FailedCount > 0)
        {
            throw new WalRusException(
                ErrorCode.ObjectNotDeletable,
                $"'{work.First.Key}' cannot be deleted: {work.First.Reason}",
                "Nothing of what the backups consist of was deleted.");
        }
    }

    private async Task DeleteBelowAsync(string folder, Work work, CancellationToken cancellationToken)
    {
        var batch = new List<ObjectKey>(BatchSize);
        await foreach (var entry in BelowAsync(folder, cancellationToken).ConfigureAwait(false))
        {
            batch.Add(entry.Key);
            if (batch.Count == BatchSize)
            {
                await work.DeleteAsync(batch, cancellationToken).ConfigureAwait(false);
                batch.Clear();
            }
        }

        await work.DeleteAsync(batch, cancellationToken).ConfigureAwait(false);
    }

    private IAsyncEnumerable<ListEntry> BelowAsync(string folder, CancellationToken cancellationToken) =>
        store.ListAsync(new ListRequest { Folder = folder, Recursive = true }, cancellationToken);

    private sealed class Work(IObjectStore store)
    {
        public long Deleted { get; private set; }

        public long FailedCount { get; private set; }

        public (ObjectKey Key, string Reason) First { get; private set; }

        public async Task DeleteAsync(IReadOnlyCollection<ObjectKey> keys, CancellationToken cancellationToken)
        {
            if (keys.Count == 0)
            {
                return;
            }

            var result = await store.DeleteAsync(keys, cancellationToken).ConfigureAwait(false);
            Deleted += result.DeletedCount;
            if (result.Failed.Count > 0)
            {
                First = FailedCount == 0 ? result.Failed[0] : First;
                FailedCount += result.Failed.Count;
            }
        }
    }
}
