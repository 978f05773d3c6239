using System.Collections;
using System.Globalization;
using System.Management.Automation;
using System.Text;
using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Cmdlets;

/// <summary>
/// <para type="synopsis">Restores a base backup and sets up recovery to a point in time.</para>
/// <para type="description">Restore-PgBackup picks the newest backup that ends before the target, checks that the WAL from it to the
/// target is in the archive, restores it into an empty directory, and writes the recovery settings. Starting the
/// server then recovers to the target. -WhatIf shows the whole plan.</para>
/// </summary>
[Cmdlet(VerbsData.Restore, "PgBackup", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium, DefaultParameterSetName = "Latest")]
[OutputType(typeof(PgRestore))]
public sealed class RestorePgBackupCommand : WalRusCmdlet
{
    /// <summary>Where the data directory is made: missing or empty.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [Alias("DataDirectory")]
    [ValidateNotNullOrEmpty]
    public string Destination { get; set; } = "";

    /// <summary>The backup to start from; without it the newest that ends before the target is chosen.</summary>
    [Parameter(Position = 1, ParameterSetName = "Latest", ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Parameter(Position = 1, ParameterSetName = "Time", ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Parameter(Position = 1, ParameterSetName = "Lsn", ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Parameter(Position = 1, ParameterSetName = "Name", ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Parameter(Position = 1, ParameterSetName = "Xid", ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Parameter(Position = 1, ParameterSetName = "Immediate", ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(BackupNameCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Name { get; set; }

    /// <summary>A moment that Find-PgRecoveryPoint found, or a timeline that Measure-PgRecovery measured: recover to just behind it.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Point", ValueFromPipeline = true)]
    [ReceivedRecoveryPoint]
    [ValidateNotNull]
    public PgRecoveryPoint? RecoveryPoint { get; set; }

    /// <summary>Recover to this time.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Time")]
    public DateTimeOffset TargetTime { get; set; }

    /// <summary>Recover to this WAL position, e.g. 16/B374D848.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Lsn")]
    public string TargetLsn { get; set; } = "";

    /// <summary>Recover to this named restore point.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Name")]
    [ValidateNotNullOrEmpty]
    public string TargetName { get; set; } = "";

    /// <summary>Recover to this transaction.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Xid")]
    public ulong TargetXid { get; set; }

    /// <summary>Stop as soon as the backup is consistent.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Immediate")]
    public SwitchParameter TargetImmediate { get; set; }

    /// <summary>Stop just before the target instead of just after it.</summary>
    [Parameter]
    public SwitchParameter Exclusive { get; set; }

    /// <summary>The timeline to recover along: latest, current, or a number.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(TimelineCompleter))]
    [ValidatePattern("^(latest|current|[0-9]+)$")]
    public string? TargetTimeline { get; set; }

    /// <summary>What the server does at the target.</summary>
    [Parameter]
    public RecoveryAction TargetAction { get; set; } = RecoveryAction.Promote;

    /// <summary>Make a standby: the server stays in recovery and follows.</summary>
    [Parameter]
    public SwitchParameter Standby { get; set; }

    /// <summary>Restore the files only; write no recovery settings.</summary>
    [Parameter]
    public SwitchParameter NoRecovery { get; set; }

    /// <summary>restore_command; without it one that calls walrus (or this module) with the same settings file.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? RestoreCommand { get; set; }

    /// <summary>Tablespaces that go elsewhere: @{ '16400' = '/mnt/ts1' }.</summary>
    [Parameter]
    [ValidateNotNull]
    public IDictionary? TablespaceMapping { get; set; }

    /// <summary>wal-g's restore specification, a JSON file.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? RestoreSpecification { get; set; }

    /// <summary>Restore only these databases, beside the system's; '*' is any text. The others keep their catalogs and no tables: drop them.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] Database { get; set; } = [];

    /// <summary>Restore only these tables, as database/table or database/schema.table, with their partitions, TOAST and indexes.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ValidatePattern("^[^/]+/.+$")]
    public string[] Table { get; set; } = [];

    /// <summary>Allow a destination that holds a stopped data directory of the same cluster: it is emptied first. Nothing else ever is.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var destination = ResolvePath(Destination);
        if (!TryRun(destination, ChooseAsync, out var choice))
        {
            return;
        }

        foreach (var warning in choice.Plan?.Warnings ?? [])
        {
            WriteWarning(warning);
        }

        var recovery = NoRecovery ? null : Recovery(choice.Plan!.Target);
        var request = new BackupFetchRequest
        {
            Name = choice.Backup.Name,
            Destination = destination,
            Tablespaces = Tablespaces(),
            Force = Force,
            RestoreOnly = [.. Database, .. Table],
            Recovery = recovery,
        };
        if (!TryRun(destination, pump => Engine(pump).CreateBackupFetch().PlanAsync(request, StopToken), out var chain))
        {
            return;
        }

        var description = Describe(choice, chain!, destination, recovery);
        if (ShouldProcess(description, description, "Restore") && TryRun(
            destination,
            pump => Engine(pump).CreateBackupFetch().RunAsync(request with { Progress = pump }, StopToken),
            out var result))
        {
            WriteObject(PgRestore.From(result!));
        }
    }

    private RecoveryTarget Target => ParameterSetName == "Point" ? TargetOf(RecoveryPoint!) : new()
    {
        Time = ParameterSetName == "Time" ? TargetTime : null,
        Lsn = ParameterSetName == "Lsn" ? Lsn.Parse(TargetLsn) : null,
        Name = ParameterSetName == "Name" ? TargetName : null,
        Xid = ParameterSetName == "Xid" ? TargetXid : null,
        Immediate = TargetImmediate,
        Inclusive = !Exclusive,
        Timeline = TargetTimeline,
    };

    /// <summary>A backup's own end can be reached from that backup only.</summary>
    private string? StartName => RecoveryPoint is { TargetImmediate: true } point ? point.Name : Name;

    /// <summary>By position, which is exact: two restore points may have one name.</summary>
    private RecoveryTarget TargetOf(PgRecoveryPoint point) => new()
    {
        Lsn = point.TargetLsn is { } lsn ? Lsn.Parse(lsn) : null,
        Immediate = point.TargetImmediate,
        Inclusive = !Exclusive,
        Timeline = TargetTimeline ?? point.TargetTimeline,
    };

    /// <summary>The backup, and with recovery the plan that it belongs to. Files alone need no WAL.</summary>
    private async Task<(BackupDetail Backup, RecoveryPlan? Plan)> ChooseAsync(PipelinePump pump)
    {
        var engine = Engine(pump);
        if (NoRecovery && ParameterSetName == "Latest")
        {
            return (await engine.Backups.FindAsync(Name ?? BackupCatalog.Latest, StopToken).ConfigureAwait(false), null);
        }

        var plan = await engine.CreateRecoveryPlanner()
            .RunAsync(new RecoveryPlanRequest { Target = Target, BackupName = StartName }, StopToken).ConfigureAwait(false);
        return (plan.Backup, plan);
    }

    private RecoverySettings Recovery(RecoveryTarget target)
    {
        if (RestoreCommand is null && (Setting is not null
            || ConfigurationInForce is { } configuration
            && configuration.Setting.Count + configuration.SecretName.Count + configuration.HeldSecret.Count > 0))
        {
            WriteWarning("The server's restore_command does not know what -Setting and -Configuration hold: give -ConfigFile or "
                + "-RestoreCommand, or set the same in the server's environment.");
        }

        return new RecoverySettings
        {
            Target = target,
            Action = TargetAction,
            Standby = Standby,
            RestoreCommand = RestoreCommand ?? DefaultRestoreCommand.For(ConfigFileInForce, Standby),
        };
    }

    private IReadOnlyList<TablespaceTarget> Tablespaces()
    {
        if (RestoreSpecification is not null)
        {
            var spec = TablespaceSpec.ParseRestoreSpec(File.ReadAllBytes(ResolvePath(RestoreSpecification)));
            return [.. spec.Entries.Select(entry => new TablespaceTarget(entry.Name, entry.Location))];
        }

        return TablespaceMapping is null
            ? []
            : [.. TablespaceMapping.Cast<DictionaryEntry>().Select(entry =>
                new TablespaceTarget(entry.Key.ToString()!, ResolvePath(entry.Value!.ToString()!)))];
    }

    /// <summary>What comes from which backup; nothing for a full one that is read whole.</summary>
    private static void DescribeChain(StringBuilder text, RestorePlan chain, CultureInfo culture)
    {
        foreach (var step in chain.Steps.Count > 1 || chain.SkippedBytes > 0 ? chain.Steps : [])
        {
            text.Append(culture, $"Read {ByteText.Of(step.StoredBytes)} of {step.Name}")
                .Append(step.FileCount is { } files ? string.Create(culture, $" for {files} files") : "")
                .AppendLine(step.SkippedTarCount > 0
                    ? string.Create(culture, $"; skip {step.SkippedTarCount} archives ({ByteText.Of(step.SkippedBytes)}) that hold nothing needed.")
                    : ".");
        }
    }

    private string Describe(
        (BackupDetail Backup, RecoveryPlan? Plan) choice, RestorePlan chain, string destination, RecoverySettings? recovery)
    {
        var (backup, plan) = choice;
        var culture = CultureInfo.CurrentCulture;
        var text = new StringBuilder();
        text.Append(culture, $"Restore {backup.Name} (finished {backup.FinishTime?.LocalDateTime:g}, ")
            .Append(culture, $"{ByteText.Of(chain.StoredBytes)} stored, {ByteText.Of(chain.Steps.Sum(step => step.UncompressedSize))} restored) ")
            .AppendLine(culture, $"into {destination}.");
        DescribeChain(text, chain, culture);
        if (recovery is not null && plan is not null)
        {
            text.AppendLine(culture, $"Replay WAL from {plan.FirstSegment} to {plan.LastSegment}: {plan.SegmentCount} segments "
                + $"on timeline {string.Join(" > ", plan.Timelines)}.");
            if (RecoveryPoint is { Kind.Length: > 0 } point)
            {
                text.AppendLine(culture, $"Stop behind {point}, {point.Time?.LocalDateTime:G}.");
            }
            else if (plan.Stop is { } stop)
            {
                var what = stop.Kind == WalFactKind.RestorePoint ? $"restore point '{stop.Name}'"
                    : $"the {(stop.IsCommit ? "commit" : "abort")} of transaction {stop.Xid}";
                text.AppendLine(culture, $"Stop behind {what} at {stop.Lsn}, {stop.Time?.LocalDateTime:G}.");
            }

            foreach (var (name, value) in RecoverySettingsWriter.Describe(recovery, backup.PgVersion))
            {
                text.AppendLine(culture, $"Set {name} = {RecoverySettingsWriter.Quote(value)}");
            }
        }

        return text.ToString().TrimEnd();
    }
}
