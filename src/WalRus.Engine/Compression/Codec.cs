using WalRus.Streaming;

namespace WalRus.Compression;

/// <summary>
/// A compression method of the archive. Stateless and thread-safe; the streams it opens are not. Streams hold bounded
/// memory whatever the data. Formats: the container wal-g writes for the same method name.
/// </summary>
public abstract class Codec
{
    /// <summary>The value of <c>WALG_COMPRESSION_METHOD</c>: "lz4", "zstd", ...</summary>
    public abstract string Method { get; }

    /// <summary>The object name's extension without a dot: "lz4", "zst", ...; empty for "none".</summary>
    public abstract string Extension { get; }

    /// <summary>True when what it writes holds a checksum of the content, which reading checks.</summary>
    public virtual bool HasChecksum => true;

    /// <summary>Compresses into <paramref name="destination"/>, which is neither completed nor disposed.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.NativeLibraryMissing"/>.</exception>
    public abstract OutputStream OpenCompress(Stream destination);

    /// <summary>
    /// Decompresses <paramref name="source"/>, which is disposed with the result. Reading a truncated or damaged source
    /// throws <see cref="ErrorCode.ObjectCorrupt"/>; the end of the result is reached only if the container is whole.
    /// </summary>
    public abstract Stream OpenDecompress(Stream source);

    /// <summary>Frees the contexts kept for the next streams; for a daemon that has been idle. Open streams go on.</summary>
    public virtual void ReleaseIdleMemory()
    {
    }
}
