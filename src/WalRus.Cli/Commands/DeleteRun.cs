using WalRus.Cli.CommandLine;
using WalRus.Retention;
using WalRus.WalG;

namespace WalRus.Cli.Commands;

/// <summary>Shows a plan in wal-g's words and, with --confirm, carries it out.</summary>
/// <param name="call">The command line.</param>
/// <param name="deletion">What carries it out.</param>
/// <param name="belowBackups">wal-g names the objects of delete target below the folder of the backups.</param>
internal sealed class DeleteRun(Invocation call, ArchiveDeletion deletion, bool belowBackups)
{
    private const int FailuresShown = 20;

    public async Task<int> RunAsync(DeletionPlan plan, CancellationToken cancellationToken)
    {
        call.Log.Info("DeleteEvaluating", "Evaluating objects for deletion...");
        foreach (var kept in plan.Backups.Where(decision => decision.Rule
            is RetentionRule.NeededByDelta or RetentionRule.BeingWritten or RetentionRule.NotRestorable))
        {
            call.Log.Info("BackupStays", kept.ToString());
        }

        using var spool = await deletion.SpoolAsync(plan, cancellationToken).ConfigureAwait(false);
        foreach (var item in spool.Read())
        {
            cancellationToken.ThrowIfCancellationRequested();
            call.Log.Info("MarkedForDeletion", $"Object marked for deletion: {Shown(item)} storage=default");
        }

        if (spool.ObjectCount == 0)
        {
            call.Log.Info("NothingToDelete", "No objects matched the deletion criteria.");
            return ExitCodes.Success;
        }

        if (!call.Has("confirm"))
        {
            call.Log.Info(
                "DryRun",
                FormattableString.Invariant($"Dry run: objects would be deleted count={spool.ObjectCount}, Run with --confirm to execute"));
            return ExitCodes.Success;
        }

        return await DeleteAsync(spool, cancellationToken).ConfigureAwait(false);
    }

    private async Task<int> DeleteAsync(PlanSpool spool, CancellationToken cancellationToken)
    {
        long deleted = 0, failed = 0;
        await foreach (var item in deletion.RunAsync(spool, cancellationToken).ConfigureAwait(false))
        {
            if (item.Failure is not { } reason)
            {
                deleted++;
            }
            else if (++failed <= FailuresShown)
            {
                call.Log.Warning("NotDeleted", $"{item.Object.Key} was not deleted: {reason}");
            }
        }

        call.Log.Info("Deleted", FormattableString.Invariant($"Objects deleted successfully: count={deleted}"));
        return failed == 0 ? ExitCodes.Success : throw new WalRusException(
            ErrorCode.ObjectNotDeletable,
            FormattableString.Invariant($"{failed} of {spool.ObjectCount} objects are still there."),
            "Look at the store's object lock, retention and permissions; what can be deleted later goes when this is run again.");
    }

    private string Shown(PlannedObject item)
    {
        var key = item.Key.ToString();
        return belowBackups ? key[(WalGLayout.BackupFolder.Length + 1)..] : key;
    }
}
