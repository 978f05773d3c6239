using System.Globalization;
using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>
/// Chooses the backup for a recovery target and holds that the archive has the WAL and the timeline history that replay
/// will ask for. Reads names and small documents only; changes nothing.
/// </summary>
public sealed class RecoveryPlanner
{
    private readonly BackupCatalog backups;
    private readonly WalCatalog wal;
    private readonly RecoveryWalCheck walCheck;

    public RecoveryPlanner(Archive archive)
    {
        backups = new BackupCatalog(archive);
        wal = new WalCatalog(archive);
        walCheck = new RecoveryWalCheck(archive, wal);
    }

    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.RecoveryTargetInvalid"/>; <see cref="ErrorCode.BackupNotFound"/> when there is no backup at all;
    /// <see cref="ErrorCode.RecoveryTargetUnreachable"/> when none ends before the target on the way to its timeline;
    /// <see cref="ErrorCode.RecoveryWalMissing"/> when WAL or a history file that is needed is not archived.
    /// </exception>
    public async Task<RecoveryPlan> RunAsync(RecoveryPlanRequest request, CancellationToken cancellationToken)
    {
        RecoveryTargets.Check(request.Target);
        var histories = new RecoveryTimelines(wal, request.Target.Timeline);
        var (backup, history) = request.BackupName is { } name
            ? await NamedAsync(name, request.Target, histories, cancellationToken).ConfigureAwait(false)
            : await NewestAsync(request.Target, histories, cancellationToken).ConfigureAwait(false);
        var size = request.SegmentSize
            ?? await walCheck.FindSegmentSizeAsync(backup, cancellationToken).ConfigureAwait(false);
        return await walCheck.PlanAsync(backup, history, request.Target, size, cancellationToken).ConfigureAwait(false);
    }

    private async Task<(BackupDetail Backup, TimelineHistory History)> NamedAsync(
        string name, RecoveryTarget target, RecoveryTimelines histories, CancellationToken cancellationToken)
    {
        var backup = await backups.FindAsync(name, cancellationToken).ConfigureAwait(false);
        var history = await histories.FromAsync(backup.Timeline, cancellationToken).ConfigureAwait(false);
        return Problem(backup, history, target) is { } problem
            ? throw new WalRusException(
                ErrorCode.RecoveryTargetUnreachable,
                $"Backup '{backup.Name}' cannot reach the target: {problem}.",
                "Choose another backup, or leave the choice to the plan.")
            : (backup, history);
    }

    private async Task<(BackupDetail Backup, TimelineHistory History)> NewestAsync(
        RecoveryTarget target, RecoveryTimelines histories, CancellationToken cancellationToken)
    {
        (BackupDetail Backup, TimelineHistory History)? best = null;
        BackupDetail? earliest = null;
        WalRusException? noHistory = null;
        await foreach (var entry in backups.ListAsync(cancellationToken).ConfigureAwait(false))
        {
            if (entry.Detail is not { } backup || !BackupFetchPlan.CanRestore(backup))
            {
                continue;
            }

            earliest = earliest is null || EndOf(backup) < EndOf(earliest) ? backup : earliest;
            try
            {
                var history = await histories.FromAsync(backup.Timeline, cancellationToken).ConfigureAwait(false);
                if (Problem(backup, history, target) is null && (best is not { } found || IsLater(backup, found.Backup)))
                {
                    best = (backup, history);
                }
            }
            catch (WalRusException missing) when (missing.Code == ErrorCode.RecoveryWalMissing)
            {
                noHistory = missing;
            }
        }

        return best ?? throw (earliest is null
            ? new WalRusException(
                ErrorCode.BackupNotFound,
                "The archive holds no backup to recover from.",
                "Check that the prefix is the right one.")
            : noHistory ?? Unreachable(target, earliest));
    }

    /// <summary>Along one path positions only grow, so the later end is the newer backup.</summary>
    private static bool IsLater(BackupDetail backup, BackupDetail other) =>
        backup.FinishLsn != other.FinishLsn ? backup.FinishLsn > other.FinishLsn : EndOf(backup) > EndOf(other);

    private static DateTimeOffset EndOf(BackupDetail backup) => backup.FinishTime ?? backup.Modified;

    /// <summary>Why a backup cannot be the start of this recovery, or null.</summary>
    private static string? Problem(BackupDetail backup, TimelineHistory history, RecoveryTarget target)
    {
        if (!history.Contains(backup.Timeline))
        {
            return $"it is on timeline {backup.Timeline}, which is not in the past of timeline {history.Timeline}";
        }

        if (history.EndOf(backup.Timeline) is { } end && backup.FinishLsn > end)
        {
            return $"it ended at {backup.FinishLsn} on timeline {backup.Timeline}, which was left at {end}";
        }

        if (target.Time is { } time && EndOf(backup) > time)
        {
            return $"it ended at {Text(EndOf(backup))}, after the target";
        }

        return target.Lsn is { } lsn && backup.FinishLsn > lsn ? $"it ended at {backup.FinishLsn}, after the target" : null;
    }

    private static WalRusException Unreachable(RecoveryTarget target, BackupDetail earliest)
    {
        var wanted = target switch
        {
            { Time: { } time } => $"before {Text(time)}",
            { Lsn: { } lsn } => $"before {lsn}",
            _ => "on the way to the target's timeline",
        };
        return new WalRusException(
            ErrorCode.RecoveryTargetUnreachable,
            $"No backup of this archive ends {wanted}" + (target.Timeline is { } timeline ? $" (timeline {timeline})." : "."),
            $"The earliest that can be reached is the end of '{earliest.Name}': {Text(EndOf(earliest))}, {earliest.FinishLsn}, timeline {earliest.Timeline}.");
    }

    private static string Text(DateTimeOffset time) =>
        time.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);
}
