using System.Diagnostics;
using WalRus.Archiving;
using WalRus.Storage;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Transfer;

/// <summary>
/// Copies backups and their WAL from one archive to another. A backup's sentinel is written last, when everything else of
/// it has arrived and is verified: what the target lists is whole, however the copy ends. Doing it again goes on where the
/// last try stopped.
/// </summary>
/// <param name="source">Where backups are; only read.</param>
/// <param name="target">Where they are to be.</param>
/// <param name="options">Lanes and checks.</param>
/// <param name="buffers">Working buffers.</param>
/// <param name="log">Hears what was decided.</param>
public sealed class ArchiveCopy(
    Archive source, Archive target, ArchiveCopyOptions options, NativeBufferPool buffers, IEventLog log)
{
    /// <summary>What <see cref="RunAsync"/> would copy; the target is not changed.</summary>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.BackupNotFound"/>, <see cref="ErrorCode.BackupIncomplete"/>, <see cref="ErrorCode.BackupUnreadable"/>,
    /// <see cref="ErrorCode.RecoveryWalMissing"/>, <see cref="ErrorCode.WalSegmentForeign"/>,
    /// <see cref="ErrorCode.InvalidArgument"/>.
    /// </exception>
    public Task<ArchiveCopyPlan> PlanAsync(ArchiveCopyRequest request, CancellationToken cancellationToken) =>
        new ArchiveCopyPlanner(source, target, options, log).RunAsync(request, cancellationToken);

    /// <exception cref="WalRusException">As <see cref="PlanAsync"/>; <see cref="ErrorCode.ObjectExists"/> when the target
    /// holds something else under one of the names; <see cref="ErrorCode.ObjectCorrupt"/> when something did not arrive as sent.
    /// </exception>
    public async Task<ArchiveCopyResult> RunAsync(ArchiveCopyRequest request, CancellationToken cancellationToken)
    {
        var plan = await PlanAsync(request, cancellationToken).ConfigureAwait(false);
        return await ExecuteAsync(plan, request, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Executes a plan of <see cref="PlanAsync"/> for the same request.</summary>
    /// <exception cref="WalRusException">As <see cref="RunAsync"/>.</exception>
    public async Task<ArchiveCopyResult> ExecuteAsync(
        ArchiveCopyPlan plan, ArchiveCopyRequest request, CancellationToken cancellationToken)
    {
        foreach (var warning in plan.Warnings)
        {
            log.CopyWarning(warning);
        }

        log.CopyStarted(plan.Backups.Count, plan.ObjectCount, plan.SizeBytes, source.Store.Location, target.Store.Location);
        var run = new ArchiveCopyRun(source, target, request, buffers, log)
        {
            Lanes = options.Lanes,
            Progress = new CopyProgress(request.Progress, plan.SizeBytes),
        };
        var results = new List<CopiedBackup>();
        if (request.Wal != CopyWal.None && plan.Backups.Count > 0)
        {
            await run.CopyHistoriesAsync(cancellationToken).ConfigureAwait(false);
        }

        foreach (var backup in plan.Backups)
        {
            Add(await run.CopyBackupAsync(backup, cancellationToken).ConfigureAwait(false));
        }

        if (plan.HistoryFrom is not null && WalSelection.HistoryStart(plan.Backups) is { } from)
        {
            Add(await run.CopyWalSinceAsync(from, cancellationToken).ConfigureAwait(false));
        }

        return new ArchiveCopyResult(plan, results);

        void Add(CopiedBackup copied)
        {
            results.Add(copied);
            request.Finished?.Invoke(copied);
        }
    }
}

/// <summary>What one copy has under way.</summary>
internal sealed class ArchiveCopyRun(
    Archive source, Archive target, ArchiveCopyRequest request, NativeBufferPool buffers, IEventLog log)
{
    /// <summary>S3 keeps whole seconds of a sentinel's time, by which backups are ordered.</summary>
    private static readonly TimeSpan ClockStep = TimeSpan.FromMilliseconds(1050);

    private readonly WalCatalog wal = new(source);
    private BackupName? lastListed;
    private long lastListedAt;

    public required int Lanes { get; init; }

    public required CopyProgress Progress { get; init; }

    public async Task<CopiedBackup> CopyBackupAsync(PlannedCopy planned, CancellationToken cancellationToken)
    {
        var tally = new CopyTally(planned.Backup.Name.ToString());
        var name = planned.Backup.Name;
        var isListed = await IsListedAlikeAsync(name, cancellationToken).ConfigureAwait(false);
        await CopyAllAsync(PayloadAsync(name, cancellationToken), isListed, tally, cancellationToken).ConfigureAwait(false);
        if (planned.Wal is { } window)
        {
            var objects = RoutesAsync(WalSelection.InWindowAsync(wal, window, cancellationToken));
            await CopyAllAsync(objects, isListed, tally, cancellationToken).ConfigureAwait(false);
        }

        await RemoveStrayAsync(name, isListed, cancellationToken).ConfigureAwait(false);
        if (await source.Store.HeadAsync(WalGLayout.Metadata(name), cancellationToken).ConfigureAwait(false) is not null)
        {
            tally.Add(await Copier().RunAsync(Plain(WalGLayout.Metadata(name)), false, cancellationToken).ConfigureAwait(false));
        }

        await KeepOrderAsync(name, isListed, cancellationToken).ConfigureAwait(false);
        tally.Add(await Copier().RunAsync(Document(WalGLayout.Sentinel(name)), false, cancellationToken).ConfigureAwait(false));
        (lastListed, lastListedAt) = (name, Stopwatch.GetTimestamp());
        var copied = tally.Result();
        log.BackupCopied(copied.Name!, copied.ObjectsCopied, copied.ObjectsKept, copied.BytesCopied);
        return copied;
    }

    /// <summary>Histories of all timelines: small, and without them no recovery finds its way.</summary>
    public async Task CopyHistoriesAsync(CancellationToken cancellationToken)
    {
        var histories = wal.ListAsync(null, cancellationToken).Matching(item => item.Kind == WalObjectKind.TimelineHistory);
        await CopyAllAsync(RoutesAsync(histories), false, new CopyTally(null), cancellationToken).ConfigureAwait(false);
    }

    public async Task<CopiedBackup> CopyWalSinceAsync(WalWindow from, CancellationToken cancellationToken)
    {
        var tally = new CopyTally(null);
        var objects = wal.ListAsync(null, cancellationToken).Matching(item => WalSelection.IsSince(item, from));
        await CopyAllAsync(RoutesAsync(objects), true, tally, cancellationToken).ConfigureAwait(false);
        return tally.Result();
    }

    private ObjectCopier Copier() => new(source.Store, target.Store, buffers, request.Verification)
    {
        Overwrite = request.Overwrite,
        Moved = Progress.Add,
    };

    private PlainRoute Plain(ObjectKey key) => new(source.Store, target.Store) { From = key, To = key };

    private ObjectRoute Document(ObjectKey key) => request.Recode
        ? new RenamedDocumentRoute(source, target) { From = key, To = key } : Plain(key);

    /// <summary>JSON is never encoded; all else in an archive is.</summary>
    private ObjectRoute Route(ObjectKey key) => !request.Recode ? Plain(key)
        : WalGLayout.IsDocument(key) ? Document(key)
        : new RecodedRoute(source, target) { From = key, To = RecodedRoute.KeyAt(source, target, key) };

    private async IAsyncEnumerable<ObjectRoute> RoutesAsync(IAsyncEnumerable<WalObject> objects)
    {
        await foreach (var item in objects.ConfigureAwait(false))
        {
            yield return Route(item.Key);
        }
    }

    private async IAsyncEnumerable<ObjectRoute> PayloadAsync(
        BackupName name, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var list = new ListRequest { Folder = WalGLayout.BackupObjects(name), Recursive = true };
        await foreach (var entry in source.Store.ListAsync(list, cancellationToken).ConfigureAwait(false))
        {
            if (entry.Key != WalGLayout.Metadata(name))
            {
                yield return Route(entry.Key);
            }
        }
    }

    private Task CopyAllAsync(
        IAsyncEnumerable<ObjectRoute> routes, bool trustSize, CopyTally tally, CancellationToken cancellationToken) =>
        CopyLanes.RunAsync(
            routes,
            Lanes,
            async (route, token) =>
            {
                var one = await Copier().RunAsync(route, trustSize, token).ConfigureAwait(false);
                tally.Add(one);
                if (one.Outcome == CopyOutcome.AlreadyThere)
                {
                    Progress.Add(one.Key, one.SizeBytes);
                }
            },
            cancellationToken);

    /// <summary>
    /// Whether the target lists this very backup. Another one of its name is an error, or, to be replaced, is taken off the
    /// list first: what is listed is never a mixture.
    /// </summary>
    private async Task<bool> IsListedAlikeAsync(BackupName name, CancellationToken cancellationToken)
    {
        var sentinel = WalGLayout.Sentinel(name);
        if (await target.Store.HeadAsync(sentinel, cancellationToken).ConfigureAwait(false) is not { } there)
        {
            return false;
        }

        var exact = new ObjectCopier(source.Store, target.Store, buffers, CopyVerification.Checksum);
        if (await exact.IsSameAsync(Document(sentinel), there, false, cancellationToken).ConfigureAwait(false))
        {
            return true;
        }

        if (!request.Overwrite)
        {
            throw new WalRusException(
                ErrorCode.BackupExists,
                $"{target.Store.Location} lists another backup '{name}' than {source.Store.Location}.",
                "Copy into a prefix of its own, or replace it with --force (-Force).");
        }

        await DeleteAsync([sentinel], cancellationToken).ConfigureAwait(false);
        return false;
    }

    /// <summary>
    /// What an earlier, other backup of this name left would be restored along with this one. It belongs to no backup that
    /// is listed, so it goes.
    /// </summary>
    private async Task RemoveStrayAsync(BackupName name, bool isListed, CancellationToken cancellationToken)
    {
        var batch = new List<ObjectKey>();
        var list = new ListRequest { Folder = WalGLayout.BackupObjects(name), Recursive = true };
        await foreach (var entry in target.Store.ListAsync(list, cancellationToken).ConfigureAwait(false))
        {
            if (entry.Key == WalGLayout.Metadata(name) || await HasOriginAsync(entry.Key, cancellationToken).ConfigureAwait(false))
            {
                continue;
            }

            if (isListed)
            {
                throw new WalRusException(
                    ErrorCode.ObjectExists,
                    $"{target.Store.Location} has '{entry.Key}', which '{name}' has not in {source.Store.Location}.",
                    "Remove it, or replace the backup with --force (-Force) after its sentinel is gone.");
            }

            batch.Add(entry.Key);
        }

        if (batch.Count > 0)
        {
            log.CopyStrayRemoved(batch.Count, name.ToString());
            await DeleteAsync(batch, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<bool> HasOriginAsync(ObjectKey there, CancellationToken cancellationToken)
    {
        if (!request.Recode || WalGLayout.IsDocument(there))
        {
            return await source.Store.HeadAsync(there, cancellationToken).ConfigureAwait(false) is not null;
        }

        var extension = target.Codec.Extension.Length == 0 ? "" : $".{target.Codec.Extension}";
        var text = there.ToString();
        return text.EndsWith(extension, StringComparison.Ordinal)
            && await source.FindAsync(ObjectKey.Parse(text[..^extension.Length]), cancellationToken).ConfigureAwait(false) is not null;
    }

    private async Task DeleteAsync(IReadOnlyCollection<ObjectKey> keys, CancellationToken cancellationToken)
    {
        var deleted = await target.Store.DeleteAsync(keys, cancellationToken).ConfigureAwait(false);
        if (deleted.Failed.Count > 0)
        {
            throw new WalRusException(
                ErrorCode.ObjectNotDeletable, $"'{deleted.Failed[0].Key}' cannot be deleted: {deleted.Failed[0].Reason}");
        }
    }

    /// <summary>Backups of one second are ordered by name; where that is the wrong order, the clock must move first.</summary>
    private async Task KeepOrderAsync(BackupName name, bool isListed, CancellationToken cancellationToken)
    {
        if (!isListed && lastListed is { } before && name.CompareTo(before) < 0
            && ClockStep - Stopwatch.GetElapsedTime(lastListedAt) is { Ticks: > 0 } wait)
        {
            await Task.Delay(wait, cancellationToken).ConfigureAwait(false);
        }
    }
}
