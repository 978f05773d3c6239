using System.Management.Automation;
using WalRus.Backup;

namespace WalRus.Cmdlets;

/// <summary>Measures how far each timeline can be recovered, what is missing, and how long it may take.</summary>
[Cmdlet(VerbsDiagnostic.Measure, "PgRecovery")]
[OutputType(typeof(PgRecovery))]
public sealed class MeasurePgRecoveryCommand : WalRusCmdlet
{
    /// <summary>Only this timeline.</summary>
    [Parameter(Position = 0)]
    [ValidateRange(1u, uint.MaxValue)]
    public uint? Timeline { get; set; }

    /// <summary>Fetch a part of the newest backup and WAL and time it, instead of estimating.</summary>
    [Parameter]
    public SwitchParameter Sample { get; set; }

    /// <summary>How long each sample may take.</summary>
    [Parameter]
    public TimeSpan SampleDuration { get; set; } = TimeSpan.FromSeconds(5);

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var request = new RecoveryMeasureRequest { Sample = Sample, SampleDuration = SampleDuration };
        if (TryRun(null, pump => Engine(pump).CreateRecoveryMeasurement().RunAsync(request, StopToken), out var measured))
        {
            WriteObject(
                measured!.Where(recovery => Timeline is null || recovery.Timeline.Value == Timeline).Select(PgRecovery.From),
                enumerateCollection: true);
        }
    }
}
