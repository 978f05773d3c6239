using System.Management.Automation;

namespace WalRus.Cmdlets;

/// <summary>Deletes what a policy drops.</summary>
[Cmdlet(VerbsLifecycle.Invoke, "PgRetention", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(PgArchiveObject))]
public sealed class InvokePgRetentionCommand : DeletingCmdlet
{
    /// <summary>The policy.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true)]
    public PgRetentionPolicy Policy { get; set; } = new();

    /// <inheritdoc/>
    protected override void ProcessRecord() => Delete(
        Policy,
        $"What the policy ({Policy}) drops",
        (_, planner, inventory) => planner.PlanPolicyAsync(inventory, Policy.ToPolicy(), StopToken));
}
