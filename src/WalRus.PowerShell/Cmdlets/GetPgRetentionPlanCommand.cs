using System.Management.Automation;
using WalRus.Retention;

namespace WalRus.Cmdlets;

/// <summary>Shows what a policy would keep and drop now, by which rule and why.</summary>
[Cmdlet(VerbsCommon.Get, "PgRetentionPlan")]
[OutputType(typeof(PgRetentionItem), typeof(PgArchiveObject))]
public sealed class GetPgRetentionPlanCommand : WalRusCmdlet
{
    /// <summary>The policy.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true)]
    public PgRetentionPolicy Policy { get; set; } = new();

    /// <summary>Every object of the archive instead of a line for each backup and stretch of WAL.</summary>
    [Parameter]
    public SwitchParameter EveryObject { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (EveryObject)
        {
            TryStream(Policy, ListAsync, item =>
            {
                WriteObject(PgArchiveObject.From(item));
                return true;
            });
        }
        else if (TryRun(Policy, SummarizeAsync, out var lines))
        {
            foreach (var line in lines!)
            {
                WriteObject(PgRetentionItem.From(line));
            }
        }
    }

    private async Task<IReadOnlyList<PlanLine>> SummarizeAsync(PipelinePump pump)
    {
        var plan = await PlanAsync(pump).ConfigureAwait(false);
        var objects = Engine(pump).CreateDeletion().ListAsync(plan, withKept: true, StopToken);
        return await PlanSummary.ReadAsync(plan, objects, StopToken).ConfigureAwait(false);
    }

    private async IAsyncEnumerable<PlannedObject> ListAsync(PipelinePump pump)
    {
        var plan = await PlanAsync(pump).ConfigureAwait(false);
        await foreach (var item in Engine(pump).CreateDeletion().ListAsync(plan, withKept: true, StopToken).ConfigureAwait(false))
        {
            yield return item;
        }
    }

    private async Task<DeletionPlan> PlanAsync(PipelinePump pump)
    {
        var policy = Policy.ToPolicy();
        var planner = Engine(pump).CreateDeletionPlanner();
        var inventory = await planner.ReadAsync(StopToken).ConfigureAwait(false);
        return await planner.PlanPolicyAsync(inventory, policy, StopToken).ConfigureAwait(false);
    }
}
