using System.Runtime.CompilerServices;
using WalRus.Archiving;
using WalRus.Storage;
using WalRus.WalG;

namespace WalRus.Retention;

/// <summary>
/// Shows a plan's objects and deletes them, in an order that can be broken off anywhere: sentinels first, deltas before
/// their parents, each step durable before the next; then what the backups consist of; WAL last. So whatever is still
/// listed is whole, and the same plan made again deletes the rest.
/// </summary>
/// <param name="archive">Whose objects they are.</param>
/// <param name="log">Hears what cannot be deleted.</param>
public sealed class ArchiveDeletion(Archive archive, IEventLog log)
{
    private const int BatchSize = 1000;

    /// <summary>Lists the plan's objects in the order of their deletion, as they come.</summary>
    /// <param name="plan">What was decided.</param>
    /// <param name="withKept">Also those that stay.</param>
    /// <param name="cancellationToken">Stops the listing.</param>
    public async IAsyncEnumerable<PlannedObject> ListAsync(
        DeletionPlan plan, bool withKept, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var shown = withKept ? plan.DroppedInOrder.Concat(plan.Backups.Where(decision => decision.Keeps)) : plan.DroppedInOrder;
        foreach (var decision in shown.Where(decision => decision.Backup.HasSentinel))
        {
            yield return Planned(WalGLayout.Sentinel(decision.Backup.Name), PlannedObjectKind.Sentinel, decision) with
            {
                SizeBytes = decision.Backup.SentinelBytes,
                LastModified = decision.Backup.Modified,
            };
        }

        // metadata.json tells what the rest of a half-deleted backup once was, so it goes when the rest has gone.
        var metadata = new List<PlannedObject>();
        foreach (var decision in shown)
        {
            await foreach (var item in BackupDataAsync(decision, cancellationToken).ConfigureAwait(false))
            {
                if (item.Kind == PlannedObjectKind.BackupMetadata)
                {
                    metadata.Add(item);
                }
                else
                {
                    yield return item;
                }
            }
        }

        foreach (var item in metadata)
        {
            yield return item;
        }

        await foreach (var item in CatchupsAsync(plan, cancellationToken).ConfigureAwait(false))
        {
            yield return item;
        }

        await foreach (var item in WalAsync(plan, cancellationToken).ConfigureAwait(false))
        {
            if (withKept || !item.Keeps)
            {
                yield return item;
            }
        }
    }

    /// <summary>Puts the objects that go on disk, so that exactly those that were shown are deleted.</summary>
    public async Task<PlanSpool> SpoolAsync(DeletionPlan plan, CancellationToken cancellationToken)
    {
        var spool = new PlanSpool(plan);
        try
        {
            await foreach (var item in ListAsync(plan, withKept: false, cancellationToken).ConfigureAwait(false))
            {
                spool.Add(item);
            }

            return spool;
        }
        catch
        {
            spool.Dispose();
            throw;
        }
    }

    /// <summary>Deletes what was spooled, and tells of each object once it is gone or cannot be deleted.</summary>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.ArchiveChanged"/>, with nothing deleted: a backup came since that the plan would break.
    /// </exception>
    public async IAsyncEnumerable<DeletedObject> RunAsync(
        PlanSpool spool, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await new PlanCheck(archive, log).RequireUnchangedAsync(spool.Plan, cancellationToken).ConfigureAwait(false);
        var staying = new StayingBackups(archive, spool.Plan, log);
        var batch = new List<PlannedObject>(BatchSize);
        var depth = 0;
        foreach (var item in spool.Read())
        {
            cancellationToken.ThrowIfCancellationRequested();
            var itemDepth = item is { Kind: PlannedObjectKind.Sentinel, Backup: { } owner } ? spool.Plan.DepthOf(owner) : -1;
            if (batch.Count == BatchSize || (batch.Count > 0 && (batch[0].Kind != item.Kind || itemDepth != depth)))
            {
                foreach (var deleted in await DeleteAsync(batch, staying, cancellationToken).ConfigureAwait(false))
                {
                    yield return deleted;
                }
            }

            depth = itemDepth;
            if (await staying.WhyItStaysAsync(item, cancellationToken).ConfigureAwait(false) is { } why)
            {
                yield return new DeletedObject(item, why);
            }
            else
            {
                batch.Add(item);
            }
        }

        foreach (var deleted in await DeleteAsync(batch, staying, cancellationToken).ConfigureAwait(false))
        {
            yield return deleted;
        }
    }

