using System.Text.Json;
using WalRus.Archiving;
using WalRus.Cli.CommandLine;
using WalRus.Configuration;
using WalRus.Retention;

namespace WalRus.Cli.Commands;

/// <summary>What the forms of delete choose from.</summary>
internal sealed class DeleteContext(Invocation call, WalRusEngine engine, DeletionPlanner planner, BackupInventory inventory)
{
    public BackupInventory Inventory => inventory;

    public DeletionPlanner Planner => planner;

    public DeletionTargets Targets => new(inventory, Order);

    /// <summary>wal-g's --use-sentinel-time, where every backup has what it takes.</summary>
    private BackupOrder Order
    {
        get
        {
            if (!call.Has("use-sentinel-time"))
            {
                return default;
            }

            var lacking = inventory.Backups.FirstOrDefault(backup => backup.HasSentinel && (!backup.HasMetadata || backup.StartTime is null));
            if (lacking is not null)
            {
                call.Log.Warning("SentinelTimeUnknown", $"Backups are ordered by their names: when {lacking.Name} was begun is not known");
            }

            return new BackupOrder(ByStartTime: lacking is null);
        }
    }

    public DeletionPlan? PlanBefore(ArchivedBackup? target)
    {
        if (target is null)
        {
            return null;
        }

        var plan = planner.PlanBefore(inventory, target, Order);
        SayStarted();
        return plan;
    }

    public DeletionPlan? PlanGarbage(GarbageScope scope, bool withoutBackupCheck)
    {
        call.Log.Info("GarbageMode", scope switch
        {
            GarbageScope.Archives => "Running in ARCHIVES mode. Will remove outdated WAL files.",
            GarbageScope.Backups => "Running in BACKUPS mode. Will remove leftover backup files.",
            _ => "Running in default mode. Will remove outdated WAL files and leftover backup files.",
        });
        var oldest = DeletionPlanner.OldestForGarbage(inventory);
        foreach (var backup in inventory.Backups.TakeWhile(backup => backup != oldest).Where(backup => backup.IsPermanent))
        {
            call.Log.Info(
                "NotEligible", $"Backup {backup.Name} is permanent, it is not eligible to be selected as the oldest backup");
        }

        var plan = planner.PlanGarbage(inventory, scope, withoutBackupCheck);
        SayStarted();
        return plan;
    }

    /// <summary>The backup that delete target names.</summary>
    public async Task<ArchivedBackup?> SelectAsync(string? name, JsonElement? userData, CancellationToken cancellationToken)
    {
        try
        {
            if (userData is { } data)
            {
                call.Log.Info("Selecting", "Selecting the backup with the given user data...");
                name = (await engine.Backups.FindByUserDataAsync(data, cancellationToken).ConfigureAwait(false)).Name.ToString();
            }
            else if (name == BackupCatalog.Latest)
            {
                call.Log.Info("Selecting", "Selecting the latest backup...");
                name = (await engine.Backups.FindAsync(name, cancellationToken).ConfigureAwait(false)).Name.ToString();
            }
            else
            {
                call.Log.Info("Selecting", $"Selecting the backup with name {name}...");
            }
        }
        catch (WalRusException none) when (none.Code == ErrorCode.BackupNotFound)
        {
            return null;
        }

        return inventory.Find(name!);
    }

    /// <summary>With FIND_FULL the whole family of the full backup it comes from.</summary>
    public async Task<DeletionPlan?> PlanTargetAsync(
        ArchivedBackup selected, DeletionModifier modifier, CancellationToken cancellationToken)
    {
        ArchivedBackup[] chosen = modifier == DeletionModifier.FindFull ? [.. inventory.WithParents([selected])] : [selected];
        var plan = await planner.PlanBackupsAsync(inventory, chosen, cancellationToken).ConfigureAwait(false);
        return plan;
    }

    private void SayStarted() => call.Log.Info("DeleteStarted", "Start delete");
}
