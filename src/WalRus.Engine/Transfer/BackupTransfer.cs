using WalRus.Archiving;
using WalRus.Compression;
using WalRus.Storage;
using WalRus.WalG;

namespace WalRus.Transfer;

/// <summary>Moves whole backups, family by family: a full backup with the deltas that stand on it.</summary>
internal sealed class BackupTransfer(
    IObjectStore source, IObjectStore target, StoreTransferRequest request, StoreTransferRun run, IEventLog log)
{
    // Sentinels are plain documents: neither codec nor key is needed for them.
    private readonly BackupCatalog catalog = new(new Archive(source, new NoneCodec(), [], null), log);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await FinishEarlierAsync(cancellationToken).ConfigureAwait(false);
        var all = await catalog.ListOrderedAsync(
            unreadable => log.TransferSkipped(unreadable.Name.ToString(), unreadable.Error!.Message), cancellationToken).ConfigureAwait(false);
        foreach (var family in FamiliesOf(all))
        {
            var members = Wanted(family);
            if (members.Count == 0 || run.Backups + members.Count > request.MaxBackups)
            {
                continue;
            }

            if (await CountAsync(members, cancellationToken).ConfigureAwait(false) > run.Left)
            {
                break;
            }

            if (await CopyAsync(members, cancellationToken).ConfigureAwait(false) && !request.Preserve)
            {
                await ForgetAsync(members, family, cancellationToken).ConfigureAwait(false);
            }
        }

        if (request.Backup is not null && run.Backups == 0 && run.FirstFailure is null
            && await target.HeadAsync(SentinelOf(request.Backup), cancellationToken).ConfigureAwait(false) is null)
        {
            throw new WalRusException(
                ErrorCode.BackupNotFound,
                $"Backup '{request.Backup}' was not moved: it is not in {source.Location}, or over the limits.");
        }
    }

    private static ObjectKey SentinelOf(string name) => BackupName.TryParse(name, out var parsed)
        ? WalGLayout.Sentinel(parsed)
        : throw new WalRusException(ErrorCode.BackupNotFound, $"'{name}' is no backup's name.");

    /// <summary>Backups that depend on each other, parents first; each family begins with what has no parent here.</summary>
    private static IEnumerable<List<BackupDetail>> FamiliesOf(IReadOnlyList<BackupDetail> all)
    {
        var byName = all.ToDictionary(backup => backup.Name.ToString());
        string RootOf(BackupDetail backup)
        {
            for (var steps = 0; backup.DeltaFrom is { } parent && byName.TryGetValue(parent, out var found) && steps <= all.Count; steps++)
            {
                backup = found;
            }

            return backup.Name.ToString();
        }

        return all.GroupBy(RootOf).Select(family => family.OrderBy(backup => backup.DeltaCount).ThenBy(backup => backup.Modified).ToList());
    }

    /// <summary>All of a family, or the chain of the one backup that is asked for.</summary>
    private List<BackupDetail> Wanted(List<BackupDetail> family)
    {
        if (request.Backup is null)
        {
            return family;
        }

        var chain = new List<BackupDetail>();
        for (var name = request.Backup; family.Find(backup => backup.Name.ToString() == name) is { } step && !chain.Contains(step);)
        {
            chain.Insert(0, step);
            name = step.DeltaFrom ?? "";
        }

        return chain;
    }

    private async Task<long> CountAsync(List<BackupDetail> members, CancellationToken cancellationToken)
    {
        var count = (long)members.Count;
        foreach (var member in members)
        {
            await foreach (var _ in ObjectsAsync(source, member.Name, cancellationToken).ConfigureAwait(false))
            {
                count++;
            }
        }

        return count;
    }

    /// <returns>True when the target lists all of them now.</returns>
    private async Task<bool> CopyAsync(List<BackupDetail> members, CancellationToken cancellationToken)
    {
        foreach (var member in members)
        {
            var sentinel = WalGLayout.Sentinel(member.Name);
            if (request.Overwrite && !await UnlistChangedAsync(sentinel, cancellationToken).ConfigureAwait(false))
            {
                return false;
            }

            var arrived = await run.CopyAllAsync(ObjectsAsync(source, member.Name, cancellationToken), cancellationToken).ConfigureAwait(false);
            if (arrived)
            {
                arrived = false;
                await run.GuardAsync(sentinel, async () => arrived = await run.CopyAsync(sentinel, cancellationToken).ConfigureAwait(false))
                    .ConfigureAwait(false);
            }

            if (!arrived)
            {
                return false;
            }

            run.Backups++;
        }

        return true;
    }

    /// <summary>Another backup of this name must not be listed while it is being replaced.</summary>
    /// <returns>False when the target goes on listing it.</returns>
    private async Task<bool> UnlistChangedAsync(ObjectKey sentinel, CancellationToken cancellationToken)
    {
        var isUnlisted = false;
        await run.GuardAsync(sentinel, async () =>
        {
            var there = await target.HeadAsync(sentinel, cancellationToken).ConfigureAwait(false);
            if (there is not null && !await run.IsSameAsync(there, cancellationToken).ConfigureAwait(false))
            {
                var result = await target.DeleteAsync([sentinel], cancellationToken).ConfigureAwait(false);
                foreach (var (key, reason) in result.Failed)
                {
                    throw StoreTransferRun.NotDeletable(key, "the target", reason);
                }
            }

            isUnlisted = true;
        }).ConfigureAwait(false);
        return isUnlisted;
    }

    /// <summary>
    /// Deltas before their parents; a parent that a backup outside of <paramref name="members"/> stands on stays, and all
    /// of a backup whose sentinel the source keeps.
    /// </summary>
    private async Task ForgetAsync(List<BackupDetail> members, List<BackupDetail> family, CancellationToken cancellationToken)
    {
        var left = new List<BackupDetail>(family);
        foreach (var member in members.AsEnumerable().Reverse())
        {
            if (left.Exists(other => other.DeltaFrom == member.Name.ToString()))
            {
                log.TransferSkipped(member.Name.ToString(), "it was copied and stays at the source, where other backups stand on it");
                continue;
            }

            if (await run.DeleteAsync([WalGLayout.Sentinel(member.Name)], cancellationToken).ConfigureAwait(false))
            {
                left.Remove(member);
                await DeleteObjectsAsync(member.Name, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task DeleteObjectsAsync(BackupName name, CancellationToken cancellationToken)
    {
        var batch = new List<ObjectKey>();
        await foreach (var entry in ObjectsAsync(source, name, cancellationToken).ConfigureAwait(false))
        {
            batch.Add(entry.Key);
            if (batch.Count == 1000)
            {
                await run.DeleteAsync(batch, cancellationToken).ConfigureAwait(false);
                batch.Clear();
            }
        }

        await run.DeleteAsync(batch, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// What a killed run had still to delete: objects of a backup that the source lists no more and the target does, each
    /// proven there.
    /// </summary>
    private async Task FinishEarlierAsync(CancellationToken cancellationToken)
    {
        if (request.Preserve)
        {
            return;
        }

        await foreach (var entry in source
            .ListAsync(new ListRequest { Folder = WalGLayout.BackupFolder }, cancellationToken).ConfigureAwait(false))
        {
            if (entry.IsFolder && BackupName.TryParse(entry.Key.Name, out var name)
                && (request.Backup is null || request.Backup == name.ToString())
                && await source.HeadAsync(WalGLayout.Sentinel(name), cancellationToken).ConfigureAwait(false) is null
                && await target.HeadAsync(WalGLayout.Sentinel(name), cancellationToken).ConfigureAwait(false) is not null)
            {
                await run.DeleteProvenAsync(ObjectsAsync(source, name, cancellationToken), cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static IAsyncEnumerable<ListEntry> ObjectsAsync(IObjectStore store, BackupName name, CancellationToken cancellationToken) =>
        store.ListAsync(new ListRequest { Folder = WalGLayout.BackupObjects(name), Recursive = true }, cancellationToken);
}
