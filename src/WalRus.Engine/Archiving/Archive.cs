using System.Buffers;
using WalRus.Compression;
using WalRus.Encryption;
using WalRus.Storage;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Archiving;

/// <summary>
/// One archive: a store with the codec it writes with, the codecs it can read, and the encryption of both.
/// Bytes in -> compress -> encrypt -> put; get -> decrypt -> decompress -> bytes out. JSON documents are plain.
/// </summary>
/// <param name="Store">Where objects live.</param>
/// <param name="Codec">What new objects are compressed with.</param>
/// <param name="ReadOrder">The codecs tried, in this order, when the extension of a WAL object is not known.</param>
/// <param name="Crypter">Encryption of every data object, or null.</param>
public sealed record Archive(IObjectStore Store, Codec Codec, IReadOnlyList<Codec> ReadOrder, Crypter? Crypter)
{
    /// <summary>Begins a data object; its key is <paramref name="key"/> with this archive's codec extension.</summary>
    public async ValueTask<ArchiveWriter> OpenWriteAsync(
        ObjectKey key, WriteCondition condition, CancellationToken cancellationToken)
    {
        var fullKey = WalGLayout.WithExtension(key, Codec.Extension);
        var target = await Store.OpenWriteAsync(fullKey, condition, cancellationToken).ConfigureAwait(false);
        return ArchiveWriter.Create(fullKey, target, Codec, Crypter);
    }

    /// <summary>Opens a data object by its full key; the codec follows from its extension (none or ".tar": not compressed). Damage is reported with the key.</summary>
    public async ValueTask<Stream> OpenReadAsync(ObjectKey fullKey, CancellationToken cancellationToken)
    {
        var codec = CodecOf(fullKey);
        var raw = await Store.OpenReadAsync(fullKey, null, cancellationToken).ConfigureAwait(false);
        return new NamedObjectStream(Decode(raw, codec), fullKey, Crypter is not null);
    }

    /// <summary>
    /// Finds the object that holds <paramref name="key"/> under any codec: this archive's own codec first, then
    /// <see cref="ReadOrder"/>. Null when there is none.
    /// </summary>
    public async ValueTask<ObjectInfo?> FindAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        foreach (var codec in ReadOrder.Prepend(Codec).DistinctBy(codec => codec.Extension))
        {
            var found = await Store
                .HeadAsync(WalGLayout.WithExtension(key, codec.Extension), cancellationToken).ConfigureAwait(false);
            if (found is not null)
            {
                return found;
            }
        }

        return null;
    }

    /// <summary>Undoes encryption and compression of <paramref name="raw"/>, which is disposed with the result.</summary>
    public Stream Decode(Stream raw, Codec codec)
    {
        var plain = Crypter is null ? raw : Crypter.OpenDecrypt(raw);
        return codec.OpenDecompress(plain);
    }

    /// <summary>The codec that an object's extension names.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.CodecUnknown"/>.</exception>
    public Codec CodecOf(ObjectKey fullKey)
    {
        var dot = fullKey.Name.LastIndexOf('.');
        var extension = dot < 0 ? "" : fullKey.Name[(dot + 1)..];
        if (extension is "tar" or "history" or "partial" or "backup" or "")
        {
            extension = "";
        }

        return ReadOrder.Append(Codec).FirstOrDefault(codec => codec.Extension == extension)
            ?? throw new WalRusException(
                ErrorCode.CodecUnknown,
                $"'{fullKey}' ends in '.{extension}', which no known compression method writes.",
                "Check that the object belongs to this archive; WalRus reads lz4, lzma, zst, br, gz and uncompressed objects.");
    }

    /// <summary>Frees what codecs keep for the next streams; those that are open go on.</summary>
    public void ReleaseIdleMemory()
    {
        foreach (var codec in ReadOrder.Append(Codec))
        {
            codec.ReleaseIdleMemory();
        }

        StreamBuffer.ReleaseIdle();
    }

    /// <summary>Writes a plain document whole: visible only when all of it is durable.</summary>
    public async ValueTask WriteDocumentAsync(ObjectKey key, ReadOnlyMemory<byte> json, CancellationToken cancellationToken)
    {
        await using var target = await Store
            .OpenWriteAsync(key, WriteCondition.None, cancellationToken).ConfigureAwait(false);
        await target.WriteAsync(json, cancellationToken).ConfigureAwait(false);
        await target.CompleteAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads a small plain document whole; null when it does not exist.</summary>
    /// <param name="maxBytes">A document larger than this is refused, so that a foreign object cannot fill memory.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/> when larger than the bound.</exception>
    public async ValueTask<byte[]?> ReadDocumentAsync(ObjectKey key, int maxBytes, CancellationToken cancellationToken)
    {
        Stream source;
        try
        {
            source = await Store.OpenReadAsync(key, null, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException notFound) when (notFound.Code == ErrorCode.ObjectNotFound)
        {
            return null;
        }

        await using (source.ConfigureAwait(false))
        {
            var content = new ArrayBufferWriter<byte>(4096);
            int read;
            while ((read = await source.ReadAsync(content.GetMemory(4096), cancellationToken).ConfigureAwait(false)) > 0)
            {
                content.Advance(read);
                if (content.WrittenCount > maxBytes)
                {
                    throw new WalRusException(
                        ErrorCode.ObjectCorrupt, $"'{key}' is larger than {maxBytes} bytes and cannot be the document it is named as.");
                }
            }

            return content.WrittenSpan.ToArray();
        }
    }
}
