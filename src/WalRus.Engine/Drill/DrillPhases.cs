using System.Diagnostics;
using WalRus.Streaming;

namespace WalRus.Drill;

/// <summary>
/// Takes a drill's steps one after the other and keeps how each went. A failure that says something about the backup is
/// an outcome; one that says something about this machine or the store is none, and ends the drill.
/// </summary>
internal sealed class DrillPhases(Deadline limit, TimeSpan timeout, IProgress<TransferProgress>? progress, IEventLog log)
{
    private readonly List<DrillPhase> phases = [];

    public IReadOnlyList<DrillPhase> All => phases;

    public bool HasFailed => phases.Exists(phase => phase.Outcome == DrillOutcome.Failed);

    /// <summary>True when the failure is a verdict on what the archive holds.</summary>
    public static bool IsVerdict(WalRusException failure) => failure.Code is
        ErrorCode.ObjectCorrupt or ErrorCode.ObjectNotFound or ErrorCode.CodecUnknown or ErrorCode.DecryptionFailed
        or ErrorCode.WalSegmentNotFound or ErrorCode.WalSegmentInvalid or ErrorCode.WalSegmentForeign
        or ErrorCode.BackupUnreadable or ErrorCode.BackupIncomplete or ErrorCode.BackupPartFailed
        or ErrorCode.PathEscapesDestination or ErrorCode.RecoveryTargetUnreachable or ErrorCode.RecoveryWalMissing
        or ErrorCode.PostgresUnreachable or ErrorCode.PostgresQueryFailed or ErrorCode.PostgresConnectionLost
        or ErrorCode.DataDirectoryInvalid or ErrorCode.DrillFailed;

    /// <summary>Takes a step.</summary>
    /// <param name="work">Gives what was found, or throws what failed.</param>
    /// <returns>False when it failed.</returns>
    public async Task<bool> RunAsync(DrillPhaseName name, Func<Task<DrillFinding>> work)
    {
        progress?.Report(new TransferProgress($"Drill: {name}", null, 0, null));
        var watch = Stopwatch.StartNew();
        try
        {
            var (outcome, message) = await work().ConfigureAwait(false);
            Add(new DrillPhase(name, outcome, watch.Elapsed, message));
            return true;
        }
        catch (OperationCanceledException) when (limit.HasPassed)
        {
            var why = $"It was not done when the drill's time was up ({timeout}).";
            Add(new DrillPhase(name, DrillOutcome.Failed, watch.Elapsed, why, ErrorCode.DeadlineExceeded, "Give the drill more time."));
            return false;
        }
        catch (WalRusException failure) when (IsVerdict(failure))
        {
            Add(new DrillPhase(name, DrillOutcome.Failed, watch.Elapsed, failure.Message, failure.Code, failure.Hint));
            return false;
        }
    }

    public void Skip(DrillPhaseName name, string why) =>
        Add(new DrillPhase(name, DrillOutcome.Skipped, TimeSpan.Zero, why));

    /// <summary>Adds a step that was taken elsewhere.</summary>
    public void Add(DrillPhase phase)
    {
        phases.Add(phase);
        log.DrillPhaseEnded(phase.Name.ToString(), phase.Outcome.ToString(), phase.Duration, phase.Message);
    }
}

/// <summary>How a step ended that did not fail.</summary>
internal readonly record struct DrillFinding(DrillOutcome Outcome, string Message)
{
    public static DrillFinding Passed(string message) => new(DrillOutcome.Passed, message);

    public static DrillFinding Skipped(string why) => new(DrillOutcome.Skipped, why);
}
