using System.Management.Automation;
using WalRus.Retention;

namespace WalRus.Cmdlets;

/// <summary>Deletes backups. WAL stays: Clear-PgArchive -Garbage takes what no backup needs any more.</summary>
[Cmdlet(VerbsCommon.Remove, "PgBackup", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(PgArchiveObject))]
public sealed class RemovePgBackupCommand : DeletingCmdlet
{
    private readonly List<string> names = [];

    /// <summary>The backups, by their whole names.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(BackupNameCompleter))]
    public string[] Name { get; set; } = [];

    /// <summary>Delete also the deltas that are based on them.</summary>
    [Parameter]
    public SwitchParameter IncludeDelta { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => names.AddRange(Name);

    /// <summary>All together: a delta and what it is based on may come in any order.</summary>
    protected override void EndProcessing()
    {
        if (names.Count == 0)
        {
            return;
        }

        var what = names.Count == 1 ? names[0] : FormattableString.Invariant($"{names[0]} and {names.Count - 1} more");
        Delete(names.Count == 1 ? names[0] : names.ToArray(), what, (_, planner, inventory) =>
        {
            var selected = names.Distinct(StringComparer.Ordinal).Select(name => inventory.Find(name) ?? throw new WalRusException(
                ErrorCode.BackupNotFound, $"There is no backup '{name}'.", "Get-BackupList shows those there are.")).ToList();
            if (!IncludeDelta)
            {
                RequireNoDeltas(inventory, selected);
            }

            return planner.PlanBackupsAsync(inventory, selected, StopToken);
        });
    }

    private static void RequireNoDeltas(BackupInventory inventory, List<ArchivedBackup> selected)
    {
        var deltas = inventory.WithDeltas(selected);
        deltas.ExceptWith(selected);
        if (deltas.Count > 0)
        {
            throw new WalRusException(
                ErrorCode.BackupNeeded,
                $"Deltas are based on what is to be deleted: {string.Join(", ", deltas.Take(5).Select(delta => delta.Name))}"
                    + (deltas.Count > 5 ? " and others." : "."),
                "Delete them too with -IncludeDelta, or delete something else.");
        }
    }
}
