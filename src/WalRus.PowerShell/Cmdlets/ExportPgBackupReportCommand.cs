using System.Management.Automation;
using WalRus.Drill;
using WalRus.Reporting;

namespace WalRus.Cmdlets;

/// <summary>Writes one self-contained HTML page about an archive.</summary>
[Cmdlet(VerbsData.Export, "PgBackupReport", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Low)]
[OutputType(typeof(PgBackupReport))]
public sealed class ExportPgBackupReportCommand : WalRusCmdlet
{
    [Parameter(Mandatory = true, Position = 0)]
    [Alias("FilePath")]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = "";

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string Title { get; set; } = "PostgreSQL backup report";

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? HistoryPath { get; set; }

    [Parameter]
    public SwitchParameter Sample { get; set; }

    [Parameter]
    public TimeSpan RecoveryPointLimit { get; set; } = TimeSpan.FromHours(1);

    [Parameter]
    public TimeSpan BackupAgeLimit { get; set; } = TimeSpan.FromDays(8);

    [Parameter]
    public TimeSpan DrillAgeLimit { get; set; } = TimeSpan.FromDays(30);

    [Parameter]
    public SwitchParameter NoClobber { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var path = ResolvePath(Path);
        if (NoClobber && File.Exists(path))
        {
            WriteError(EngineErrors.ToRecord(
                new WalRusException(
                    ErrorCode.FileExists, $"'{path}' exists already.", "Leave out -NoClobber, or give another path."), path));
            return;
        }

        var history = HistoryPath is null ? DrillHistoryFile.Default : ResolvePath(HistoryPath);
        if (ShouldProcess(path, "Write a report") && TryRun(path, pump => WriteAsync(path, history, pump), out var result))
        {
            WriteObject(PgBackupReport.From(result!));
        }
    }

    private Task<BackupReportResult> WriteAsync(string path, string? history, PipelinePump pump)
    {
        var engine = Engine(pump);
        return engine.CreateBackupReport().RunAsync(
            new BackupReportRequest
            {
                Path = path,
                Title = Title,
                Location = engine.Location,
                Drills = history is null ? [] : new DrillHistory(history).Read(),
                Sample = Sample,
                RecoveryPointLimit = RecoveryPointLimit,
                BackupAgeLimit = BackupAgeLimit,
                DrillAgeLimit = DrillAgeLimit,
            },
            StopToken);
    }
}
