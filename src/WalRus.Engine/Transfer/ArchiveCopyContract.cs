using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Transfer;

/// <summary>Which WAL goes with backups.</summary>
public enum CopyWal
{
    /// <summary>What each backup needs to become consistent, and timeline histories.</summary>
    Window,

    /// <summary>None.</summary>
    None,

    /// <summary>All there is since the oldest of the backups: they can be recovered to any later moment.</summary>
    History,
}

/// <summary>Settings of copying.</summary>
public sealed record ArchiveCopyOptions
{
    /// <summary>Objects under way at the same time.</summary>
    public int Lanes { get; init; } = 8;

    /// <summary>Refuse to mix two clusters in one archive.</summary>
    public bool CheckSystemIdentifier { get; init; } = true;
}

/// <summary>What to copy.</summary>
public sealed record ArchiveCopyRequest
{
    /// <summary>Names, or LATEST; null for every backup. The parents of a delta come along.</summary>
    public IReadOnlyList<string>? Backups { get; init; }

    public CopyWal Wal { get; init; }

    /// <summary>Decode with the source's settings and encode with the target's, instead of copying bytes as they are.</summary>
    public bool Recode { get; init; }

    /// <summary>Replace what the target holds and differs.</summary>
    public bool Overwrite { get; init; }

    public CopyVerification Verification { get; init; }

    public IProgress<TransferProgress>? Progress { get; init; }

    /// <summary>Told of each backup once it is listed at the target, and of the WAL at last.</summary>
    public Action<CopiedBackup>? Finished { get; init; }
}

/// <summary>One backup of a plan.</summary>
/// <param name="Backup">Which.</param>
/// <param name="IsAncestor">It comes along because a delta needs it.</param>
/// <param name="ObjectCount">Its objects without its WAL.</param>
/// <param name="SizeBytes">Their size at the source.</param>
/// <param name="Wal">The WAL that goes with it; null for none.</param>
/// <param name="WalObjectCount">Objects of that WAL.</param>
/// <param name="WalSizeBytes">Their size at the source.</param>
/// <param name="IsListed">The target lists a backup of this name.</param>
public sealed record PlannedCopy(
    BackupDetail Backup,
    bool IsAncestor,
    long ObjectCount,
    long SizeBytes,
    WalWindow? Wal,
    long WalObjectCount,
    long WalSizeBytes,
    bool IsListed);

/// <summary>The segments that go with a backup, all included and on one timeline.</summary>
/// <param name="First">The first that is copied.</param>
/// <param name="Last">The last that is copied, if it is there.</param>
/// <param name="FirstNeeded">The first without which the backup cannot be recovered.</param>
/// <param name="LastNeeded">The last of those.</param>
/// <param name="Size">Their size.</param>
public sealed record WalWindow(
    WalFileName First, WalFileName Last, WalFileName FirstNeeded, WalFileName LastNeeded, WalSegmentSize Size)
{
    /// <summary>A backup's window: from the segment before its start, which its name can be, to the one of its end.</summary>
    public static WalWindow Of(BackupDetail backup, WalSegmentSize size)
    {
        var start = backup.StartLsn.Value;
        var end = Math.Max(start, backup.FinishLsn.Value);
        WalFileName At(ulong position) => WalFileName.FromLsn(backup.Timeline, new Lsn(position), size);
        var first = At(Math.Max(start, 1) - 1);
        return new WalWindow(
            backup.StartSegment < first ? backup.StartSegment : first, At(end), At(start), At(Math.Max(start, Math.Max(end, 1) - 1)), size);
    }
}

/// <summary>What a copy will do.</summary>
public sealed record ArchiveCopyPlan
{
    /// <summary>In the order they are copied: parents before their deltas, older before newer.</summary>
    public required IReadOnlyList<PlannedCopy> Backups { get; init; }

    /// <summary>Where the WAL history begins; null when only windows are copied.</summary>
    public WalFileName? HistoryFrom { get; init; }

    /// <summary>All WAL objects, windows included.</summary>
    public long WalObjectCount { get; init; }

    public long WalSizeBytes { get; init; }

    public IReadOnlyList<string> Warnings { get; init; } = [];

    public long ObjectCount => Backups.Sum(backup => backup.ObjectCount) + WalObjectCount;

    public long SizeBytes => Backups.Sum(backup => backup.SizeBytes) + WalSizeBytes;
}

/// <summary>What became of one backup, or (without a name) of the WAL history.</summary>
/// <param name="Name">Null for the WAL beyond the backups' windows.</param>
/// <param name="ObjectsCopied">Objects that were not at the target, WAL included.</param>
/// <param name="ObjectsKept">Objects that were there already and equal.</param>
/// <param name="BytesCopied">Size at the target of what was copied.</param>
/// <param name="Duration">How long it took.</param>
public sealed record CopiedBackup(string? Name, long ObjectsCopied, long ObjectsKept, long BytesCopied, TimeSpan Duration);

/// <summary>What a copy did.</summary>
public sealed record ArchiveCopyResult(ArchiveCopyPlan Plan, IReadOnlyList<CopiedBackup> Backups)
{
    public long ObjectsCopied => Backups.Sum(backup => backup.ObjectsCopied);

    public long ObjectsKept => Backups.Sum(backup => backup.ObjectsKept);

    public long BytesCopied => Backups.Sum(backup => backup.BytesCopied);
}
