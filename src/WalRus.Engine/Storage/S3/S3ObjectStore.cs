using System.Runtime.CompilerServices;
using WalRus.Streaming;

namespace WalRus.Storage.S3;

/// <summary>
/// Objects in a bucket of S3 or of a server that speaks its protocol. A small object is one PUT; a larger one is a
/// multipart upload whose parts are sent while the next is filled. Buffers come from the pool that is given, so memory
/// is the pool's budget however many objects are written.
/// </summary>
/// <remarks>
/// <see cref="WriteCondition.IfAbsent"/> is the server's own check (If-None-Match). A write whose answer was lost and
/// that is then told "exists" recognises its own object by an id in the object's metadata
/// (<see cref="S3Upload.WriteIdHeader"/>). Servers other than AWS check it with a single PUT only, so there such a write is
/// one PUT up to <see cref="S3StoreOptions.MaxPartSizeBytes"/> (more than any WAL segment of 16 MiB); beyond that the
/// check comes just before the parts are joined.
/// </remarks>
public sealed class S3ObjectStore : IObjectStore
{
    private readonly S3Requests requests;
    private readonly S3Deletion deletion;
    private readonly NativeBufferPool buffers;

    /// <param name="options">Where and how.</param>
    /// <param name="buffers">The pool that upload buffers come from; it stays the caller's.</param>
    /// <param name="name">wal-g's storage name.</param>
    public S3ObjectStore(S3StoreOptions options, NativeBufferPool buffers, string name = "default")
    {
        ArgumentException.ThrowIfNullOrEmpty(options.Bucket);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.PartSizeBytes, S3StoreOptions.SmallestPartBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.PartSizeBytes, buffers.BudgetBytes);
        ArgumentOutOfRangeException.ThrowIfNotEqual(options.PartSizeBytes % GrowingBuffer.ChunkBytes, 0);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.UploadConcurrency, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.DeleteBatchSize, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.DeleteBatchSize, 1000);
        requests = new S3Requests(options);
        deletion = new S3Deletion(requests);
        this.buffers = buffers;
        Name = name;
    }

    public string Name { get; }

    public string Location => requests.Options.Location;

    public StoreFeatures Features =>
        StoreFeatures.AtomicPutIfAbsent | StoreFeatures.ServerSideCopy | StoreFeatures.OrderedListing;

    public string Identity => $"{requests.Options.EndpointUri?.Authority ?? "aws"} {Location}";

    public ValueTask<OutputStream> OpenWriteAsync(
        ObjectKey key, WriteCondition condition, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new ValueTask<OutputStream>(
            new S3WriteStream(new S3Upload(requests, S3Keyspace.FullKey(requests.Options, key), condition), buffers));
    }

    public async ValueTask<Stream> OpenReadAsync(ObjectKey key, ByteRange? range, CancellationToken cancellationToken)
    {
        var wanted = range ?? new ByteRange(0, null);
        ArgumentOutOfRangeException.ThrowIfNegative(wanted.Offset, nameof(range));
        ArgumentOutOfRangeException.ThrowIfNegative(wanted.Length ?? 0, nameof(range));
        if (wanted.Length != 0)
        {
            return await S3Download.OpenAsync(requests, key, wanted, cancellationToken).ConfigureAwait(false);
        }

        // S3 knows no empty range; whether the object is there must be answered all the same.
        return await HeadAsync(key, cancellationToken).ConfigureAwait(false) is null
            ? throw new WalRusException(ErrorCode.ObjectNotFound, $"There is no '{key}' in {Location}.")
            : Stream.Null;
    }

    public async ValueTask<ObjectInfo?> HeadAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        try
        {
            var found = await HeadAsync(requests, S3Keyspace.FullKey(requests.Options, key), cancellationToken)
                .ConfigureAwait(false);
            return new ObjectInfo(key, found.SizeBytes, found.LastModified, found.ETag);
        }
        catch (WalRusException absent) when (absent.Code == ErrorCode.ObjectNotFound)
        {
            await requests.ConfirmBucketAsync(cancellationToken).ConfigureAwait(false);
            return null;
        }
    }

    public async IAsyncEnumerable<ListEntry> ListAsync(
        ListRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var listing = new S3Listing(requests, request);
        do
        {
            foreach (var entry in await listing.NextPageAsync(cancellationToken).ConfigureAwait(false))
            {
                yield return entry;
            }
        }
        while (listing.HasMore);
    }

    public ValueTask<DeleteResult> DeleteAsync(
        IReadOnlyCollection<ObjectKey> keys, CancellationToken cancellationToken) =>
        deletion.RunAsync(keys, cancellationToken);

    public ValueTask<bool> TryCopyFromAsync(
        IObjectStore source, ObjectKey from, ObjectKey to, CancellationToken cancellationToken) =>
        source is S3ObjectStore other && S3ServerCopy.IsPossible(other.requests.Options, requests.Options)
            ? S3ServerCopy.RunAsync(requests, (other.requests.Options, from), to, cancellationToken)
            : ValueTask.FromResult(false);

    public ObjectChecksum? BeginChecksum() => requests.Options is { CustomerKey: null, ServerSideEncryption: not "aws:kms" }
        ? new S3ContentTag(S3PartSizes.Of(requests.Options, buffers.BudgetBytes, needsOneRequest: false))
        : null;

    public ValueTask DisposeAsync() => requests.DisposeAsync();

    internal static ValueTask<S3Facts> HeadAsync(
        S3Requests requests, string fullKey, CancellationToken cancellationToken)
    {
        var head = new S3WireRequest { Method = HttpMethod.Head, Key = fullKey };
        S3Encryption.ApplyCustomerKey(head.Headers, requests.Options);
        return requests.SendAsync(
            $"Looking for '{fullKey}'",
            async request =>
            {
                using var answer = await request.SendAsync(head).ConfigureAwait(false);
                return S3Facts.Of(answer);
            },
            cancellationToken);
    }
}

/// <summary>What the headers of an answer tell of an object.</summary>
/// <param name="WriteId">Of the conditional write that made it; null for any other.</param>
internal sealed record S3Facts(long SizeBytes, DateTimeOffset LastModified, string? ETag, string? WriteId)
{
    public static S3Facts Of(HttpResponseMessage answer) => new(
        answer.Content.Headers.ContentLength ?? 0,
        answer.Content.Headers.LastModified ?? default,
        First(answer, "ETag"),
        First(answer, S3Upload.WriteIdHeader));

    private static string? First(HttpResponseMessage answer, string name) =>
        answer.Headers.TryGetValues(name, out var values) ? values.FirstOrDefault() : null;
}
