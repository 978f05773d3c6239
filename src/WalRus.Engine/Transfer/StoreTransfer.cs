using WalRus.Storage;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Transfer;

/// <summary>
/// Moves objects between two stores of one archive. Nothing is deleted at the source before it is proven at the target.
/// Backups move by chains: all of a chain arrives, parents first and each sentinel last; then the source forgets it, deltas
/// first and each sentinel first. So at any moment each side lists whole backups only, and doing it again finishes it.
/// </summary>
/// <param name="source">Where objects are.</param>
/// <param name="target">Where they are to be.</param>
/// <param name="buffers">Working buffers.</param>
/// <param name="log">Hears of what could not be moved.</param>
public sealed class StoreTransfer(IObjectStore source, IObjectStore target, NativeBufferPool buffers, IEventLog log)
{
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.StoreFailed"/> when some could not be moved (all others were); <see cref="ErrorCode.InvalidArgument"/>
    /// when source and target are one place or one lies in the other; <see cref="ErrorCode.BackupNeeded"/> for parts of a backup
    /// that the source lists.
    /// </exception>
    public async Task<StoreTransferResult> RunAsync(StoreTransferRequest request, CancellationToken cancellationToken)
    {
        RequireApart();
        var path = request.Path?.Trim('/');
        if (path is { Length: > 0 } && !ObjectKey.TryParse(path, out _))
        {
            throw new WalRusException(ErrorCode.InvalidArgument, $"'{request.Path}' is no path in a storage.");
        }

        var run = new StoreTransferRun(source, target, request, buffers, log);
        if (path is null or "" || path == WalGLayout.BackupFolder)
        {
            var backups = new BackupTransfer(source, target, request, run, log);
            await backups.RunAsync(cancellationToken).ConfigureAwait(false);
        }
        else if (!request.Force)
        {
            await new BackupGuard(source).RequireFreeAsync(path, cancellationToken).ConfigureAwait(false);
        }

        if (path is "" or WalGLayout.CatchupFolder)
        {
            await MoveCatchupAsync(run, request.Preserve, cancellationToken).ConfigureAwait(false);
        }

        if (path is not null and not WalGLayout.BackupFolder and not WalGLayout.CatchupFolder)
        {
            await run.MoveAllAsync(FilesAsync(path, cancellationToken), cancellationToken).ConfigureAwait(false);
        }

        var result = run.Result();
        log.TransferDone(result.Copied, result.AlreadyThere, result.Deleted);
        return run.FirstFailure is { } failure ? throw Incomplete(run.FailureCount, failure) : result;
    }

    private static WalRusException Incomplete(long count, WalRusException first) => count == 1 ? first : new WalRusException(
        ErrorCode.StoreFailed,
        FormattableString.Invariant($"{count} objects could not be moved, the first because: {first.Message}"),
        "What was moved is at the target; run it again for the rest.",
        first);

    private void RequireApart()
    {
        var (here, there) = (source.Identity + "/", target.Identity + "/");
        if (here.StartsWith(there, StringComparison.Ordinal) || there.StartsWith(here, StringComparison.Ordinal))
        {
            throw new WalRusException(
                ErrorCode.InvalidArgument,
                $"{source.Location} and {target.Location} are one place, or one lies in the other.",
                "Name two storages apart from each other.");
        }
    }

