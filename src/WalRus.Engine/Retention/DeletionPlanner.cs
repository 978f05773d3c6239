using System.Globalization;
using WalRus.Archiving;
using WalRus.WalG;

namespace WalRus.Retention;

/// <summary>How this installation deletes.</summary>
public sealed record DeletionOptions
{
    /// <summary>
    /// <c>WALRUS_UNFINISHED_BACKUP_AGE</c>: a backup without a sentinel counts as being written just now, and is left
    /// alone with all it needs, until its newest object is older than this.
    /// </summary>
    public TimeSpan UnfinishedAge { get; init; } = TimeSpan.FromDays(1);

    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>What garbage is looked for among.</summary>
public enum GarbageScope
{
    All,

    /// <summary>WAL only.</summary>
    Archives,

    /// <summary>What is left of backups only.</summary>
    Backups,
}

/// <summary>
/// Turns what is asked into plans. Whatever is asked, what a backup that stays needs stays with it: its parents, the WAL
/// it becomes consistent with; and of a backup that is being written, or cannot be read, everything it could need.
/// </summary>
public sealed class DeletionPlanner(Archive archive, DeletionOptions options, IEventLog log)
{
    private const int MaxMetadataBytes = 4 << 20;
    private const int MaxNamed = 20;

    public Task<BackupInventory> ReadAsync(CancellationToken cancellationToken) =>
        BackupInventory.ReadAsync(archive, log, options.Time.GetUtcNow() - options.UnfinishedAge, cancellationToken);

    /// <summary>Everything older than a backup, by wal-g's order.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.InvalidArgument"/>: it is a delta.</exception>
    public DeletionPlan PlanBefore(BackupInventory inventory, ArchivedBackup target, BackupOrder order)
    {
        if (target.IsDelta)
        {
            throw new WalRusException(
                ErrorCode.InvalidArgument,
                $"{target.Name}{WalGLayout.SentinelSuffix} is incremental and it's predecessors cannot be deleted. Consider FIND_FULL option.");
        }

        var decisions = Decide(inventory, backup => backup switch
        {
            { State: ArchivedBackupState.Leftover } when order.IsOlder(backup, target) => Drop(backup, RetentionRule.Leftover, "it has no sentinel"),
            _ when Kept(backup) is { } kept => kept,
            _ when !order.IsOlder(backup, target) => Keep(backup, RetentionRule.NotSelected, $"it is not older than {target.Name}"),
            _ => Drop(backup, RetentionRule.Obsolete, $"it is older than {target.Name}"),
        });
        var wal = Requirement(inventory, decisions);
        wal.AddFromOnTimeline(target.Name.StartSegment, RetentionRule.NotSelected, $"it is not older than {target.Name}");
        if (order.ByStartTime)
        {
            wal.KeepFrom(target.Name.StartSegment);
        }
        else
        {
            wal.KeepAbove = target.Timeline;
        }

        return new DeletionPlan(inventory, decisions, wal);
    }

    /// <summary>These backups, and all that are based on them. WAL stays.</summary>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.BackupPermanent"/>, <see cref="ErrorCode.BackupNeeded"/>: one of them is being written.
    /// </exception>
    public async Task<DeletionPlan> PlanBackupsAsync(
        BackupInventory inventory, IReadOnlyCollection<ArchivedBackup> selected, CancellationToken cancellationToken)
    {
        var dropped = inventory.WithDeltas(selected);
        foreach (var backup in dropped)
        {
            if (backup.IsPermanent)
            {
                throw Permanent([backup]);
            }

            if (backup.State == ArchivedBackupState.Unfinished
                && !await WasCompleteAsync(backup, cancellationToken).ConfigureAwait(false))
            {
                throw BeingWritten(backup, selected);
            }
        }

        return new DeletionPlan(
            inventory,
            Decide(inventory, backup => !dropped.Contains(backup) ? Keep(backup, RetentionRule.NotSelected, "it was not asked for")
                : selected.Contains(backup) ? Drop(backup, RetentionRule.Selected, "it was asked for")
                : Drop(backup, RetentionRule.DeltaOfSelected, "it is based on a backup that goes")),
            wal: null);
    }

