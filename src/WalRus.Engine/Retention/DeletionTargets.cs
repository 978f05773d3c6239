namespace WalRus.Retention;

/// <summary>wal-g's modifiers of delete.</summary>
public enum DeletionModifier
{
    None,

    /// <summary>Count full backups only.</summary>
    Full,

    /// <summary>From the backup found go back to a full one.</summary>
    FindFull,
}

/// <summary>How wal-g orders backups: by timeline and segment, or with --use-sentinel-time by when they were begun.</summary>
/// <param name="ByStartTime">--use-sentinel-time.</param>
public readonly record struct BackupOrder(bool ByStartTime)
{
    /// <summary>True when <paramref name="left"/> comes before <paramref name="right"/>; false for equals.</summary>
    public bool IsOlder(ArchivedBackup left, ArchivedBackup right) =>
        ByStartTime && left.StartTime is { } one && right.StartTime is { } other
            ? one < other
            : left.Name.StartSegment < right.Name.StartSegment;

    /// <summary>What "time" means in the arguments: modification, or the start.</summary>
    public DateTimeOffset TimeOf(ArchivedBackup backup) => ByStartTime ? backup.StartTime ?? backup.Modified : backup.Modified;

    public IEnumerable<ArchivedBackup> OldestFirst(IEnumerable<ArchivedBackup> backups) =>
        ByStartTime ? backups.OrderBy(backup => backup.StartTime ?? backup.Modified) : backups;
}

/// <summary>
/// Finds the backup that wal-g's before and retain spare, with all that is newer. Only backups that can be restored
/// count: "retain 3" leaves three to restore.
/// </summary>
public sealed class DeletionTargets(BackupInventory inventory, BackupOrder order)
{
    /// <summary>Newest first.</summary>
    private readonly List<ArchivedBackup> backups =
        [.. order.OldestFirst(inventory.Backups.Where(inventory.IsRestorable)).Reverse()];

    /// <summary>The newest backup whose name starts so.</summary>
    /// <returns>Null when there is none.</returns>
    public ArchivedBackup? Named(string name, DeletionModifier modifier)
    {
        var index = backups.FindIndex(backup => backup.Name.ToString().StartsWith(name, StringComparison.Ordinal));
        return index < 0 ? null : modifier == DeletionModifier.None ? backups[index] : FullFrom(index);
    }

    /// <summary>The oldest backup of this time or later.</summary>
    public ArchivedBackup? Since(DateTimeOffset time, DeletionModifier modifier)
    {
        var index = backups.FindLastIndex(backup =>
            order.TimeOf(backup) >= time && (modifier != DeletionModifier.Full || !backup.IsDelta));
        return index < 0 ? null : modifier == DeletionModifier.FindFull ? FullFrom(index) : backups[index];
    }

    /// <summary>The last of the newest so many.</summary>
    public ArchivedBackup? Retained(int count, DeletionModifier modifier)
    {
        if (modifier == DeletionModifier.Full)
        {
            return backups.Where(backup => !backup.IsDelta).Skip(count - 1).FirstOrDefault();
        }

        return backups.Count < count ? null
            : modifier == DeletionModifier.FindFull ? FullFrom(count - 1)
            : backups[count - 1];
    }

    /// <summary>Of the two the older, which spares more; null when the first is.</summary>
    public ArchivedBackup? Older(ArchivedBackup? retained, ArchivedBackup? after) =>
        retained is null || after is null ? retained : order.IsOlder(after, retained) ? after : retained;

    private ArchivedBackup? FullFrom(int index) => backups.Skip(index).FirstOrDefault(backup => !backup.IsDelta);
}