    /// <summary>Catchup backups have sentinels too: theirs arrive last and go first, of all of them together.</summary>
    private async Task MoveCatchupAsync(StoreTransferRun run, bool preserve, CancellationToken cancellationToken)
    {
        IAsyncEnumerable<ListEntry> Objects(bool sentinels) => source
            .ListAsync(new ListRequest { Folder = WalGLayout.CatchupFolder, Recursive = true }, cancellationToken)
            .Matching(entry => entry.Key.Name.EndsWith(WalGLayout.SentinelSuffix, StringComparison.Ordinal) == sentinels);
        if (await run.CopyAllAsync(Objects(false), cancellationToken).ConfigureAwait(false)
            && await run.CopyAllAsync(Objects(true), cancellationToken).ConfigureAwait(false)
            && !preserve
            && await run.DeleteProvenAsync(Objects(true), cancellationToken).ConfigureAwait(false))
        {
            await run.DeleteProvenAsync(Objects(false), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>One object, or those of a folder; backups, where they are among them, have gone before.</summary>
    private async IAsyncEnumerable<ListEntry> FilesAsync(
        string path, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (path.Length > 0 && await source.HeadAsync(ObjectKey.Parse(path), cancellationToken).ConfigureAwait(false) is { } one)
        {
            yield return new ListEntry(one.Key, false, one.SizeBytes, one.LastModified);
            yield break;
        }

        await foreach (var entry in source
            .ListAsync(new ListRequest { Folder = path, Recursive = true }, cancellationToken).ConfigureAwait(false))
        {
            if (path.Length > 0
                || entry.Key.ToString().Split('/', 2)[0] is not (WalGLayout.BackupFolder or WalGLayout.CatchupFolder))
            {
                yield return entry;
            }
        }
    }
}

/// <summary>What one transfer has under way, and its counts.</summary>
internal sealed class StoreTransferRun(
    IObjectStore source, IObjectStore target, StoreTransferRequest request, NativeBufferPool buffers, IEventLog log)
{
    private readonly CopyProgress progress = new(request.Progress, null, "Moving");
    private long taken;
    private long copied;
    private long there;
    private long deleted;
    private long keptBoth;
    private long bytes;
    private long failures;
    private WalRusException? firstFailure;

    public int Backups { get; set; }

    public WalRusException? FirstFailure => firstFailure;

    public long FailureCount => Interlocked.Read(ref failures);

    /// <summary>Objects that this run may still take.</summary>
    public long Left => request.MaxObjects - Interlocked.Read(ref taken);

    public StoreTransferResult Result() => new(copied, there, deleted, keptBoth, bytes, Backups);

    /// <summary>Copies each object, proves it, and deletes it at the source.</summary>
    public Task MoveAllAsync(IAsyncEnumerable<ListEntry> objects, CancellationToken cancellationToken) => CopyLanes.RunAsync(
        Within(objects),
        request.Lanes,
        (entry, token) => GuardAsync(entry.Key, async () =>
        {
            if (await CopyAsync(entry.Key, token).ConfigureAwait(false) && !request.Preserve)
            {
                await DeleteOneAsync(entry.Key, token).ConfigureAwait(false);
            }
        }),
        cancellationToken);

    /// <summary>Copies each object and proves it; the source keeps it.</summary>
    /// <returns>False when not all of them are at the target now.</returns>
    public async Task<bool> CopyAllAsync(IAsyncEnumerable<ListEntry> objects, CancellationToken cancellationToken)
    {
        var missing = 0;
        await CopyLanes.RunAsync(
            objects,
            request.Lanes,
            (entry, token) => GuardAsync(entry.Key, async () =>
            {
                if (!await CopyAsync(entry.Key, token).ConfigureAwait(false))
                {
                    Interlocked.Increment(ref missing);
                }
            }, () => Interlocked.Increment(ref missing)),
            cancellationToken).ConfigureAwait(false);
        return missing == 0;
    }

    /// <returns>True when the target holds the object now; false when it holds another one, which stays.</returns>
    public async Task<bool> CopyAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref taken);
        var copier = new ObjectCopier(source, target, buffers, CopyVerification.Checksum)
        {
            Overwrite = request.Overwrite,
            Moved = progress.Add,
        };
        try
        {
            var route = new PlainRoute(source, target) { From = key, To = key };
            var one = await copier.RunAsync(route, trustSize: false, cancellationToken).ConfigureAwait(false);
            if (one.Outcome == CopyOutcome.AlreadyThere)
            {
                Interlocked.Increment(ref there);
                return true;
            }

            Interlocked.Increment(ref copied);
            Interlocked.Add(ref bytes, one.SizeBytes);
            await AwaitAppearanceAsync(key, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (WalRusException differs) when (differs.Code == ErrorCode.ObjectExists)
        {
            Interlocked.Increment(ref keptBoth);
            log.TransferKeptBoth(key.ToString());
            return false;
        }
    }

    /// <returns>False when the source keeps some of them; each is noted.</returns>
    public async Task<bool> DeleteAsync(IReadOnlyCollection<ObjectKey> keys, CancellationToken cancellationToken)
    {
        var kept = await TryDeleteAsync(keys, cancellationToken).ConfigureAwait(false);
        foreach (var (key, reason) in kept)
        {
            Fail(key, NotDeletable(key, "the source", reason));
        }

        return kept.Count == 0;
    }

    public static WalRusException NotDeletable(ObjectKey key, string place, string reason) =>
        new(ErrorCode.ObjectNotDeletable, $"'{key}' cannot be deleted at {place}: {reason}");

    /// <summary>Whether the source has the same object under this key as the target.</summary>
    public Task<bool> IsSameAsync(ObjectInfo found, CancellationToken cancellationToken) =>
        new ObjectCopier(source, target, buffers, CopyVerification.Checksum).IsSameAsync(
            new PlainRoute(source, target) { From = found.Key, To = found.Key }, found, false, cancellationToken);

    /// <summary>Deletes at the source what the target proves to have; the rest stays.</summary>
    /// <returns>False when something stays.</returns>
    public async Task<bool> DeleteProvenAsync(IAsyncEnumerable<ListEntry> objects, CancellationToken cancellationToken)
    {
        var kept = 0;
        await CopyLanes.RunAsync(
            objects,
            request.Lanes,
            (entry, token) => GuardAsync(entry.Key, async () =>
            {
                if (await target.HeadAsync(entry.Key, token).ConfigureAwait(false) is { } there
                    && await IsSameAsync(there, token).ConfigureAwait(false))
                {
                    await DeleteOneAsync(entry.Key, token).ConfigureAwait(false);
                }
                else
                {
                    Interlocked.Increment(ref kept);
                }
            }, () => Interlocked.Increment(ref kept)),
            cancellationToken).ConfigureAwait(false);
        return kept == 0;
    }

    /// <summary>Notes a failure and lets the others go on, unless the first is to end it all.</summary>
    public async ValueTask GuardAsync(ObjectKey key, Func<Task> work, Action? failed = null)
    {
        try
        {
            await work().ConfigureAwait(false);
        }
        catch (WalRusException failure)
        {
            failed?.Invoke();
            Fail(key, failure);
        }
    }

    /// <summary>Inside <see cref="GuardAsync"/>, which notes what it throws.</summary>
    private async Task DeleteOneAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        foreach (var (kept, reason) in await TryDeleteAsync([key], cancellationToken).ConfigureAwait(false))
        {
            throw NotDeletable(kept, "the source", reason);
        }
    }

    private async Task<IReadOnlyList<(ObjectKey Key, string Reason)>> TryDeleteAsync(
        IReadOnlyCollection<ObjectKey> keys, CancellationToken cancellationToken)
    {
        if (keys.Count == 0)
        {
            return [];
        }

        var result = await source.DeleteAsync(keys, cancellationToken).ConfigureAwait(false);
        Interlocked.Add(ref deleted, result.DeletedCount);
        return result.Failed;
    }

    private void Fail(ObjectKey key, WalRusException failure)
    {
        log.TransferFailed(key.ToString(), failure.Message);
        Interlocked.Increment(ref failures);
        Interlocked.CompareExchange(ref firstFailure, failure, null);
        if (request.FailFast)
        {
            throw failure;
        }
    }

    private async IAsyncEnumerable<ListEntry> Within(IAsyncEnumerable<ListEntry> objects)
    {
        var count = 0L;
        var most = Left;
        await foreach (var entry in objects.ConfigureAwait(false))
        {
            if (count++ >= most)
            {
                yield break;
            }

            yield return entry;
        }
    }

    private async Task AwaitAppearanceAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        for (var check = 1; await target.HeadAsync(key, cancellationToken).ConfigureAwait(false) is null; check++)
        {
            if (check >= request.AppearanceChecks)
            {
                throw new WalRusException(
                    ErrorCode.ObjectNotFound, $"'{key}' was copied and does not appear in {target.Location}.",
                    "Raise --appearance-checks or --appearance-checks-interval; the source still has it.");
            }

            await Task.Delay(request.AppearanceInterval, cancellationToken).ConfigureAwait(false);
        }
    }
}
