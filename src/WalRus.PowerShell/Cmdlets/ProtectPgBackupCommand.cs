using System.Management.Automation;
using WalRus.Archiving;
using WalRus.Retention;

namespace WalRus.Cmdlets;

/// <summary>Marks backups permanent, with all they are based on.</summary>
[Cmdlet(VerbsSecurity.Protect, "PgBackup", SupportsShouldProcess = true)]
[OutputType(typeof(PgBackup))]
public sealed class ProtectPgBackupCommand : MarkingCmdlet
{
    internal override string Action => "Mark as permanent";

    internal override Task<BackupMarkResult> MarkAsync(BackupMark mark, BackupDetail backup) =>
        mark.MakePermanentAsync(backup, StopToken);
}
