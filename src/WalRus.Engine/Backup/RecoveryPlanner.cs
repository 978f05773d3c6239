using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>
/// Chooses the backup for a recovery target and holds that the archive has the WAL and the timeline history that replay
/// will ask for. Reads names and small documents, and the WAL where only that tells where the target lies; changes nothing.
/// </summary>
public sealed class RecoveryPlanner
{
    private readonly BackupCatalog backups;
    private readonly WalCatalog wal;
    private readonly RecoveryWalCheck walCheck;
    private readonly Archive archive;
    private readonly IEventLog log;

    public RecoveryPlanner(Archive archive, IEventLog log)
    {
        this.archive = archive;
        this.log = log;
        backups = new BackupCatalog(archive);
        wal = new WalCatalog(archive);
        walCheck = new RecoveryWalCheck(archive, wal);
    }

    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.RecoveryTargetInvalid"/>; <see cref="ErrorCode.BackupNotFound"/> when there is no backup at all;
    /// <see cref="ErrorCode.RecoveryTargetUnreachable"/> when none ends before the target on the way to its timeline, or the
    /// archived WAL does not hold it; <see cref="ErrorCode.RecoveryWalMissing"/> when WAL or a history file that is needed is
    /// not archived.
    /// </exception>
    public async Task<RecoveryPlan> RunAsync(RecoveryPlanRequest request, CancellationToken cancellationToken)
    {
        var target = request.Target;
        RecoveryTargets.Check(target);
        var histories = new RecoveryTimelines(wal, target.Timeline);
        var usable = request.BackupName is { } name
            ? [await NamedAsync(name, target, histories, cancellationToken).ConfigureAwait(false)]
            : await UsableAsync(target, histories, cancellationToken).ConfigureAwait(false);
        var start = usable[0];
        var size = request.SegmentSize
            ?? await walCheck.FindSegmentSizeAsync(start.Backup, cancellationToken).ConfigureAwait(false);
        WalFact? record = null;
        if (target.Name is not null || target.Xid is not null)
        {
            (start, record) = await FindAsync(usable, target, size, cancellationToken).ConfigureAwait(false);
        }

        // The record's last byte: with fewer, replay would wait for the next segment.
        var position = target.Lsn ?? (record is null ? null : new Lsn(record.EndLsn.Value - 1));
        var path = new WalPath(start.History, size);
        var plan = await walCheck.PlanAsync(start.Backup, path, target, position, cancellationToken).ConfigureAwait(false)
            with { Chain = start.Chain };
        return target.Time is { } time
            ? await WithLastCommitAsync(plan, path, time, cancellationToken).ConfigureAwait(false)
            : plan with { Stop = record };
    }

