using System.Management.Automation;
using WalRus.Archiving;
using WalRus.Retention;

namespace WalRus.Cmdlets;

/// <summary>Takes the mark of a permanent backup away.</summary>
[Cmdlet(VerbsSecurity.Unprotect, "PgBackup", SupportsShouldProcess = true)]
[OutputType(typeof(PgBackup))]
public sealed class UnprotectPgBackupCommand : MarkingCmdlet
{
    internal override string Action => "Mark as not permanent";

    internal override Task<BackupMarkResult> MarkAsync(BackupMark mark, BackupDetail backup) =>
        mark.MakeImpermanentAsync(backup, StopToken);
}
