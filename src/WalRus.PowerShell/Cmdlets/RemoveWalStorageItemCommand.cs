using System.Management.Automation;
using WalRus.Transfer;

namespace WalRus.Cmdlets;

/// <summary>
/// <para type="synopsis">Removes objects from the store.</para>
/// </summary>
[Cmdlet(VerbsCommon.Remove, "WalStorageItem", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(PgStorageRemoval))]
public sealed class RemoveWalStorageItemCommand : WalRusCmdlet
{
    /// <summary>Objects, or with -Recurse folders.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("Path")]
    [ValidateNotNullOrEmpty]
    public string[] Key { get; set; } = [];

    /// <summary>Everything below a folder.</summary>
    [Parameter]
    public SwitchParameter Recurse { get; set; }

    /// <summary>Also what a listed backup consists of.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var key in Key)
        {
            if (!TryRun(key, pump => PlanAsync(pump, key), out var plan)
                || !ShouldProcess($"{plan!.Path}{(plan.IsFolder ? "/" : "")}", Action(plan)))
            {
                continue;
            }

            if (TryRun(key, pump => Engine(pump).CreateStorageRemoval().RunAsync(plan, StopToken), out var count))
            {
                WriteObject(new PgStorageRemoval { Key = plan.Path, IsFolder = plan.IsFolder, ObjectCount = count, Size = plan.SizeBytes });
            }
        }
    }

    private static string Action(StorageRemovalPlan plan) => plan.IsFolder
        ? FormattableString.Invariant($"Remove {plan.ObjectCount} objects of {ByteText.Of(plan.SizeBytes)} from the store")
        : FormattableString.Invariant($"Remove the object of {ByteText.Of(plan.SizeBytes)} from the store");

    private async Task<StorageRemovalPlan> PlanAsync(PipelinePump pump, string key)
    {
        var plan = await Engine(pump).CreateStorageRemoval().PlanAsync(key, Force, StopToken).ConfigureAwait(false);
        return !plan.IsFolder || Recurse ? plan : throw new WalRusException(
            ErrorCode.InvalidArgument,
            FormattableString.Invariant($"'{plan.Path}' is a folder with {plan.ObjectCount} objects."),
            "Add -Recurse to remove all of them.");
    }
}
