using System.Management.Automation;
using WalRus.Configuration;
using WalRus.Retention;

namespace WalRus.Cmdlets;

/// <summary>
/// Base of cmdlets that delete: the plan is made, counted and asked about as one thing, then carried out; each object is
/// emitted when it is gone. With -WhatIf the objects of the plan are.
/// </summary>
public abstract class DeletingCmdlet : WalRusCmdlet
{
    /// <summary>Plans, asks, deletes.</summary>
    /// <param name="target">For errors: what was asked about.</param>
    /// <param name="what">For the question: "Backups older than X".</param>
    /// <param name="plan">Makes the plan.</param>
    internal void Delete(object? target, string what, Func<WalRusEngine, DeletionPlanner, BackupInventory, Task<DeletionPlan>> plan)
    {
        if (!TryRun(target, pump => SpoolAsync(Engine(pump), plan), out var spool))
        {
            return;
        }

        using (spool)
        {
            if (spool!.ObjectCount == 0)
            {
                WriteVerbose($"{what}: there is nothing to delete.");
                return;
            }

            var dropped = spool.Plan.DroppedInOrder.Count(decision => decision.Backup.HasSentinel);
            var question = FormattableString.Invariant(
                $"{what}: {Count(dropped, "backup")}, {Count(spool.ObjectCount, "object")}, {ByteText.Of(spool.Bytes)}");
            if (ShouldProcess($"Delete from the archive. {question}.", $"{question}. Delete them?", "Deleting from the archive", out var reason))
            {
                Carry(spool, target);
            }
            else if (reason.HasFlag(ShouldProcessReason.WhatIf))
            {
                foreach (var item in spool.Read())
                {
                    WriteObject(PgArchiveObject.From(item));
                }
            }
        }
    }

    private static string Count(long count, string what) => FormattableString.Invariant($"{count} {what}{(count == 1 ? "" : "s")}");

    private async Task<PlanSpool> SpoolAsync(
        WalRusEngine engine, Func<WalRusEngine, DeletionPlanner, BackupInventory, Task<DeletionPlan>> plan)
    {
        var planner = engine.CreateDeletionPlanner();
        var inventory = await planner.ReadAsync(StopToken).ConfigureAwait(false);
        var made = await plan(engine, planner, inventory).ConfigureAwait(false);
        return await engine.CreateDeletion().SpoolAsync(made, StopToken).ConfigureAwait(false);
    }

    private void Carry(PlanSpool spool, object? target)
    {
        var failed = 0L;
        TryStream(
            target,
            pump => Engine(pump).CreateDeletion().RunAsync(spool, StopToken),
            deleted =>
            {
                failed += deleted.Failure is null ? 0 : 1;
                WriteObject(PgArchiveObject.From(deleted));
                return true;
            });
        if (failed > 0)
        {
            var failure = new WalRusException(
                ErrorCode.ObjectNotDeletable,
                FormattableString.Invariant($"{failed} of {spool.ObjectCount} objects are still there."),
                "Look at the Reason of those emitted with the State NotDeleted: object lock, retention, permissions. Run it again later.");
            WriteError(EngineErrors.ToRecord(failure, target));
        }
    }
}
