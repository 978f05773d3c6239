using WalRus.Postgres;
using WalRus.Storage;

namespace WalRus.Verification;

/// <summary>What is wrong with one object, by a stable name that scripts match on.</summary>
public enum FindingKind
{
    /// <summary>It cannot be decrypted or decompressed to its end.</summary>
    ObjectUnreadable,

    /// <summary>A segment is missing between others, or between a backup's start and its end.</summary>
    WalMissing,

    /// <summary>A segment is not what its name says, or its pages or records are damaged: replay ends there.</summary>
    WalDamaged,

    /// <summary>A segment of another cluster.</summary>
    WalForeign,

    /// <summary>A timeline's history is missing or cannot be read.</summary>
    HistoryDamaged,

    /// <summary>A record of changed blocks or a WAL file's metadata cannot be read: deltas read the WAL instead.</summary>
    SidecarDamaged,

    /// <summary>A backup's own documents cannot be read or contradict each other.</summary>
    BackupDocumentDamaged,

    /// <summary>A part of a backup is missing, or holds other files than are listed.</summary>
    BackupIncomplete,

    /// <summary>A part of a backup cannot be read, or a file in it is no such file.</summary>
    BackupPartDamaged,

    /// <summary>A delta's parents are missing, damaged or others than it was made from.</summary>
    BackupChainBroken,

    /// <summary>Pages of a file have wrong checksums.</summary>
    PageChecksumWrong,

    /// <summary>An object that no backup lists: a restore passes it over.</summary>
    Unlisted,
}

/// <summary>How bad it is.</summary>
public enum FindingSeverity
{
    /// <summary>Nothing is lost by it, or it may be as it should.</summary>
    Warning,

    /// <summary>Something cannot be restored.</summary>
    Error,
}

/// <summary>One thing that is wrong with an archive.</summary>
/// <param name="Kind">What.</param>
/// <param name="Severity">How bad.</param>
/// <param name="Object">The object's key, or the name of what is missing.</param>
/// <param name="Message">What was found, for people.</param>
public sealed record ArchiveFinding(FindingKind Kind, FindingSeverity Severity, string Object, string Message)
{
    /// <summary>The backup it belongs to; null for WAL.</summary>
    public string? Backup { get; init; }

    /// <summary>What to do about it.</summary>
    public string Action => Kind switch
    {
        FindingKind.WalMissing =>
            "Look for it in pg_wal of the server or a standby, or in another store (Repair-WalArchive); else make a new backup: recovery does not pass it.",
        FindingKind.WalDamaged or FindingKind.WalForeign =>
            "Replace it by the file of the server or of a standby (wal-push), or make a new backup: recovery does not pass it.",
        FindingKind.ObjectUnreadable when Backup is null =>
            "Check the key and the storage; replace the object by the file of the server or of a standby, or make a new backup.",
        FindingKind.ObjectUnreadable => "Check the key and the storage, and make a new backup.",
        FindingKind.HistoryDamaged => "Archive the file again from pg_wal of a server of that timeline (wal-push).",
        FindingKind.SidecarDamaged => "Nothing has to be done: a delta backup reads the WAL itself. It may be removed.",
        FindingKind.BackupDocumentDamaged or FindingKind.BackupIncomplete or FindingKind.BackupPartDamaged =>
            "Make a new backup now and keep the one before; find out what changed the object.",
        FindingKind.BackupChainBroken => "Make a new full backup: this delta and those that are made from it cannot be restored.",
        FindingKind.PageChecksumWrong =>
            "Drill the backup (Test-PgBackup): replay repairs pages that were being written while it was made, damage remains.",
        _ => "Nothing has to be done. When no backup is being made it may be removed.",
    };

    internal static ArchiveFinding Error(FindingKind kind, ObjectKey key, string message) =>
        new(kind, FindingSeverity.Error, key.ToString(), message);

    internal static ArchiveFinding Warning(FindingKind kind, ObjectKey key, string message) =>
        new(kind, FindingSeverity.Warning, key.ToString(), message);

    internal static ArchiveFinding Missing(WalFileName segment, string message) =>
        new(FindingKind.WalMissing, FindingSeverity.Error, segment.ToString(), message);
}

/// <summary>What to examine.</summary>
public sealed record ExaminationRequest
{
    /// <summary>This backup, its parents and the WAL it needs; null for everything in the archive.</summary>
    public string? BackupName { get; init; }

    /// <summary>Told of the bytes read, as stored.</summary>
    public IProgress<TransferProgress>? Progress { get; init; }
}

/// <summary>What an examination read.</summary>
/// <param name="ObjectCount">Objects read to their end, or to where they are damaged.</param>
/// <param name="StoredBytes">Their bytes in the store.</param>
/// <param name="BackupCount">Backups examined.</param>
/// <param name="SegmentCount">WAL segments among the objects.</param>
public sealed record ExaminationSummary(long ObjectCount, long StoredBytes, long BackupCount, long SegmentCount);
