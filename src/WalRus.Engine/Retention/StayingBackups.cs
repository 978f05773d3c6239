using WalRus.Archiving;
using WalRus.WalG;

namespace WalRus.Retention;

/// <summary>
/// Backups that were to go and cannot, because the store keeps their sentinels (object lock, permissions). They are
/// listed still, so all that makes them restorable stays with them: their data, their parents, their WAL.
/// </summary>
internal sealed class StayingBackups
{
    private readonly HashSet<ArchivedBackup> staying = [];
    private readonly DeletionPlan plan;
    private readonly WalRequirement needed;

    public StayingBackups(Archive archive, DeletionPlan plan, IEventLog log)
    {
        this.plan = plan;
        needed = new WalRequirement(
            new TimelinePasts(new WalCatalog(archive), log),
            SegmentSizeOfBackups.Find(plan.Backups.Select(decision => decision.Backup)));
    }

    public void Add(ArchivedBackup backup)
    {
        if (staying.Add(backup))
        {
            needed.AddBackup(backup);
        }
    }

    /// <returns>Why an object must not be deleted after all; null when nothing speaks against it.</returns>
    public async ValueTask<string?> WhyItStaysAsync(PlannedObject item, CancellationToken cancellationToken)
    {
        if (staying.Count == 0)
        {
            return null;
        }

        if (item.Backup is { } backup)
        {
            if (item.Kind == PlannedObjectKind.Sentinel && plan.ChildrenOf(backup).FirstOrDefault(staying.Contains) is { } child)
            {
                Add(backup);
                return $"'{child.Name}', which is based on it, could not be deleted";
            }

            return staying.Contains(backup) ? $"the sentinel of '{backup.Name}' could not be deleted" : null;
        }

        if (item.Kind != PlannedObjectKind.Wal)
        {
            return null;
        }

        var name = WalObjectName.Parse(item.Key.Name);
        var verdict = await needed.JudgeAsync(name, cancellationToken).ConfigureAwait(false);
        return verdict.Keeps ? $"a backup that could not be deleted needs it ({verdict.Why})" : null;
    }
}
