using System.Diagnostics;
using System.Security.Cryptography;
using WalRus.Storage;

namespace WalRus.Transfer;

/// <summary>One thing that a store was tried for.</summary>
/// <param name="Step">"List", "Exists", "Write", "Consistency", "Read", "Delete".</param>
/// <param name="Failure">Null when it went well.</param>
/// <param name="Message">What was found, a sentence.</param>
/// <param name="Duration">How long it took.</param>
/// <param name="BytesPerSecond">For writing and reading; null for the others.</param>
public sealed record StorageTestResult(
    string Step, WalRusException? Failure, string Message, TimeSpan Duration, double? BytesPerSecond);

/// <summary>What to try.</summary>
public sealed record StorageTestRequest
{
    /// <summary>Objects that must be there.</summary>
    public IReadOnlyList<string> MustExist { get; init; } = [];

    /// <summary>Write nothing: list and look for <see cref="MustExist"/> only.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>Size of the probe that is written, read and deleted.</summary>
    public long ProbeBytes { get; init; } = 8 << 20;

    public IProgress<TransferProgress>? Progress { get; init; }
}

/// <summary>
/// Tries whether a store lists, takes, shows, gives back and deletes: by a probe of a random name that no tool takes for
/// its own, with its speed. The probe is removed whatever happens.
/// </summary>
/// <param name="store">Which.</param>
public sealed class StorageTest(IObjectStore store)
{
    private const int PieceBytes = 64 * 1024;

    /// <summary>Each step as it ends; what follows from a failed step is left out.</summary>
    public async IAsyncEnumerable<StorageTestResult> RunAsync(
        StorageTestRequest request, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var list = await StepAsync("List", null, () => ListAsync(cancellationToken)).ConfigureAwait(false);
        yield return list;
        if (request.MustExist.Count > 0 && list.Failure is null)
        {
            yield return await StepAsync("Exists", null, () => FindAsync(request.MustExist, cancellationToken)).ConfigureAwait(false);
        }

        if (request.ReadOnly)
        {
            yield break;
        }

        var probe = new Probe(ObjectKey.Parse(Guid.NewGuid().ToString("N")), request, store);
        var isRemoved = false;
        try
        {
            var write = await StepAsync("Write", request.ProbeBytes, () => probe.WriteAsync(cancellationToken)).ConfigureAwait(false);
            yield return write;
            if (write.Failure is null)
            {
                yield return await StepAsync("Consistency", null, () => probe.LookAsync(cancellationToken)).ConfigureAwait(false);
                yield return await StepAsync("Read", request.ProbeBytes, () => probe.ReadAsync(cancellationToken)).ConfigureAwait(false);
                yield return await StepAsync("Delete", null, () => probe.DeleteAsync(cancellationToken)).ConfigureAwait(false);
                isRemoved = true;
            }
        }
        finally
        {
            if (!isRemoved)
            {
                // Cancelled or failed: the probe may be there all the same, and is ours to remove.
                await StepAsync("Delete", null, () => probe.DeleteAsync(CancellationToken.None)).ConfigureAwait(false);
            }
        }
    }

    private static async Task<StorageTestResult> StepAsync(string step, long? bytes, Func<Task<string>> work)
    {
        var watch = Stopwatch.StartNew();
        try
        {
            var message = await work().ConfigureAwait(false);
            return new StorageTestResult(
                step, null, message, watch.Elapsed, bytes / Math.Max(watch.Elapsed.TotalSeconds, 1e-6));
        }
        catch (WalRusException failure)
        {
            return new StorageTestResult(step, failure, failure.Message, watch.Elapsed, null);
        }
    }

    private async Task<string> ListAsync(CancellationToken cancellationToken)
    {
        var count = 0;
        await foreach (var _ in store.ListAsync(new ListRequest { Folder = "" }, cancellationToken).ConfigureAwait(false))
        {
            count++;
        }

        return FormattableString.Invariant($"{store.Location} can be listed: {count} names at its root.");
    }