    private async Task<Start> NamedAsync(
        string name, RecoveryTarget target, RecoveryTimelines histories, CancellationToken cancellationToken)
    {
        var backup = await backups.FindAsync(name, cancellationToken).ConfigureAwait(false);
        var history = await histories.FromAsync(backup.Timeline, cancellationToken).ConfigureAwait(false);
        return Problem(backup, history, target) is { } problem
            ? throw new WalRusException(
                ErrorCode.RecoveryTargetUnreachable,
                $"Backup '{backup.Name}' cannot reach the target: {problem}.",
                "Choose another backup, or leave the choice to the plan.")
            : new Start(backup, history, await backups.GetChainAsync(backup, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Every backup that may be the start, as far as its documents tell; the newest first.</summary>
    private async Task<IReadOnlyList<Start>> UsableAsync(
        RecoveryTarget target, RecoveryTimelines histories, CancellationToken cancellationToken)
    {
        var usable = new List<Start>();
        BackupDetail? earliest = null;
        WalRusException? noHistory = null;
        var all = new List<BackupDetail>();
        await foreach (var entry in backups.ListAsync(cancellationToken).ConfigureAwait(false))
        {
            all.AddRange(entry.Detail is { } detail ? [detail] : []);
        }

        var chains = new BackupChains(all);
        foreach (var backup in all)
        {
            if (chains.Of(backup, out var gap) is not { } chain)
            {
                log.RecoveryPassesOver(backup.Name.ToString(), gap!);
                continue;
            }

            earliest = earliest is null || EndOf(backup) < EndOf(earliest) ? backup : earliest;
            try
            {
                var history = await histories.FromAsync(backup.Timeline, cancellationToken).ConfigureAwait(false);
                if (Problem(backup, history, target) is null)
                {
                    usable.Add(new Start(backup, history, chain));
                }
            }
            catch (WalRusException missing) when (missing.Code == ErrorCode.RecoveryWalMissing)
            {
                noHistory = missing;
            }
        }

        usable.Sort((left, right) => IsLater(left.Backup, right.Backup) ? -1 : IsLater(right.Backup, left.Backup) ? 1 : 0);
        return usable.Count > 0 ? usable : throw (earliest is null
            ? new WalRusException(
                ErrorCode.BackupNotFound,
                "The archive holds no backup to recover from.",
                "Check that the prefix is the right one.")
            : noHistory ?? Unreachable(target, earliest));
    }

    /// <summary>Looks for a name or a transaction on the way of each timeline that the backups lead to.</summary>
    private async Task<(Start Start, WalFact Record)> FindAsync(
        IReadOnlyList<Start> usable, RecoveryTarget target, WalSegmentSize size, CancellationToken cancellationToken)
    {
        RecoveryTargetLookup? failed = null;
        foreach (var group in usable.GroupBy(start => start.History.Timeline).OrderByDescending(group => group.Key))
        {
            var history = group.First().History;
            var path = new WalPath(history, size);
            var earliest = group.MinBy(start => start.Backup.StartLsn.Value)!.Backup;
            var end = await walCheck.FindEndAsync(earliest, path, cancellationToken).ConfigureAwait(false);
            var lookup = new RecoveryTargetLookup(archive, path, target, log);
            var found = end is { } last
                ? await lookup.FindAsync(group.Select(start => start.Backup), last, cancellationToken).ConfigureAwait(false)
                : null;
            if (found is not null)
            {
                return (group.First(start => start.Backup.Name == found.Backup.Name), found.Record);
            }

            failed = failed?.Unreached is null ? lookup : failed;
        }

        throw NotFound(target, failed!, usable);
    }

    /// <summary>What recovery to a time will come to. Says too when PostgreSQL would take the end of the archive for a failure.</summary>
    private async Task<RecoveryPlan> WithLastCommitAsync(
        RecoveryPlan plan, WalPath path, DateTimeOffset time, CancellationToken cancellationToken)
    {
        var lookup = new LastCommitLookup(archive, path);
        await lookup.FindAsync(
            time,
            plan.Target.Inclusive,
            plan.FirstSegment.SegmentNumber(path.Size),
            plan.LastSegment.SegmentNumber(path.Size),
            cancellationToken).ConfigureAwait(false);
        return plan with
        {
            Stop = lookup.Last,
            Warnings = lookup is { Last: { } last, Next: null } && plan.Warnings.Count == 0
                ? [$"The last transaction in the archived WAL ended at {RecoveryText.Of(last.Time!.Value)}, before the target: PostgreSQL ends "
                    + "the recovery with an error unless a later one is archived by then. Without a target it recovers to the end."]
                : plan.Warnings,
        };
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
            return $"it ended at {RecoveryText.Of(EndOf(backup))}, after the target";
        }

        return target.Lsn is { } lsn && backup.FinishLsn > lsn ? $"it ended at {backup.FinishLsn}, after the target" : null;
    }

    private static WalRusException Unreachable(RecoveryTarget target, BackupDetail earliest)
    {
        var wanted = target switch
        {
            { Time: { } time } => $"before {RecoveryText.Of(time)}",
            { Lsn: { } lsn } => $"before {lsn}",
            _ => "on the way to the target's timeline",
        };
        return new WalRusException(
            ErrorCode.RecoveryTargetUnreachable,
            $"No backup of this archive ends {wanted}" + (target.Timeline is { } timeline ? $" (timeline {timeline})." : "."),
            $"The earliest that can be reached is the end of '{earliest.Name}': {RecoveryText.Of(EndOf(earliest))}, {earliest.FinishLsn}, timeline {earliest.Timeline}.");
    }

    private static WalRusException NotFound(
        RecoveryTarget target, RecoveryTargetLookup lookup, IReadOnlyList<Start> usable)
    {
        var wanted = target.Name is { } name ? $"restore point '{name}'" : $"end of transaction {target.Xid}";
        var earliest = usable[^1].Backup;
        if (lookup.Unreached is { } record)
        {
            return new WalRusException(
                ErrorCode.RecoveryTargetUnreachable,
                $"No backup of this archive ends before the {wanted} ({RecoveryText.Of(record)}).",
                $"The earliest that can be reached is the end of '{earliest.Name}': "
                    + $"{earliest.FinishLsn}, timeline {earliest.Timeline}.");
        }

        var timelines = string.Join(", ", usable.Select(start => start.History.Timeline).Distinct());
        var nearby = lookup.Nearby.Text;
        return new WalRusException(
            lookup.Obstacle is { IsMissing: true } ? ErrorCode.RecoveryWalMissing : ErrorCode.RecoveryTargetUnreachable,
            $"The archived WAL from '{earliest.Name}' on holds no {wanted} on the way to timeline {timelines}"
                + (lookup.Obstacle is { } obstacle ? $", as far as it can be read ({obstacle.Reason})." : "."),
            (nearby.Length > 0 ? $"The nearest are {nearby}. " : "")
                + "It may not be archived yet, or lie on another timeline (Find-PgRecoveryPoint looks at all of them).");
    }

    private sealed record Start(BackupDetail Backup, TimelineHistory History, IReadOnlyList<BackupDetail> Chain);
}
