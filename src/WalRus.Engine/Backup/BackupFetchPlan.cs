using WalRus.Archiving;
using WalRus.Storage;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>A tar of a backup, as it is stored.</summary>
/// <param name="Checksum">CRC-32C of it uncompressed, where the backup's list has one.</param>
internal readonly record struct StoredTar(ObjectKey Key, long SizeBytes, uint? Checksum = null);

/// <summary>One backup of those that make up a restore, and its tars.</summary>
/// <param name="Name">The backup's name.</param>
/// <param name="Sentinel">Its sentinel.</param>
/// <param name="DataTars">Extracted first, in any order and at the same time.</param>
/// <param name="LastTars">The label's and the control file's, after all of <paramref name="DataTars"/>.</param>
internal sealed record BackupFetchStep(
    BackupName Name, BackupSentinel Sentinel, IReadOnlyList<StoredTar> DataTars, IReadOnlyList<StoredTar> LastTars);

/// <summary>What is there to restore from, in order: the full backup first, the asked one last.</summary>
internal sealed record BackupFetchPlan(IReadOnlyList<BackupFetchStep> Steps)
{
    /// <summary>The backup that was asked for.</summary>
    public BackupFetchStep Last => Steps[^1];

    /// <summary>Finds the backup and its parents and lists their tars: part numbers have gaps, so they are never counted.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupNotFound"/>,
    /// <see cref="ErrorCode.BackupIncomplete"/>: a parent or what a restore must have of one is missing.</exception>
    public static async Task<BackupFetchPlan> MakeAsync(
        Archive archive, BackupName name, IEventLog log, CancellationToken cancellationToken)
    {
        var catalog = new BackupCatalog(archive);
        var sentinel = await catalog.ReadSentinelAsync(name, cancellationToken).ConfigureAwait(false)
            ?? throw new WalRusException(
                ErrorCode.BackupNotFound,
                $"Backup '{name}' does not exist.",
                "backup-list (Get-BackupList) shows those there are.");
        var steps = new List<BackupFetchStep>();
        if (sentinel.Delta is not null)
        {
            var asked = await catalog.FindAsync(name.ToString(), cancellationToken).ConfigureAwait(false);
            foreach (var parent in (await catalog.GetChainAsync(asked, cancellationToken).ConfigureAwait(false)).SkipLast(1))
            {
                var itsSentinel = await catalog.ReadSentinelAsync(parent.Name, cancellationToken).ConfigureAwait(false)
                    ?? throw new WalRusException(
                        ErrorCode.BackupIncomplete,
                        $"'{parent.Name}', which '{name}' needs, was deleted a moment ago.",
                        "Choose another backup.");
                steps.Add(await StepAsync(archive, parent.Name, itsSentinel, isParent: true, log, cancellationToken).ConfigureAwait(false));
            }
        }

        steps.Add(await StepAsync(archive, name, sentinel, isParent: false, log, cancellationToken).ConfigureAwait(false));
        return new BackupFetchPlan(steps);
    }

    private static async Task<BackupFetchStep> StepAsync(
        Archive archive, BackupName name, BackupSentinel sentinel, bool isParent, IEventLog log, CancellationToken cancellationToken)
    {
        var data = new List<StoredTar>();
        var last = new List<StoredTar>();
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

            // A manifest describes what a restore of its own backup makes.
            if (isParent && tar == WalGLayout.ManifestTar)
            {
                continue;
            }

            var isControl = tar.EndsWith(WalGLayout.ControlTar, StringComparison.Ordinal);
            hasControl |= isControl;
            (isControl || tar.EndsWith(WalGLayout.LabelTar, StringComparison.Ordinal) ? last : data)
                .Add(new StoredTar(entry.Key, entry.SizeBytes));
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
