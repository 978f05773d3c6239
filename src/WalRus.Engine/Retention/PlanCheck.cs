using WalRus.Archiving;
using WalRus.Storage;
using WalRus.WalG;

namespace WalRus.Retention;

/// <summary>
/// Looks at the archive once more before the first object goes: between a plan and its execution an operator may have
/// thought for an hour.
/// </summary>
internal sealed class PlanCheck(Archive archive, IEventLog log)
{
    /// <exception cref="WalRusException"><see cref="ErrorCode.ArchiveChanged"/>.</exception>
    public async Task RequireUnchangedAsync(DeletionPlan plan, CancellationToken cancellationToken)
    {
        var dropped = plan.Backups.Where(decision => !decision.Keeps).Select(decision => decision.Backup).ToList();
        if (dropped.Count == 0 && plan.Wal is null)
        {
            return;
        }

        var request = new ListRequest { Folder = WalGLayout.BackupFolder };
        await foreach (var entry in archive.Store.ListAsync(request, cancellationToken).ConfigureAwait(false))
        {
            if (NameOf(entry) is not { } name)
            {
                continue;
            }

            if (!plan.Knows(name) && name.ParentSegment is { } segment
                && dropped.Find(backup => backup.Name.StartSegment == segment) is { } parent)
            {
                throw Changed($"'{name}' is new, and is based on '{parent.Name}', which was to go");
            }

            if (!entry.IsFolder && dropped.Find(backup => backup.Name == name) is { HasSentinel: false })
            {
                throw Changed($"'{name}' had no sentinel and has one now");
            }
        }

        if (!plan.IsEverything)
        {
            await RequireNotPermanentAsync(dropped, cancellationToken).ConfigureAwait(false);
        }
    }

    private static BackupName? NameOf(ListEntry entry) => entry.IsFolder
        ? BackupName.TryParse(entry.Key.Name, out var folder) ? folder : null
        : WalGLayout.SentinelOwner(entry.Key);

    private static WalRusException Changed(string what) => new(
        ErrorCode.ArchiveChanged,
        $"The archive is not what it was when the plan was made: {what}. Nothing was deleted.",
        "Run it again: the new plan will know.");

    private async Task RequireNotPermanentAsync(List<ArchivedBackup> dropped, CancellationToken cancellationToken)
    {
        var catalog = new BackupCatalog(archive, log);
        foreach (var backup in dropped.Where(backup => backup.State == ArchivedBackupState.Complete))
        {
            try
            {
                var now = await catalog.FindAsync(backup.Name.ToString(), cancellationToken).ConfigureAwait(false);
                if (now.IsPermanent)
                {
                    throw Changed($"'{backup.Name}' is permanent now");
                }
            }
            catch (WalRusException gone) when (gone.Code == ErrorCode.BackupNotFound)
            {
                // Somebody else deleted it: then there is less to do.
            }
        }
    }
}
