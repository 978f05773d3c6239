using System.Runtime.CompilerServices;
using WalRus.Streaming;

namespace WalRus.Storage;

/// <summary>
/// Holds the data written to and read from a store to a rate (WALG_NETWORK_RATE_LIMIT). Owns the inner store.
/// </summary>
/// <param name="inner">The store.</param>
/// <param name="network">The rate, which may be shared with other stores.</param>
public sealed class ThrottledObjectStore(IObjectStore inner, RateLimiter network) : IObjectStore
{
    /// <summary>Larger pieces are passed on in parts of this size, so that a slow rate flows instead of jerking.</summary>
    private const int PieceBytes = 64 * 1024;

    public string Name => inner.Name;

    public string Location => inner.Location;

    public StoreFeatures Features => inner.Features;

    public string Identity => inner.Identity;

    private IObjectStore Inner => inner;

    public async ValueTask<OutputStream> OpenWriteAsync(
        ObjectKey key, WriteCondition condition, CancellationToken cancellationToken) =>
        new Writer(await inner.OpenWriteAsync(key, condition, cancellationToken).ConfigureAwait(false), network);

    public async ValueTask<Stream> OpenReadAsync(ObjectKey key, ByteRange? range, CancellationToken cancellationToken) =>
        new Reader(await inner.OpenReadAsync(key, range, cancellationToken).ConfigureAwait(false), network);

    public ValueTask<ObjectInfo?> HeadAsync(ObjectKey key, CancellationToken cancellationToken) =>
        inner.HeadAsync(key, cancellationToken);

    public IAsyncEnumerable<ListEntry> ListAsync(ListRequest request, CancellationToken cancellationToken) =>
        inner.ListAsync(request, cancellationToken);

    public ValueTask<DeleteResult> DeleteAsync(
        IReadOnlyCollection<ObjectKey> keys, CancellationToken cancellationToken) =>
        inner.DeleteAsync(keys, cancellationToken);

    public ValueTask<bool> TryCopyFromAsync(
        IObjectStore source, ObjectKey from, ObjectKey to, CancellationToken cancellationToken) =>
        inner.TryCopyFromAsync(source is ThrottledObjectStore other ? other.Inner : source, from, to, cancellationToken);

    public ObjectChecksum? BeginChecksum() => inner.BeginChecksum();

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private sealed class Writer(OutputStream target, RateLimiter network) : OutputStream
    {
        [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
        public override async ValueTask WriteAsync(
            ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            for (var rest = buffer; !rest.IsEmpty; rest = rest[Math.Min(rest.Length, PieceBytes)..])
            {
                var piece = rest[..Math.Min(rest.Length, PieceBytes)];
                await network.WaitAsync(piece.Length, cancellationToken).ConfigureAwait(false);
                await target.WriteAsync(piece, cancellationToken).ConfigureAwait(false);
            }
        }

        public override ValueTask CompleteAsync(CancellationToken cancellationToken) => target.CompleteAsync(cancellationToken);

        public override ValueTask DisposeAsync() => target.DisposeAsync();

        protected override void Dispose(bool disposing)
        {
            target.Dispose();
            base.Dispose(disposing);
        }
    }

    private sealed class Reader(Stream source, RateLimiter network) : InputStream
    {
        [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
        public override async ValueTask<int> ReadAsync(
            Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var piece = buffer[..Math.Min(buffer.Length, PieceBytes)];
            var read = await source.ReadAsync(piece, cancellationToken).ConfigureAwait(false);
            await network.WaitAsync(read, cancellationToken).ConfigureAwait(false);
            return read;
        }

        public override ValueTask DisposeAsync() => source.DisposeAsync();

        protected override void Dispose(bool disposing)
        {
            source.Dispose();
            base.Dispose(disposing);
        }
    }
}
