using WalRus.Archiving;

namespace WalRus.Retention;

/// <summary>What marking did.</summary>
/// <param name="Marked">The backups that were changed, in order.</param>
/// <param name="Unchanged">Those that were so already.</param>
public sealed record BackupMarkResult(IReadOnlyList<BackupDetail> Marked, IReadOnlyList<BackupDetail> Unchanged);

/// <summary>
/// Marks backups permanent, so that retention passes them over, or takes that back. As in wal-g only metadata.json
/// changes, so that the sentinel's time, which is the backups' order, stays.
/// </summary>
public sealed class BackupMark(Archive archive, IEventLog log)
{
    private readonly BackupCatalog catalog = new(archive, log);

    /// <summary>
    /// Marks a backup and all that it is based on, the full one first: at no moment is a permanent delta based on a backup
    /// that is not.
    /// </summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupIncomplete"/>: a parent is missing.</exception>
    public async Task<BackupMarkResult> MakePermanentAsync(BackupDetail backup, CancellationToken cancellationToken)
    {
        var chain = await catalog.GetChainAsync(backup, cancellationToken).ConfigureAwait(false);
        var toMark = chain.Where(step => !step.IsPermanent).ToList();
        foreach (var step in toMark)
        {
            await BackupPermanence.WriteAsync(archive, step.Name, isPermanent: true, cancellationToken).ConfigureAwait(false);
        }

        return new BackupMarkResult(toMark, [.. chain.Where(step => step.IsPermanent)]);
    }

    /// <summary>Takes the mark from one backup; those it is based on keep theirs.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupNeeded"/>: a delta based on it is permanent.</exception>
    public async Task<BackupMarkResult> MakeImpermanentAsync(BackupDetail backup, CancellationToken cancellationToken)
    {
        if (!backup.IsPermanent)
        {
            return new BackupMarkResult([], [backup]);
        }

        await foreach (var entry in catalog.ListAsync(cancellationToken).ConfigureAwait(false))
        {
            if (entry.Detail is { IsPermanent: true } other && other.DeltaFrom == backup.Name.ToString())
            {
                throw new WalRusException(
                    ErrorCode.BackupNeeded,
                    $"'{backup.Name}' stays permanent: '{other.Name}', which is based on it, is.",
                    "Unmark the delta first.");
            }
        }

        await BackupPermanence.WriteAsync(archive, backup.Name, isPermanent: false, cancellationToken).ConfigureAwait(false);
        return new BackupMarkResult([backup], []);
    }
}