    /// <summary>
    /// What no backup needs: WAL older than every backup that is not permanent, but for what permanent ones need, and the
    /// remains of backups without a sentinel, wherever they are.
    /// </summary>
    /// <param name="inventory">The backups.</param>
    /// <param name="scope">Where to look.</param>
    /// <param name="withoutBackupCheck">WAL is garbage even when there is no backup to measure by.</param>
    public DeletionPlan PlanGarbage(BackupInventory inventory, GarbageScope scope, bool withoutBackupCheck)
    {
        var decisions = Decide(inventory, backup => backup.State == ArchivedBackupState.Leftover && scope != GarbageScope.Archives
            ? Drop(backup, RetentionRule.Leftover, "it has no sentinel")
            : Kept(backup) ?? Keep(backup, RetentionRule.NotSelected, "it is a whole backup"));
        var oldest = OldestForGarbage(inventory);
        if (scope == GarbageScope.Backups || (oldest is null && !withoutBackupCheck))
        {
            return new DeletionPlan(inventory, decisions, wal: null);
        }

        var wal = Requirement(inventory, decisions);
        if (oldest is not null)
        {
            wal.AddFromOnTimeline(oldest.Name.StartSegment, RetentionRule.NotSelected, $"it is not older than {oldest.Name}");
            wal.KeepAbove = oldest.Timeline;
        }

        return new DeletionPlan(inventory, decisions, wal);
    }

    /// <summary>The backup that decides which WAL is garbage; null when all are permanent or there is none.</summary>
    public static ArchivedBackup? OldestForGarbage(BackupInventory inventory) =>
        inventory.Backups.FirstOrDefault(backup => backup is { State: ArchivedBackupState.Complete, IsPermanent: false });

    /// <summary>The whole archive, but not what is not ours.</summary>
    /// <param name="inventory">The backups.</param>
    /// <param name="force">Permanent backups and those being written too.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupPermanent"/>, <see cref="ErrorCode.BackupNeeded"/>.</exception>
    public static DeletionPlan PlanEverything(BackupInventory inventory, bool force)
    {
        var permanent = inventory.Backups.Where(backup => backup.IsPermanent).ToList();
        if (permanent.Count > 0 && !force)
        {
            throw Permanent(permanent);
        }

        if (!force && inventory.Backups.FirstOrDefault(backup => backup.State == ArchivedBackupState.Unfinished) is { } running)
        {
            throw BeingWritten(running, [running]);
        }

        return new DeletionPlan(
            inventory, [.. inventory.Backups.Select(backup => Drop(backup, RetentionRule.Selected, "everything was to go"))], wal: null)
        {
            IsEverything = true,
        };
    }

    /// <summary>What a policy drops, as of now.</summary>
    public async Task<DeletionPlan> PlanPolicyAsync(
        BackupInventory inventory, RetentionPolicy policy, CancellationToken cancellationToken)
    {
        var pasts = new TimelinePasts(new WalCatalog(archive), log);
        var choice = new PolicyChoice(inventory, policy, options.Time.GetUtcNow());
        var starts = await new RecoveryStarts(archive, inventory, pasts)
            .FindAsync(policy.PointInTimeWindow is { } window ? options.Time.GetUtcNow() - window : null, choice, cancellationToken)
            .ConfigureAwait(false);
        foreach (var start in starts.Where(_ => policy.PointInTimeWindow is not null))
        {
            choice.Keep(start, RetentionRule.PointInTimeWindow, "recovery to the beginning of the window starts here");
        }

        var decisions = Decide(inventory, backup => backup.State == ArchivedBackupState.Leftover
            ? Drop(backup, RetentionRule.Leftover, "it has no sentinel")
            : Kept(backup) ?? choice.Of(backup));
        if (starts.Count == 0)
        {
            return new DeletionPlan(inventory, decisions, wal: null);
        }

        var wal = Requirement(inventory, decisions, pasts);
        foreach (var start in starts)
        {
            wal.AddFrom(
                start.Name.StartSegment,
                policy.PointInTimeWindow is null ? RetentionRule.NeededByBackup : RetentionRule.PointInTimeWindow,
                $"recovery from {start.Name} to later moments needs it");
        }

        return new DeletionPlan(inventory, decisions, wal);
    }

    /// <summary>The WAL segments that permanent backups reserve, for wal-g's line about them.</summary>
    public IEnumerable<string> ReservedSegments(BackupInventory inventory)
    {
        var wal = new WalRequirement(new TimelinePasts(new WalCatalog(archive), log), SegmentSizeOfBackups.Find(inventory.Backups));
        return inventory.Backups.Where(backup => backup.IsPermanent)
            .SelectMany(wal.ReservedBy).Select(segment => segment.ToString()).Distinct().Order(StringComparer.Ordinal);
    }