    private static PlannedObject Planned(ObjectKey key, PlannedObjectKind kind, BackupDecision decision) =>
        new(key, kind, decision.Backup, 0, default, decision.Keeps, decision.Rule, decision.Why);

    private async IAsyncEnumerable<PlannedObject> BackupDataAsync(
        BackupDecision decision, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var metadata = WalGLayout.Metadata(decision.Backup.Name);
        var request = new ListRequest { Folder = WalGLayout.BackupObjects(decision.Backup.Name), Recursive = true };
        await foreach (var entry in archive.Store.ListAsync(request, cancellationToken).ConfigureAwait(false))
        {
            var kind = entry.Key == metadata ? PlannedObjectKind.BackupMetadata : PlannedObjectKind.BackupData;
            yield return Planned(entry.Key, kind, decision) with { SizeBytes = entry.SizeBytes, LastModified = entry.LastModified };
        }
    }

    /// <summary>wal-g's catchup backups go with everything, sentinels first, and by nothing else.</summary>
    private async IAsyncEnumerable<PlannedObject> CatchupsAsync(
        DeletionPlan plan, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (!plan.IsEverything)
        {
            yield break;
        }

        foreach (var sentinels in new[] { true, false })
        {
            var request = new ListRequest { Folder = WalGLayout.CatchupFolder, Recursive = true };
            await foreach (var entry in archive.Store.ListAsync(request, cancellationToken).ConfigureAwait(false))
            {
                var owner = entry.Key.ToString()[(WalGLayout.CatchupFolder.Length + 1)..].Split('/')[0];
                var isSentinel = WalGLayout.SentinelOwner(entry.Key) is not null && owner == entry.Key.Name;
                if (isSentinel == sentinels && (isSentinel || BackupName.TryParse(owner, out _)))
                {
                    yield return new PlannedObject(
                        entry.Key, isSentinel ? PlannedObjectKind.Sentinel : PlannedObjectKind.BackupData, null,
                        entry.SizeBytes, entry.LastModified, false, RetentionRule.Selected, "everything was to go");
                }
            }
        }
    }

    private async IAsyncEnumerable<PlannedObject> WalAsync(
        DeletionPlan plan, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (plan.Wal is not { } wal && !plan.IsEverything)
        {
            yield break;
        }

        var request = new ListRequest { Folder = WalGLayout.WalFolder };
        await foreach (var entry in archive.Store.ListAsync(request, cancellationToken).ConfigureAwait(false))
        {
            if (!entry.IsFolder)
            {
                var name = WalObjectName.Parse(entry.Key.Name);
                var verdict = !plan.IsEverything
                    ? await plan.Wal!.JudgeAsync(name, cancellationToken).ConfigureAwait(false)
                    : name.Kind == WalObjectKind.Foreign
                        ? new WalVerdict(true, RetentionRule.Foreign, "it is not of PostgreSQL's WAL")
                        : new WalVerdict(false, RetentionRule.Selected, "everything was to go");
                yield return new PlannedObject(
                    entry.Key, PlannedObjectKind.Wal, null, entry.SizeBytes, entry.LastModified, verdict.Keeps, verdict.Rule, verdict.Why);
            }
        }
    }

    private async ValueTask<IReadOnlyList<DeletedObject>> DeleteAsync(
        List<PlannedObject> batch, StayingBackups staying, CancellationToken cancellationToken)
    {
        if (batch.Count == 0)
        {
            return [];
        }

        var result = await archive.Store.DeleteAsync([.. batch.Select(item => item.Key)], cancellationToken).ConfigureAwait(false);
        var failed = result.Failed.ToDictionary(failure => failure.Key, failure => failure.Reason);
        var deleted = new List<DeletedObject>(batch.Count);
        foreach (var item in batch)
        {
            var reason = failed.GetValueOrDefault(item.Key);
            if (reason is not null && item is { Kind: PlannedObjectKind.Sentinel, Backup: { } backup })
            {
                staying.Add(backup);
            }

            deleted.Add(new DeletedObject(item, reason));
        }

        batch.Clear();
        return deleted;
    }
}
