using WalRus.WalG;

namespace WalRus.Retention;

/// <summary>What happens to one backup, by which rule and why.</summary>
public sealed record BackupDecision(ArchivedBackup Backup, bool Keeps, RetentionRule Rule, string Why)
{
    public override string ToString() => $"{Backup.Name} {(Keeps ? "stays" : "goes")} ({Rule}): {Why}";
}

/// <summary>
/// What is to be deleted, decided but not done: each backup with its decision, and a rule for every object of the WAL
/// folder. It holds nothing for each object; <see cref="ArchiveDeletion"/> lists those as they come.
/// </summary>
public sealed class DeletionPlan
{
    private readonly BackupInventory inventory;

    internal DeletionPlan(BackupInventory inventory, IReadOnlyList<BackupDecision> backups, WalRequirement? wal)
    {
        this.inventory = inventory;
        Backups = backups;
        Wal = wal;
        DroppedInOrder =
        [
            .. backups.Where(decision => !decision.Keeps)
                .OrderByDescending(decision => inventory.DepthOf(decision.Backup)).ThenBy(decision => decision.Backup.Name),
        ];
    }

    /// <summary>Every backup of the archive, in wal-g's order.</summary>
    public IReadOnlyList<BackupDecision> Backups { get; }

    /// <summary>Which WAL stays; null when the plan does not touch WAL.</summary>
    public WalRequirement? Wal { get; }

    /// <summary>Everything of the archive goes, histories and catchup backups too; only what is not ours stays.</summary>
    public bool IsEverything { get; internal init; }

    /// <summary>The backups that go, deltas before what they are based on.</summary>
    public IReadOnlyList<BackupDecision> DroppedInOrder { get; }

    /// <summary>How many steps lie between a backup and a full one.</summary>
    internal int DepthOf(ArchivedBackup backup) => inventory.DepthOf(backup);

    internal IEnumerable<ArchivedBackup> ChildrenOf(ArchivedBackup backup) => inventory.ChildrenOf(backup);

    internal bool Knows(BackupName name) => inventory.Find(name.ToString()) is not null;
}