    private static BackupDecision Keep(ArchivedBackup backup, RetentionRule rule, string why) => new(backup, true, rule, why);

    private static BackupDecision Drop(ArchivedBackup backup, RetentionRule rule, string why) => new(backup, false, rule, why);

    /// <summary>What stays whatever is asked; null for all else.</summary>
    private static BackupDecision? Kept(ArchivedBackup backup) => backup switch
    {
        { State: ArchivedBackupState.Unfinished } => Keep(
            backup, RetentionRule.BeingWritten,
            string.Create(CultureInfo.InvariantCulture, $"it has no sentinel yet, and an object of {backup.Modified.UtcDateTime:u}")),
        { State: ArchivedBackupState.Unreadable } => Keep(backup, RetentionRule.Unreadable, "its sentinel cannot be read"),
        { IsPermanent: true } => Keep(backup, RetentionRule.Permanent, "it is permanent"),
        _ => null,
    };

    /// <summary>Decides for each, then takes back what one that stays is based on.</summary>
    private static List<BackupDecision> Decide(BackupInventory inventory, Func<ArchivedBackup, BackupDecision> decide)
    {
        var decisions = inventory.Backups.Select(decide).ToList();
        var staying = inventory.WithParents(decisions
            .Where(decision => decision.Keeps && decision.Backup.State != ArchivedBackupState.Leftover)
            .Select(decision => decision.Backup));
        for (var index = 0; index < decisions.Count; index++)
        {
            var backup = decisions[index].Backup;
            if (!decisions[index].Keeps && staying.Contains(backup))
            {
                var child = inventory.ChildrenOf(backup).First(staying.Contains);
                decisions[index] = Keep(backup, RetentionRule.NeededByDelta, $"{child.Name} is based on it");
            }
        }

        return decisions;
    }

    private static WalRusException Permanent(IReadOnlyList<ArchivedBackup> backups) => new(
        ErrorCode.BackupPermanent,
        $"Found permanent backups=[{string.Join(' ', backups.Take(MaxNamed).Select(backup => backup.Name))}{(backups.Count > MaxNamed ? " ..." : "")}]",
        "Unmark what may go (backup-mark -i, Unprotect-PgBackup); delete everything takes FORCE.");

    private static WalRusException BeingWritten(ArchivedBackup backup, IEnumerable<ArchivedBackup> selected) => new(
        ErrorCode.BackupNeeded,
        string.Create(
            CultureInfo.InvariantCulture,
            $"'{backup.Name}' has no sentinel, and its newest object is of {backup.Modified.UtcDateTime:u}: it may be being written.")
            + (selected.Contains(backup) ? "" : " It would be based on a backup that is to go."),
        "Wait for its end. If it was broken off, it can go once it is older than WALRUS_UNFINISHED_BACKUP_AGE.");

    private WalRequirement Requirement(
        BackupInventory inventory, IEnumerable<BackupDecision> decisions, TimelinePasts? pasts = null)
    {
        var wal = new WalRequirement(
            pasts ?? new TimelinePasts(new WalCatalog(archive), log), SegmentSizeOfBackups.Find(inventory.Backups));
        foreach (var decision in decisions.Where(decision => decision.Keeps && decision.Backup.State != ArchivedBackupState.Leftover))
        {
            wal.AddBackup(decision.Backup);
        }

        return wal;
    }

    /// <summary>
    /// A folder with a metadata.json that tells where the backup ended is what a broken-off deletion left: writers put
    /// that one just before the sentinel.
    /// </summary>
    private async Task<bool> WasCompleteAsync(ArchivedBackup backup, CancellationToken cancellationToken)
    {
        try
        {
            var json = await archive
                .ReadDocumentAsync(WalGLayout.Metadata(backup.Name), MaxMetadataBytes, cancellationToken).ConfigureAwait(false);
            return json is not null && BackupMetadata.Parse(json).FinishLsn.IsValid;
        }
        catch (WalRusException unreadable) when (unreadable.Code is ErrorCode.BackupUnreadable or ErrorCode.ObjectCorrupt)
        {
            return false;
        }
    }
}
