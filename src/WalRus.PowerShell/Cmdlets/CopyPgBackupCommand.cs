using System.Collections;
using System.Management.Automation;
using WalRus.Configuration;
using WalRus.Transfer;

namespace WalRus.Cmdlets;

/// <summary>
/// <para type="synopsis">Copies backups with their WAL to another archive.</para>
/// </summary>
[Cmdlet(VerbsCommon.Copy, "PgBackup", SupportsShouldProcess = true, DefaultParameterSetName = "Name")]
[OutputType(typeof(PgBackupCopy))]
public sealed class CopyPgBackupCommand : WalRusCmdlet
{
    private readonly List<string> names = [];

    /// <summary>The backups, or LATEST.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = "Name", ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(BackupNameCompleter))]
    public string[] Name { get; set; } = [];

    /// <summary>Every backup.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "All")]
    public SwitchParameter All { get; set; }

    /// <summary>The target as a place, with the settings in force for all else.</summary>
    [Parameter(Position = 1)]
    [ValidateNotNullOrEmpty]
    public string? Destination { get; set; }

    /// <summary>The target's settings as one object.</summary>
    [Parameter]
    [ValidateNotNull]
    [ReceivedConfiguration]
    public WalRusConfiguration? DestinationConfiguration { get; set; }

    /// <summary>The target's configuration file.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? DestinationConfigFile { get; set; }

    /// <summary>The target's settings, above the other two.</summary>
    [Parameter]
    [ValidateNotNull]
    public IDictionary? DestinationSetting { get; set; }

    /// <summary>Which WAL comes along.</summary>
    [Parameter]
    public CopyWal Wal { get; set; }

    /// <summary>Compress and encrypt as the target's settings say.</summary>
    [Parameter]
    public SwitchParameter Recode { get; set; }

    /// <summary>Replace what the target holds and differs.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <summary>How sure to be of what arrived.</summary>
    [Parameter]
    public CopyVerification Verification { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => names.AddRange(Name);

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        // A pipeline that gave nothing asks for nothing; all is asked for by name.
        if (!All && names.Count == 0)
        {
            return;
        }

        WalRusEngine? target = null;
        try
        {
            var secrets = DestinationConfiguration is { } given ? SecretVault.Resolve(given) : null;
            if (TryRun(
                Destination ?? DestinationConfigFile,
                _ => Task.FromResult(target = WalRusEngine.Open(TargetSettings(secrets), EngineLog)),
                out _))
            {
                Copy(target!);
            }
        }
        finally
        {
            target?.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private void Copy(WalRusEngine target)
    {
        var request = new ArchiveCopyRequest
        {
            Backups = All ? null : names,
            Wal = Wal,
            Recode = Recode,
            Overwrite = Force,
            Verification = Verification,
        };
        var destination = target.Archive.Store.Location;
        if (!TryRun(destination, pump => Engine(pump).CreateArchiveCopy(target).PlanAsync(request, StopToken), out var plan)
            || !ShouldProcess(Description(plan!, destination), Description(plan!, destination) + "?", "Copy-PgBackup"))
        {
            return;
        }

        TryRun(
            destination,
            pump => Engine(pump).CreateArchiveCopy(target).ExecuteAsync(
                plan!,
                request with { Progress = pump, Finished = copied => Emit(pump, PgBackupCopy.From(copied, destination)) },
                StopToken),
            out _);
    }

    /// <summary>Written when it is done, by the pipeline's thread; the copy goes on meanwhile.</summary>
    private void Emit(PipelinePump pump, PgBackupCopy copied) => _ = pump.InvokeAsync(
        () =>
        {
            WriteObject(copied);
            return true;
        },
        StopToken);

    private static string Description(ArchiveCopyPlan plan, string destination)
    {
        var backups = plan.Backups.Select(one => one.Backup.Name + (one.IsAncestor ? " (parent)" : "") + (one.IsListed ? " (listed there)" : ""));
        return FormattableString.Invariant(
            $"Copy to {destination}: {plan.ObjectCount} objects of {ByteText.Of(plan.SizeBytes)}, {plan.WalObjectCount} of them WAL; ")
            + string.Join(", ", backups);
    }

    private WalRusSettings TargetSettings(IReadOnlyDictionary<string, string>? secrets)
    {
        if (Destination is { } place)
        {
            return StorageSettings.At(
                LoadSettings(), place.Contains("://", StringComparison.Ordinal) ? place : $"file://{ResolvePath(place)}");
        }

        if (DestinationConfiguration is not null)
        {
            return SessionSettings.Load(ResolvedFile(), DestinationSetting, DestinationConfiguration, secrets);
        }

        if (DestinationConfigFile is null && DestinationSetting is null)
        {
            throw new WalRusException(
                ErrorCode.SettingMissing,
                "There is no target.",
                "Name it with -Destination, -DestinationConfigFile, -DestinationConfiguration or -DestinationSetting.");
        }

        // Nothing of the environment: that is the source's.
        var values = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (DictionaryEntry entry in DestinationSetting ?? new Hashtable())
        {
            values[entry.Key.ToString()!] = SessionSettings.TextOf(entry.Value);
        }

        return WalRusSettings.Load(new SettingSources { Given = values, GivenAs = SettingOriginKind.Parameter, ConfigFile = ResolvedFile() });
    }

    private string? ResolvedFile() => DestinationConfigFile is null ? null : ResolvePath(DestinationConfigFile);
}
