using System.Management.Automation;
using WalRus.Archiving;
using WalRus.Retention;

namespace WalRus.Cmdlets;

/// <summary>Base of the two cmdlets that mark backups.</summary>
public abstract class MarkingCmdlet : WalRusCmdlet
{
    /// <summary>The backups.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(BackupNameCompleter))]
    public string[] Name { get; set; } = [];

    internal abstract string Action { get; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var name in Name)
        {
            if (!ShouldProcess(name, Action)
                || !TryRun(name, pump => MarkAsync(Engine(pump).Backups, Engine(pump).CreateBackupMark(), name), out var marked))
            {
                continue;
            }

            foreach (var backup in marked!)
            {
                WriteObject(PgBackup.From(backup));
            }
        }
    }

    internal abstract Task<BackupMarkResult> MarkAsync(BackupMark mark, BackupDetail backup);

    /// <summary>Each that was changed, and the one asked for.</summary>
    private async Task<IReadOnlyList<BackupDetail>> MarkAsync(BackupCatalog backups, BackupMark mark, string name)
    {
        var backup = await backups.FindAsync(name, StopToken).ConfigureAwait(false);
        var result = await MarkAsync(mark, backup).ConfigureAwait(false);
        var changed = new List<BackupDetail>();
        foreach (var one in result.Marked.Select(one => one.Name).Append(backup.Name).Distinct())
        {
            changed.Add(await backups.FindAsync(one.ToString(), StopToken).ConfigureAwait(false));
        }

        return changed;
    }
}
