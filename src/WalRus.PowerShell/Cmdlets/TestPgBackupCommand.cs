using System.Globalization;
using System.Management.Automation;
using System.Text;
using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Drill;
using WalRus.Postgres;

namespace WalRus.Cmdlets;

/// <summary>
/// The restore drill: a backup is restored into a temporary folder, recovered on a throwaway server that can touch
/// nobody, examined, and removed. One object a backup.
/// </summary>
[Cmdlet(VerbsDiagnostic.Test, "PgBackup", SupportsShouldProcess = true, DefaultParameterSetName = "Consistency")]
[OutputType(typeof(PgBackupDrill))]
public sealed class TestPgBackupCommand : WalRusCmdlet
{
    private BackupDrillRequest? asked;
    private string? historyPath;

    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(BackupNameCompleter))]
    [ValidateNotNullOrEmpty]
    public string[] Name { get; set; } = [BackupCatalog.Latest];

    [Parameter(Mandatory = true, ParameterSetName = "Time")]
    public DateTimeOffset TargetTime { get; set; }

    [Parameter(Mandatory = true, ParameterSetName = "Lsn")]
    [ValidateNotNullOrEmpty]
    public string TargetLsn { get; set; } = "";

    [Parameter(Mandatory = true, ParameterSetName = "Name")]
    [ValidateNotNullOrEmpty]
    public string TargetName { get; set; } = "";

    [Parameter(Mandatory = true, ParameterSetName = "End")]
    public SwitchParameter TargetEnd { get; set; }

    [Parameter]
    [ValidatePattern("^(latest|current|[0-9]+)$")]
    public string? TargetTimeline { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? WorkFolder { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? PostgresBin { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string RunAs { get; set; } = "postgres";

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string UserName { get; set; } = "postgres";

    [Parameter]
    [ValidateRange(1L << 20, 1L << 40)]
    public long SharedBuffers { get; set; } = 64L << 20;

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] PreloadLibrary { get; set; } = [];

    [Parameter]
    public SwitchParameter SkipChecksum { get; set; }

    [Parameter]
    public SwitchParameter SkipAmcheck { get; set; }

    [Parameter]
    public SwitchParameter HeapAllIndexed { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] Sql { get; set; } = [];

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] SqlFile { get; set; } = [];

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string Database { get; set; } = "postgres";

    [Parameter]
    [ValidateNotNull]
    public object?[]? Expected { get; set; }

    [Parameter]
    [ValidateNotNull]
    public ScriptBlock? Assert { get; set; }

    [Parameter]
    public SwitchParameter CountRows { get; set; }

    [Parameter]
    [ValidateNotNull]
    public object? Baseline { get; set; }

    [Parameter]
    [ValidateRange(0, 100)]
    public double TolerancePercent { get; set; }

    [Parameter]
    public SwitchParameter KeepOnFailure { get; set; }

    [Parameter]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromHours(12);

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? HistoryPath { get; set; }

    [Parameter]
    public SwitchParameter NoHistory { get; set; }

    /// <inheritdoc/>
    protected override void BeginProcessing()
    {
        base.BeginProcessing();
        try
        {
            // What is wrong with these is wrong for every backup.
            asked = Request();
        }
        catch (Exception wrong) when (wrong is WalRusException or FormatException or IOException or UnauthorizedAccessException)
        {
            ThrowTerminatingError(EngineErrors.ToRecord(wrong, null));
        }
    }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var name in Name)
        {
            Drill(asked! with { BackupName = name });
        }
    }

    private bool IsWhatIf => MyInvocation.BoundParameters.TryGetValue("WhatIf", out var given)
        ? (SwitchParameter)given : LanguagePrimitives.IsTrue(GetVariableValue("WhatIfPreference"));

    private RecoveryTarget Target => new()
    {
        Time = ParameterSetName == "Time" ? TargetTime : null,
        Lsn = ParameterSetName == "Lsn" ? Lsn.Parse(TargetLsn) : null,
        Name = ParameterSetName == "Name" ? TargetName : null,
        Immediate = ParameterSetName == "Consistency",
        Timeline = TargetTimeline,
    };

    private void Drill(BackupDrillRequest request)
    {
        var description = $"Restore {request.BackupName} below {request.ParentFolder}, recover it on a throwaway server, examine and remove it";
        if (IsWhatIf)
        {
            if (!TryRun(request.BackupName, pump => Engine(pump).CreateBackupDrill().PlanAsync(request, StopToken), out var plan))
            {
                return;
            }

            description = Describe(plan!, request);
        }

        if (!ShouldProcess(description, description, "Restore drill")
            || !TryRun(request.BackupName, pump => RunAsync(request, pump), out var result))
        {
            return;
        }

        WriteObject(PgBackupDrill.From(result!));
        if (result!.FirstFailure is { } failure)
        {
            WriteError(EngineErrors.ToRecord(
                new WalRusException(
                    ErrorCode.DrillFailed,
                    $"The drill of '{result.BackupName}' failed in phase {failure.Name}: {failure.Message}",
                    failure.Hint ?? "Look at the Phases of the result; -KeepOnFailure keeps the restored cluster to look into."),
                result.BackupName));
        }
    }

    private async Task<BackupDrillResult> RunAsync(BackupDrillRequest request, PipelinePump pump)
    {
        var judged = request with
        {
            Progress = pump,
            Queries = Assert is null ? request.Queries :
            [
                .. request.Queries.Select(query => query with
                {
                    Assert = answer => pump.InvokeAsync(() => DrillQuestions.Judge(Assert, answer), StopToken),
                }),
            ],
        };
        var result = await Engine(pump).CreateBackupDrill().RunAsync(judged, StopToken).ConfigureAwait(false);
        if (!NoHistory)
        {
            await RememberAsync(result, pump).ConfigureAwait(false);
        }

        return result;
    }

    /// <summary>A drill that cannot be remembered has been done all the same.</summary>
    private async Task RememberAsync(BackupDrillResult result, PipelinePump pump)
    {
        try
        {
            await new DrillHistory(historyPath ?? throw new WalRusException(
                ErrorCode.FileNotFound, "this account has no home folder"))
                .AppendAsync(DrillHistoryEntry.From(result), StopToken).ConfigureAwait(false);
        }
        catch (WalRusException failure)
        {
            pump.Write(new LogEvent(EventLevel.Warning, "DrillNotRemembered", $"The drill was not added to the history: {failure.Message}"));
        }
    }

    private BackupDrillRequest Request()
    {
        historyPath = NoHistory ? null : HistoryPath is null ? DrillHistoryFile.Default : ResolvePath(HistoryPath);
        return new BackupDrillRequest
        {
            BackupName = BackupCatalog.Latest,
            Target = Target,
            ParentFolder = WorkFolder is null ? Path.GetTempPath() : ResolvePath(WorkFolder),
            PostgresBin = PostgresBin is null ? null : ResolvePath(PostgresBin),
            AccountWhenRoot = RunAs,
            UserName = UserName,
            SharedBuffersBytes = SharedBuffers,
            PreloadLibraries = PreloadLibrary,
            Checksums = !SkipChecksum,
            Structure = !SkipAmcheck,
            HeapAllIndexed = HeapAllIndexed,
            Queries = Queries(),
            CountRows = CountRows,
            Baseline = Baseline is null ? null : DrillQuestions.Baseline(Baseline),
            TolerancePercent = TolerancePercent,
            KeepOnFailure = KeepOnFailure,
            Timeout = Timeout,
        };
    }

    /// <summary>Texts first, then files; expected values go with them in this order.</summary>
    private List<DrillQuery> Queries()
    {
        var queries = Sql.Select(text => new DrillQuery(text, text))
            .Concat(SqlFile.Select(file => new DrillQuery(Path.GetFileName(file), File.ReadAllText(ResolvePath(file)))))
            .Select((query, index) => query with
            {
                Database = Database,
                Expected = Expected is not null && index < Expected.Length ? DrillQuestions.Expected(Expected[index]) : null,
            }).ToList();
        return (Expected is null || Expected.Length == queries.Count) && (Assert is null || queries.Count > 0)
            ? queries
            : throw new WalRusException(
                ErrorCode.InvalidArgument,
                $"{queries.Count} queries are given and {Expected?.Length ?? 0} expected values{(Assert is null ? "" : ", and an assertion")}.",
                "Give -Sql or -SqlFile, and one -Expected value for each of them.");
    }

    private static string Describe(BackupDrillPlan plan, BackupDrillRequest request)
    {
        var culture = CultureInfo.CurrentCulture;
        var recovery = plan.Recovery;
        var text = new StringBuilder();
        text.Append(culture, $"Restore {plan.Backup.Name} (finished {plan.Backup.FinishTime?.LocalDateTime:g}, {ByteText.Of(plan.Backup.CompressedSize)} stored, ")
            .AppendLine(culture, $"{ByteText.Of(plan.Backup.UncompressedSize)} restored) into a folder of its own below {request.ParentFolder}.")
            .AppendLine(culture, $"About {ByteText.Of(plan.NeededBytes)} are needed there, {ByteText.Of(plan.FreeBytes)} are free.")
            .AppendLine(culture, $"Replay WAL from {recovery.FirstSegment} to {recovery.LastSegment} at most, with PostgreSQL of {plan.Installation.BinFolder}.")
            .Append(culture, $"Phases: {string.Join(", ", plan.Phases)}.");
        foreach (var warning in recovery.Warnings)
        {
            text.AppendLine().Append(warning);
        }

        return text.ToString();
    }
}