    private async Task<string> FindAsync(IReadOnlyList<string> names, CancellationToken cancellationToken)
    {
        var missing = new List<string>();
        foreach (var name in names)
        {
            if (await store.HeadAsync(StorageItems.KeyOf(name), cancellationToken).ConfigureAwait(false) is null)
            {
                missing.Add(name);
            }
        }

        return missing.Count == 0 ? "All objects that must be there are." : throw new WalRusException(
            ErrorCode.ObjectNotFound, $"files are missing: {string.Join(", ", missing)}");
    }

    /// <summary>The object that is tried with; its bytes follow from a seed, so that none are kept.</summary>
    private sealed class Probe(ObjectKey key, StorageTestRequest request, IObjectStore store)
    {
        private readonly byte[] piece = RandomNumberGenerator.GetBytes(PieceBytes);

        public async Task<string> WriteAsync(CancellationToken cancellationToken)
        {
            var progress = new CopyProgress(request.Progress, request.ProbeBytes, "Testing the storage");
            var target = await store.OpenWriteAsync(key, WriteCondition.IfAbsent, cancellationToken).ConfigureAwait(false);
            await using (target.ConfigureAwait(false))
            {
                for (var left = request.ProbeBytes; left > 0; left -= piece.Length)
                {
                    var count = (int)Math.Min(left, piece.Length);
                    await target.WriteAsync(piece.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
                    progress.Add(key, count);
                }

                await target.CompleteAsync(cancellationToken).ConfigureAwait(false);
            }

            return FormattableString.Invariant($"{request.ProbeBytes} bytes were written.");
        }

        /// <summary>A store must show at once what it has taken.</summary>
        public async Task<string> LookAsync(CancellationToken cancellationToken)
        {
            var found = await store.HeadAsync(key, cancellationToken).ConfigureAwait(false);
            if (found?.SizeBytes != request.ProbeBytes)
            {
                throw Inconsistent($"an object just written {(found is null ? "is not found" : "has another size")}");
            }

            await foreach (var entry in store.ListAsync(new ListRequest { Folder = "", NamePrefix = key.Name }, cancellationToken).ConfigureAwait(false))
            {
                if (entry.Key == key && entry.SizeBytes == request.ProbeBytes)
                {
                    return "What is written is found and listed at once.";
                }
            }

            throw Inconsistent("an object just written is not listed");
        }

        public async Task<string> ReadAsync(CancellationToken cancellationToken)
        {
            var source = await store.OpenReadAsync(key, null, cancellationToken).ConfigureAwait(false);
            await using (source.ConfigureAwait(false))
            {
                var buffer = new byte[piece.Length];
                for (var left = request.ProbeBytes; left >= 0; left -= piece.Length)
                {
                    var read = await source.ReadAtLeastAsync(buffer, buffer.Length, false, cancellationToken).ConfigureAwait(false);
                    if (!buffer.AsSpan(0, read).SequenceEqual(piece.AsSpan(0, (int)Math.Min(left, piece.Length))))
                    {
                        throw new WalRusException(
                            ErrorCode.ObjectCorrupt, "What was written came back changed.", "Do not use this store: it does not keep what it is given.");
                    }
                }
            }

            return "What was written comes back, byte for byte.";
        }

        public async Task<string> DeleteAsync(CancellationToken cancellationToken)
        {
            var deleted = await store.DeleteAsync([key], cancellationToken).ConfigureAwait(false);
            if (deleted.Failed.Count > 0)
            {
                throw new WalRusException(
                    ErrorCode.ObjectNotDeletable,
                    $"'{key}' cannot be deleted: {deleted.Failed[0].Reason}",
                    "Allow s3:DeleteObject where retention is to work; without it backups can be made and restored, not deleted.");
            }

            return await store.HeadAsync(key, cancellationToken).ConfigureAwait(false) is null
                ? "Objects can be deleted, and are gone at once." : throw Inconsistent("a deleted object is still found");
        }

        private static WalRusException Inconsistent(string what) => new(
            ErrorCode.StoreFailed,
            $"The store is not consistent: {what}.",
            "WalRus needs a store that shows at once what was written; look at caches or replicas in front of it.");
    }
}
