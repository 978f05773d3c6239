using WalRus.Storage;

namespace WalRus.Retention;

/// <summary>What an object is to a plan.</summary>
public enum PlannedObjectKind
{
    /// <summary>A backup's sentinel: with it the backup goes.</summary>
    Sentinel,

    /// <summary>Anything else of a backup.</summary>
    BackupData,

    /// <summary>A backup's metadata.json.</summary>
    BackupMetadata,

    /// <summary>An object of the WAL folder.</summary>
    Wal,
}

/// <summary>One object of a plan.</summary>
/// <param name="Key">Which.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Backup">The backup it belongs to; null for WAL and for wal-g's catchup backups.</param>
/// <param name="SizeBytes">Its size when it was listed.</param>
/// <param name="LastModified">By the store's clock.</param>
/// <param name="Keeps">It stays.</param>
/// <param name="Rule">By which rule.</param>
/// <param name="Why">For people.</param>
public readonly record struct PlannedObject(
    ObjectKey Key,
    PlannedObjectKind Kind,
    ArchivedBackup? Backup,
    long SizeBytes,
    DateTimeOffset LastModified,
    bool Keeps,
    RetentionRule Rule,
    string Why);

/// <summary>One object that was to be deleted.</summary>
/// <param name="Object">Which.</param>
/// <param name="Failure">Why it is still there; null when it is gone.</param>
public readonly record struct DeletedObject(PlannedObject Object, string? Failure);
