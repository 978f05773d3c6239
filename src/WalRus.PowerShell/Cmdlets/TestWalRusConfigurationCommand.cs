using System.Management.Automation;
using WalRus.Configuration;

namespace WalRus.Cmdlets;

/// <summary>Shows every setting in force, and checks the store, the clocks, PostgreSQL and the native libraries.</summary>
[Cmdlet(VerbsDiagnostic.Test, "WalRusConfiguration", DefaultParameterSetName = "Objects")]
[OutputType(typeof(WalRusCheck), ParameterSetName = ["Objects"])]
[OutputType(typeof(bool), ParameterSetName = ["Quiet"])]
public sealed class TestWalRusConfigurationCommand : WalRusCmdlet
{
    /// <summary>Only these; all without it.</summary>
    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    public CheckArea[] Area { get; set; } = Enum.GetValues<CheckArea>();

    /// <summary>Settings that nobody has set, too.</summary>
    [Parameter(ParameterSetName = "Objects")]
    public SwitchParameter All { get; set; }

    /// <summary>Only whether nothing failed.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Quiet")]
    public SwitchParameter Quiet { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (!TryRun(null, FindAsync, out var found))
        {
            return;
        }

        if (Quiet)
        {
            WriteObject(found!.TrueForAll(check => check.Status != CheckStatus.Failed));
            return;
        }

        // An area is a table of its own: its findings stand together.
        WriteObject(found!.OrderBy(check => check.Area), enumerateCollection: true);
    }

    private async Task<List<WalRusCheck>> FindAsync(PipelinePump pump)
    {
        var found = new List<WalRusCheck>();
        var check = new ConfigurationCheck(LoadSettings(), pump);
        await foreach (var result in check.RunAsync(Area.ToHashSet(), All, StopToken).ConfigureAwait(false))
        {
            found.Add(WalRusCheck.From(result, ConfigurationInForce));
        }

        return found;
    }
}
