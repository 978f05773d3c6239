using WalRus.Storage;
using WalRus.Streaming;

namespace WalRus.Tests.Faults;

/// <summary>What a <see cref="FaultyObjectStore"/> is about to do.</summary>
internal enum StoreCall
{
    OpenWrite,
    Write,
    Complete,
    OpenRead,
    Read,
    Head,
    List,
    Delete,
}

/// <summary>
/// A store over another that first asks a test's script about each call: the script throws to fail it, waits to slow it,
/// or returns to let it pass. For a read and a write it is told the byte the stream has reached.
/// </summary>
internal sealed class FaultyObjectStore(IObjectStore inner, Func<StoreCall, string, long, ValueTask> before) : IObjectStore
{
    public FaultyObjectStore(IObjectStore inner, Action<StoreCall, string, long> before)
        : this(inner, (call, key, position) =>
        {
            before(call, key, position);
            return ValueTask.CompletedTask;
        })
    {
    }

    public string Name => inner.Name;

    public string Location => inner.Location;

    public StoreFeatures Features => inner.Features;

    /// <summary>What the store keeps when it is to be deleted, as a lock does.</summary>
    public Func<string, bool> Keeps { get; init; } = _ => false;

    /// <summary>A failure that a retry may mend.</summary>
    public static WalRusException Transient(string message = "as the script says") =>
        new(ErrorCode.StoreUnreachable, message) { IsTransient = true };

    public async ValueTask<OutputStream> OpenWriteAsync(
        ObjectKey key, WriteCondition condition, CancellationToken cancellationToken)
    {
        await AskAsync(before(StoreCall.OpenWrite, key.ToString(), 0), cancellationToken);
        return new Writer(await inner.OpenWriteAsync(key, condition, cancellationToken), key.ToString(), before);
    }

    public async ValueTask<Stream> OpenReadAsync(ObjectKey key, ByteRange? range, CancellationToken cancellationToken)
    {
        await AskAsync(before(StoreCall.OpenRead, key.ToString(), range?.Offset ?? 0), cancellationToken);
        return new Reader(await inner.OpenReadAsync(key, range, cancellationToken), key.ToString(), before);
    }

    public async ValueTask<ObjectInfo?> HeadAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        await AskAsync(before(StoreCall.Head, key.ToString(), 0), cancellationToken);
        return await inner.HeadAsync(key, cancellationToken);
    }

    public async IAsyncEnumerable<ListEntry> ListAsync(
        ListRequest request,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var listed = 0L;
        await foreach (var entry in inner.ListAsync(request, cancellationToken))
        {
            await AskAsync(before(StoreCall.List, request.Folder, listed++), cancellationToken);
            yield return entry;
        }
    }

    public async ValueTask<DeleteResult> DeleteAsync(
        IReadOnlyCollection<ObjectKey> keys, CancellationToken cancellationToken)
    {
        await before(StoreCall.Delete, string.Join(' ', keys), keys.Count);
        var kept = keys.Where(key => Keeps(key.ToString())).ToList();
        var result = await inner.DeleteAsync([.. keys.Except(kept)], cancellationToken);
        return new DeleteResult(result.DeletedCount, [.. result.Failed, .. kept.Select(key => (key, "it is locked"))]);
    }

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    /// <summary>A script that waits is a store that hangs: as the contract says, cancelling ends the wait.</summary>
    private static ValueTask AskAsync(ValueTask script, CancellationToken cancellationToken) =>
        script.IsCompleted ? script : new ValueTask(script.AsTask().WaitAsync(cancellationToken));

    private sealed class Writer(OutputStream target, string key, Func<StoreCall, string, long, ValueTask> before) : OutputStream
    {
        private long position;

        public override async ValueTask WriteAsync(
            ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await AskAsync(before(StoreCall.Write, key, position), cancellationToken);
            await target.WriteAsync(buffer, cancellationToken);
            position += buffer.Length;
        }

        public override async ValueTask CompleteAsync(CancellationToken cancellationToken)
        {
            await AskAsync(before(StoreCall.Complete, key, position), cancellationToken);
            await target.CompleteAsync(cancellationToken);
        }

        public override ValueTask DisposeAsync() => target.DisposeAsync();

        protected override void Dispose(bool disposing) => target.Dispose();
    }

    private sealed class Reader(Stream source, string key, Func<StoreCall, string, long, ValueTask> before) : InputStream
    {
        private long position;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await AskAsync(before(StoreCall.Read, key, position), cancellationToken);
            var read = await source.ReadAsync(buffer, cancellationToken);
            position += read;
            return read;
        }

        public override ValueTask DisposeAsync() => source.DisposeAsync();

        protected override void Dispose(bool disposing) => source.Dispose();
    }
}
