using WalRus.Archiving;
using WalRus.Storage;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>One backup of those that make up a restore, and its tars.</summary>
/// <param name="Name">The backup's name.</param>
/// <param name="Sentinel">Its sentinel.</param>
/// <param name="DataTars">Extracted first, in any order and at the same time.</param>
/// <param name="LastTars">The label's and the control file's, after all of <paramref name="DataTars"/>.</param>
internal sealed record BackupFetchStep(
    BackupName Name, BackupSentinel Sentinel, IReadOnlyList<ObjectKey> DataTars, IReadOnlyList<ObjectKey> LastTars);

/// <summary>What is extracted, in order: the full backup first, the asked one last.</summary>
internal sealed record BackupFetchPlan(IReadOnlyList<BackupFetchStep> Steps)
{
    /// <summary>The backup that was asked for.</summary>
    public BackupFetchStep Last => Steps[^1];

    /// <summary>False for backups that <see cref="MakeAsync"/> refuses: a plan must not choose them.</summary>
    public static bool CanRestore(BackupDetail backup) => !backup.IsDelta;

    /// <summary>Finds the backup and lists its tars: part numbers have gaps, so they are never counted.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupNotFound"/>,
    /// <see cref="ErrorCode.BackupIncomplete"/>, <see cref="ErrorCode.BackupDeltaUnsupported"/>.</exception>
    public static async Task<BackupFetchPlan> MakeAsync(
        Archive archive, BackupName name, IEventLog log, CancellationToken cancellationToken)
    {
        var sentinel = await new BackupCatalog(archive).ReadSentinelAsync(name, cancellationToken).ConfigureAwait(false)
            ?? throw new WalRusException(
                ErrorCode.BackupNotFound,
                $"Backup '{name}' does not exist.",
                "backup-list (Get-BackupList) shows those there are.");
        if (sentinel.Delta is { } delta)
        {
            throw new WalRusException(
                ErrorCode.BackupDeltaUnsupported,
                $"'{name}' is a delta of '{delta.From}'; this version restores full backups only.",
                $"Restore the full backup '{delta.FullName}' and let recovery replay the WAL since then, or use wal-g for this one.");
        }

        return new BackupFetchPlan([await StepAsync(archive, name, sentinel, log, cancellationToken).ConfigureAwait(false)]);
    }

    private static async Task<BackupFetchStep> StepAsync(
        Archive archive, BackupName name, BackupSentinel sentinel, IEventLog log, CancellationToken cancellationToken)
    {
        var data = new List<ObjectKey>();
        var last = new List<ObjectKey>();
        var hasControl = false;
        var request = new ListRequest { Folder = WalGLayout.TarPartitions(name) };
        await foreach (var entry in archive.Store.ListAsync(request, cancellationToken).ConfigureAwait(false))
        {
            var tar = TarNameOf(entry.Key.Name);
            if (entry.IsFolder || tar is null)
            {
                log.RestoreSkipsObject(entry.Key.ToString(), "it is no tar");
                continue;
            }

            var isControl = tar.EndsWith(WalGLayout.ControlTar, StringComparison.Ordinal);
            hasControl |= isControl;
            (isControl || tar.EndsWith(WalGLayout.LabelTar, StringComparison.Ordinal) ? last : data).Add(entry.Key);
        }

        return hasControl || IsWalE(name)
            ? new BackupFetchStep(name, sentinel, data, last)
            : throw new WalRusException(
                ErrorCode.BackupIncomplete,
                $"Backup '{name}' has no {WalGLayout.ControlTar}: it cannot be restored.",
                "Choose another backup, and find out what removed this one's objects.");
    }

    /// <summary>The name up to and with ".tar", without the codec's extension; null when it is none.</summary>
    private static string? TarNameOf(string name)
    {
        const string Extension = ".tar";
        var at = name.LastIndexOf(Extension, StringComparison.Ordinal);
        var tar = at > 0 ? name[..(at + Extension.Length)] : null;
        return tar is not null && (name.Length == tar.Length || (name[tar.Length] == '.' && name.IndexOf('.', tar.Length + 1) < 0))
            ? tar
            : null;
    }

    /// <summary>WAL-E kept the control file among the others; its names end in an offset.</summary>
    private static bool IsWalE(BackupName name) =>
        name.ToString().Length == BackupName.Full(name.StartSegment).ToString().Length + "_00000000".Length;
}
