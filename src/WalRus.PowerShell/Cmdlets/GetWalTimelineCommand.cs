using System.Management.Automation;

namespace WalRus.Cmdlets;

/// <summary>Shows what the archive holds of each timeline.</summary>
[Cmdlet(VerbsCommon.Get, "WalTimeline")]
[OutputType(typeof(PgTimeline))]
public sealed class GetWalTimelineCommand : WalRusCmdlet
{
    /// <summary>Only these timelines.</summary>
    [Parameter(Position = 0)]
    [ValidateNotNullOrEmpty]
    public uint[]? Timeline { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var unreadable = new List<WalRusException>();
        var read = TryRun(
            null,
            pump => Engine(pump).CreateTimelineSurvey().RunAsync(withBackups: true, entry => unreadable.Add(entry.Error!), StopToken),
            out var timelines);
        if (!read)
        {
            return;
        }

        foreach (var problem in unreadable.Concat(timelines!.Select(timeline => timeline.HistoryProblem).OfType<WalRusException>()))
        {
            // The others are shown all the same.
            WriteError(EngineErrors.ToRecord(problem, null));
        }

        WriteObject(
            timelines!.Where(timeline => Timeline is null || Timeline.Contains(timeline.Timeline.Value)).Select(PgTimeline.From),
            enumerateCollection: true);
    }
}
