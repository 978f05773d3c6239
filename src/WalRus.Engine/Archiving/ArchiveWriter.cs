using WalRus.Compression;
using WalRus.Encryption;
using WalRus.Storage;
using WalRus.Streaming;

namespace WalRus.Archiving;

/// <summary>
/// The write end of one data object: compresses, encrypts and stores what is written. Completing makes the object
/// visible and durable; disposing without completing leaves nothing.
/// </summary>
public sealed class ArchiveWriter : OutputStream
{
    private readonly OutputStream[] chain;
    private readonly StoredByteCounter stored;

    private ArchiveWriter(ObjectKey key, OutputStream[] chain, StoredByteCounter stored)
    {
        Key = key;
        this.chain = chain;
        this.stored = stored;
    }

    /// <summary>The object's full key, codec extension included.</summary>
    public ObjectKey Key { get; }

    /// <summary>Bytes written to this stream so far.</summary>
    public long BytesIn { get; private set; }

    /// <summary>Bytes that went to the store so far.</summary>
    public long BytesOut => stored.Bytes;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        // An empty write must not reach a codec or crypter (wal-g drops it too): some emit a block for it.
        if (!buffer.IsEmpty)
        {
            await chain[0].WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
            BytesIn += buffer.Length;
        }
    }

    public override async ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        foreach (var stage in chain)
        {
            await stage.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        foreach (var stage in chain)
        {
            await stage.DisposeAsync().ConfigureAwait(false);
        }

        GC.SuppressFinalize(this);
    }

    internal static ArchiveWriter Create(ObjectKey key, OutputStream target, Codec codec, Crypter? crypter)
    {
        var stored = new StoredByteCounter(target);
        OutputStream encrypted = crypter is null ? stored : crypter.OpenEncrypt(stored);
        var compressed = codec.OpenCompress(encrypted);
        OutputStream[] chain = crypter is null ? [compressed, stored] : [compressed, encrypted, stored];
        return new ArchiveWriter(key, chain, stored);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            foreach (var stage in chain)
            {
                stage.Dispose();
            }
        }

        base.Dispose(disposing);
    }

    private sealed class StoredByteCounter(OutputStream target) : OutputStream
    {
        public long Bytes { get; private set; }

        public override async ValueTask WriteAsync(
            ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await target.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
            Bytes += buffer.Length;
        }

        public override ValueTask CompleteAsync(CancellationToken cancellationToken) => target.CompleteAsync(cancellationToken);

        public override ValueTask DisposeAsync() => target.DisposeAsync();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                target.Dispose();
            }
        }
    }
}
