using System.Management.Automation;
using WalRus.Retention;

namespace WalRus.Cmdlets;

/// <summary>Deletes what is old, what nothing needs, or everything.</summary>
[Cmdlet(VerbsCommon.Clear, "PgArchive", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(PgArchiveObject))]
public sealed class ClearPgArchiveCommand : DeletingCmdlet
{
    private const string GarbageSet = "Garbage";
    private const string BackupSet = "BeforeBackup";
    private const string TimeSet = "BeforeTime";
    private const string EverythingSet = "Everything";

    /// <summary>WAL that no backup needs, and what is left of backups that were broken off.</summary>
    [Parameter(Mandatory = true, ParameterSetName = GarbageSet)]
    public SwitchParameter Garbage { get; set; }

    /// <summary>Where to look for garbage.</summary>
    [Parameter(ParameterSetName = GarbageSet)]
    [ValidateSet("All", "Archives", "Backups")]
    public string Scope { get; set; } = "All";

    /// <summary>WAL is garbage even when there is no backup to measure by.</summary>
    [Parameter(ParameterSetName = GarbageSet)]
    public SwitchParameter WithoutBackupCheck { get; set; }

    /// <summary>Everything older than this backup: the newest whose name starts so.</summary>
    [Parameter(Mandatory = true, ParameterSetName = BackupSet, ValueFromPipelineByPropertyName = true)]
    [Alias("Name")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(BackupNameCompleter))]
    public string BeforeBackup { get; set; } = "";

    /// <summary>Everything older than the oldest backup of this time or later.</summary>
    [Parameter(Mandatory = true, ParameterSetName = TimeSet)]
    public DateTimeOffset BeforeTime { get; set; }

    /// <summary>If that backup is a delta, go back to the next full one; without it that is an error.</summary>
    [Parameter(ParameterSetName = BackupSet)]
    [Parameter(ParameterSetName = TimeSet)]
    public SwitchParameter FindFull { get; set; }

    /// <summary>The whole archive.</summary>
    [Parameter(Mandatory = true, ParameterSetName = EverythingSet)]
    public SwitchParameter Everything { get; set; }

    /// <summary>Permanent backups and those being written too.</summary>
    [Parameter(ParameterSetName = EverythingSet)]
    public SwitchParameter Force { get; set; }

    private DeletionModifier Modifier => FindFull ? DeletionModifier.FindFull : DeletionModifier.None;

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        switch (ParameterSetName)
        {
            case GarbageSet:
                Delete(null, "Garbage", (_, planner, inventory) => Task.FromResult(
                    planner.PlanGarbage(inventory, Enum.Parse<GarbageScope>(Scope), WithoutBackupCheck)));
                break;
            case BackupSet:
                Delete(BeforeBackup, $"All before {BeforeBackup}", (_, planner, inventory) => Task.FromResult(PlanBefore(
                    planner, inventory, new DeletionTargets(inventory, default).Named(BeforeBackup, Modifier))));
                break;
            case TimeSet:
                Delete(BeforeTime, $"All before {BeforeTime:u}", (_, planner, inventory) => Task.FromResult(PlanBefore(
                    planner, inventory, new DeletionTargets(inventory, default).Since(BeforeTime, Modifier))));
                break;
            default:
                Delete(null, "The whole archive", (_, _, inventory) => Task.FromResult(DeletionPlanner.PlanEverything(inventory, Force)));
                break;
        }
    }

    private static DeletionPlan PlanBefore(DeletionPlanner planner, BackupInventory inventory, ArchivedBackup? target) =>
        target is not null ? planner.PlanBefore(inventory, target, default) : throw new WalRusException(
            ErrorCode.BackupNotFound,
            "There is no backup before which all could be deleted: none that can be restored is so named, or so new.",
            "Get-BackupList shows those there are.");
}
