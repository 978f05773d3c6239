using WalRus.Archiving;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>
/// Decides from the archive alone whether a backup is full or a delta, and of what. Source: wal-g's order of rules, the
/// first that matches makes it full; in addition a chain that has lost a part of itself is not continued.
/// </summary>
internal sealed class DeltaPlanner(Archive archive, BackupPushOptions options, IEventLog log)
{
    private readonly BackupCatalog catalog = new(archive, log);

    private BackupDeltaOptions Delta => options.Delta;

    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.InvalidArgument"/>, <see cref="ErrorCode.BackupNotFound"/>,
    /// <see cref="ErrorCode.BackupAmbiguous"/>, <see cref="ErrorCode.BackupIncomplete"/> of a parent that was named.
    /// </exception>
    public async Task<BackupPushPlan> PlanAsync(BackupPushRequest request, CancellationToken cancellationToken)
    {
        var isNamed = Delta.FromName is not null || Delta.FromUserData is not null;
        if (Delta.FromName is not null && Delta.FromUserData is not null)
        {
            throw new WalRusException(
                ErrorCode.InvalidArgument,
                "A delta has one parent: it is given by name or by user data, not by both.",
                "Leave out one of --delta-from-name (WALG_DELTA_FROM_NAME) and --delta-from-user-data (WALG_DELTA_FROM_USER_DATA).");
        }

        if (request.Full)
        {
            return Full("a full backup is asked for");
        }

        if (options.WithoutFilesMetadata)
        {
            return isNamed
                ? throw new WalRusException(
                    ErrorCode.InvalidArgument,
                    "A backup without files_metadata.json cannot be a delta: it would not say which files it leaves to its parent.",
                    "Leave out --without-files-metadata (WALG_WITHOUT_FILES_METADATA), or the parent.")
                : new BackupPushPlan(null, 0, "a backup without files_metadata.json cannot be a delta", Delta.MaxSteps > 0);
        }

        return Delta.MaxSteps == 0
            ? new BackupPushPlan(null, 0, "WALG_DELTA_MAX_STEPS is 0: deltas are off", isNamed)
            : await FromCandidateAsync(request, isNamed, cancellationToken).ConfigureAwait(false);
    }

    private static BackupPushPlan Full(string why) => new(null, 0, why, IsFallback: false);

    private static BackupPushPlan Fallback(string why) => new(null, 0, why, IsFallback: true);

    private async Task<BackupPushPlan> FromCandidateAsync(
        BackupPushRequest request, bool isNamed, CancellationToken cancellationToken)
    {
        BackupDetail candidate;
        try
        {
            candidate = await FindCandidateAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException none) when (!isNamed && none.Code == ErrorCode.BackupNotFound)
        {
            return Full("the archive holds no backup yet");
        }
        catch (WalRusException unreadable) when (!isNamed && unreadable.Code is ErrorCode.BackupUnreadable or ErrorCode.ObjectCorrupt)
        {
            return Fallback($"the newest backup cannot be read: {unreadable.Message}");
        }

        var count = candidate.DeltaCount + 1;
        return count > Delta.MaxSteps
            ? Full($"{candidate.Name} ends a chain of {Delta.MaxSteps} deltas, as many as WALG_DELTA_MAX_STEPS allows")
            : Objection(candidate, request.Permanent) is { } objection
                ? Fallback(objection)
                : await WithChainAsync(candidate, count, isNamed, cancellationToken).ConfigureAwait(false);
    }

    private async Task<BackupDetail> FindCandidateAsync(CancellationToken cancellationToken) =>
        Delta.FromUserData is { } userData
            ? await catalog.FindByUserDataAsync(userData, cancellationToken).ConfigureAwait(false)
            : await catalog.FindAsync(Delta.FromName ?? BackupCatalog.Latest, cancellationToken).ConfigureAwait(false);

    /// <summary>wal-g's rules about the candidate itself.</summary>
    private string? Objection(BackupDetail candidate, bool isPermanent)
    {
        if (!candidate.StartLsn.IsValid)
        {
            return $"{candidate.Name} does not say at which LSN it starts";
        }

        if (!candidate.HasMetadata)
        {
            return $"{candidate.Name} has no metadata.json that could say whether it is permanent";
        }

        // Else the permanent backup could never be deleted before the delta, nor the delta be kept as long as it.
        return candidate.IsPermanent && !isPermanent && Delta.Origin != DeltaOrigin.LatestFull
            ? $"{candidate.Name} is permanent and this backup is not"
            : null;
    }

    private async Task<BackupPushPlan> WithChainAsync(
        BackupDetail candidate, int count, bool isNamed, CancellationToken cancellationToken)
    {
        IReadOnlyList<BackupDetail> chain;
        try
        {
            chain = await catalog.GetChainAsync(candidate, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException broken) when (!isNamed && broken.Code is ErrorCode.BackupIncomplete or ErrorCode.BackupUnreadable)
        {
            return Fallback(broken.Message.TrimEnd('.'));
        }

        if (Delta.Origin == DeltaOrigin.LatestFull)
        {
            chain = [chain[0]];
        }

        var parent = chain[^1];
        var sentinel = await catalog.ReadSentinelAsync(parent.Name, cancellationToken).ConfigureAwait(false);
        return sentinel is null || OtherWay(parent, sentinel) is not { } otherWay
            ? new BackupPushPlan(parent, count, $"{Delta.MaxSteps} deltas may follow a full backup, this is number {count}", false)
            {
                Chain = chain,
                IsParentNamed = isNamed,
            }
            : Fallback(otherWay);
    }

    /// <summary>What of the way the parent was made keeps a delta from following it.</summary>
    private string? OtherWay(BackupDetail parent, BackupSentinel sentinel)
    {
        if (sentinel.FilesMetadataDisabled)
        {
            return $"{parent.Name} was made without files_metadata.json";
        }

        var isNative = sentinel.IncrementFormat == BackupSentinel.NativeIncrementFormat;
        return parent.IsDelta && isNative != (Delta.Format == WalRus.Delta.IncrementFormat.Native)
            ? $"{parent.Name} is a delta in the other increment format, and a chain keeps to one"
            : null;
    }
}
