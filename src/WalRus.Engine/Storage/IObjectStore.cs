using WalRus.Streaming;

namespace WalRus.Storage;

/// <summary>
/// One bucket (or folder) below one prefix. The contract every store keeps and one conformance suite checks:
/// <list type="bullet">
/// <item>Durable: when a write's <see cref="OutputStream.CompleteAsync"/> returns, the object survives a crash of the
/// store's client and (as far as the store promises) of the store.</item>
/// <item>Atomic: an object is visible whole or not at all; replacing shows the old or the new bytes, never a mixture.
/// A write that is abandoned leaves nothing visible, and no garbage that this store can remove.</item>
/// <item>Delete is idempotent: deleting what is not there succeeds.</item>
/// <item>Every call has a deadline of its own beside the token, and fails with <see cref="WalRusException"/>
/// (<see cref="ErrorCode.DeadlineExceeded"/>) when it passes. Transient failures are retried inside, up to a bound.</item>
/// <item>Calls may run concurrently. Memory does not grow with object size, listing length or number of calls queued.</item>
/// </list>
/// </summary>
public interface IObjectStore : IAsyncDisposable
{
    /// <summary>wal-g's storage name: "default" for the primary.</summary>
    string Name { get; }

    /// <summary>Where it is, for people: "s3://bucket/prefix", "file:///backup". Never holds a secret.</summary>
    string Location { get; }

    StoreFeatures Features { get; }

    /// <summary>Equal for two stores that are one place: they hold the same objects under the same keys.</summary>
    string Identity => Location;

    /// <summary>Begins an object. Nothing is visible until the stream completes.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectExists"/>, here or on completion, when
    /// <paramref name="condition"/> is <see cref="WriteCondition.IfAbsent"/> and the key is taken.</exception>
    ValueTask<OutputStream> OpenWriteAsync(ObjectKey key, WriteCondition condition, CancellationToken cancellationToken);

    /// <summary>
    /// Opens an object for reading, whole or a range. A connection that breaks off is resumed inside at the byte it
    /// reached, if the object is unchanged. The caller disposes the stream; doing so early cancels the download.
    /// </summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectNotFound"/>.</exception>
    ValueTask<Stream> OpenReadAsync(ObjectKey key, ByteRange? range, CancellationToken cancellationToken);

    /// <summary>The object's facts, or null when there is none.</summary>
    ValueTask<ObjectInfo?> HeadAsync(ObjectKey key, CancellationToken cancellationToken);

    /// <summary>
    /// Lists what is below a prefix, as it comes, in no promised order; objects written or deleted meanwhile may or may
    /// not be in it. A prefix under which nothing lies gives an empty listing.
    /// </summary>
    IAsyncEnumerable<ListEntry> ListAsync(ListRequest request, CancellationToken cancellationToken);

    /// <summary>Deletes up to any number of keys in batches. What could not be deleted is in the result, not thrown.</summary>
    ValueTask<DeleteResult> DeleteAsync(IReadOnlyCollection<ObjectKey> keys, CancellationToken cancellationToken);

    /// <summary>
    /// Has the server copy an object, replacing what is there: as durable and atomic as a write, and no byte passes through
    /// here. Only where <see cref="StoreFeatures.ServerSideCopy"/> is declared.
    /// </summary>
    /// <param name="source">The store that <paramref name="from"/> is in; it may be another one of the same server.</param>
    /// <param name="from">What to copy.</param>
    /// <param name="to">Its key in this store.</param>
    /// <param name="cancellationToken">Stops waiting; the server may finish all the same.</param>
    /// <returns>False when this server cannot copy that one: nothing was done, and the caller reads and writes.</returns>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectNotFound"/>.</exception>
    ValueTask<bool> TryCopyFromAsync(IObjectStore source, ObjectKey from, ObjectKey to, CancellationToken cancellationToken) =>
        ValueTask.FromResult(false);

    /// <summary>
    /// Begins the checksum that this store would state of an object with the bytes that are appended; null when it states none.
    /// </summary>
    ObjectChecksum? BeginChecksum() => null;
}

/// <summary>What a store states of an object's content, worked out from the bytes.</summary>
public abstract class ObjectChecksum : IDisposable
{
    public abstract void Append(ReadOnlySpan<byte> bytes);

    /// <summary>
    /// True when the object is proven to hold the bytes appended. False proves nothing: it may have been written in other
    /// pieces, or its facts say nothing of its content.
    /// </summary>
    public abstract bool Proves(ObjectInfo info);

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);
}

[Flags]
public enum StoreFeatures
{
    None = 0,

    /// <summary><see cref="WriteCondition.IfAbsent"/> is atomic on the server (else it is a check before the write).</summary>
    AtomicPutIfAbsent = 1,

    /// <summary><see cref="IObjectStore.TryCopyFromAsync"/> may work.</summary>
    ServerSideCopy = 2,

    /// <summary>A listing comes in ordinal order of its full keys, folders as if they ended in '/'.</summary>
    OrderedListing = 4,
}

public enum WriteCondition
{
    /// <summary>Create or replace.</summary>
    None,

    /// <summary>Create only.</summary>
    IfAbsent,
}

/// <summary>A range of bytes of an object.</summary>
/// <param name="Offset">First byte, from 0.</param>
/// <param name="Length">How many bytes; null for all that follow. A range past the end gives what there is.</param>
public readonly record struct ByteRange(long Offset, long? Length);

/// <summary>An object's facts.</summary>
/// <param name="LastModified">By the store's clock.</param>
/// <param name="ETag">Opaque; changes when the content does. Null where the store has none.</param>
public sealed record ObjectInfo(ObjectKey Key, long SizeBytes, DateTimeOffset LastModified, string? ETag = null);

/// <summary>One line of a listing: an object, or (only when not recursive) a folder.</summary>
/// <param name="Key">Full key below the store's root, for a folder without the trailing slash.</param>
public readonly record struct ListEntry(ObjectKey Key, bool IsFolder, long SizeBytes, DateTimeOffset LastModified);

/// <summary>What to list.</summary>
public sealed record ListRequest
{
    /// <summary>
    /// A folder ("wal_005") or "" for the root. Whole segments only: "wal" does not match "wal_005/...".
    /// </summary>
    public required string Folder { get; init; }

    /// <summary>True for every object at any depth, false for the objects and folders directly inside.</summary>
    public bool Recursive { get; init; }

    /// <summary>Only names (the first segment below <see cref="Folder"/>) that start with this; null for all.</summary>
    public string? NamePrefix { get; init; }

    /// <summary>Only keys that come after this one in ordinal order; null for all.</summary>
    public ObjectKey? StartAfter { get; init; }
}

/// <summary>What a delete did.</summary>
/// <param name="DeletedCount">Keys that are gone now, including those that never existed.</param>
/// <param name="Failed">Keys that are still there, with why.</param>
public sealed record DeleteResult(int DeletedCount, IReadOnlyList<(ObjectKey Key, string Reason)> Failed);
