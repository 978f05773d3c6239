using System.Collections;
using System.Management.Automation;
using WalRus.Configuration;
using WalRus.Verification;

namespace WalRus.Cmdlets;

/// <summary>Brings WAL that the archive lacks from a server's pg_wal or another store.</summary>
[Cmdlet(VerbsDiagnostic.Repair, "WalArchive", SupportsShouldProcess = true)]
[OutputType(typeof(PgWalRepair))]
public sealed class RepairWalArchiveCommand : WalRusCmdlet
{
    private WalRusEngine? source;

    /// <summary>Data directories, their pg_wal, or folders with WAL files; asked in this order.</summary>
    [Parameter(Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("DataDirectory", "FullName")]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    /// <summary>Another store of the same cluster, by New-WalRusConfiguration.</summary>
    [Parameter]
    [ValidateNotNull]
    [ReceivedConfiguration]
    public WalRusConfiguration? SourceConfiguration { get; set; }

    /// <summary>Another store of the same cluster, by wal-g's configuration file.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? SourceConfigFile { get; set; }

    /// <summary>Settings of the other store that go above its others.</summary>
    [Parameter]
    [ValidateNotNull]
    public IDictionary? SourceSetting { get; set; }

    /// <inheritdoc/>
    protected override void BeginProcessing()
    {
        base.BeginProcessing();
        if (SourceConfiguration is null && SourceConfigFile is null && SourceSetting is null)
        {
            return;
        }

        try
        {
            var secrets = SourceConfiguration is null ? null : SecretVault.Resolve(SourceConfiguration);
            var settings = SessionSettings.Load(
                SourceConfigFile is null ? null : ResolvePath(SourceConfigFile), SourceSetting, SourceConfiguration, secrets);
            source = WalRusEngine.Open(settings, NullEventLog.Instance);
        }
        catch (WalRusException wrong)
        {
            ThrowTerminatingError(EngineErrors.ToRecord(wrong, SourceConfigFile));
        }
    }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (source is null && Path.Length == 0)
        {
            ThrowTerminatingError(EngineErrors.ToRecord(
                new WalRusException(
                    ErrorCode.InvalidArgument, "There is nowhere to take missing WAL from.",
                    "Give a server's data directory (-Path), or another store (-SourceConfiguration, -SourceConfigFile, -SourceSetting)."),
                null));
        }

        WalRepair? repair = null;
        TryStream<WalRepairItem>(
            null,
            pump =>
            {
                repair = Engine(pump).CreateWalRepair();
                foreach (var path in Path)
                {
                    repair.AddFolder(ResolvePath(path));
                }

                if (source is not null)
                {
                    repair.AddArchive(source.Archive, source.CreateWalFetch());
                }

                return repair.PlanAsync(StopToken);
            },
            item =>
            {
                Restore(repair!, item);
                return true;
            });
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            source?.DisposeAsync().AsTask().GetAwaiter().GetResult();
            source = null;
        }

        base.Dispose(disposing);
    }

    private void Restore(WalRepair repair, WalRepairItem item)
    {
        if (item.State == WalRepairState.NotFound)
        {
            WriteObject(PgWalRepair.From(item));
        }
        else if (ShouldProcess(item.Name, $"Archive the missing WAL file from {item.Source}")
            && TryRun(item.Name, _ => repair.RestoreAsync(item, StopToken), out var restored))
        {
            WriteObject(PgWalRepair.From(restored!));
        }
    }
}
