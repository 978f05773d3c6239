using System.IO.Compression;
using WalRus.Streaming;

namespace WalRus.Compression;

/// <summary>
/// gzip (RFC 1952). wal-g reads it and never writes it; WAL-RUS does both. Written by .NET's own library, which needs
/// no package; read by <see cref="GzipDecompressor"/>, which notices truncation and damage.
/// </summary>
public sealed class GzipCodec : Codec
{
    private readonly CompressionLevel level;
    private readonly ContextPool<Decompressor> decompressors = new(static () => new GzipDecompressor());

    /// <param name="level">0 to 9, of which .NET knows 0, 1, 6 and 9; null for 1, as in WAL-RUS.</param>
    public GzipCodec(int? level = null) => this.level = level switch
    {
        <= 0 => CompressionLevel.NoCompression,
        null or <= 3 => CompressionLevel.Fastest,
        <= 8 => CompressionLevel.Optimal,
        _ => CompressionLevel.SmallestSize,
    };

    public override string Method => "gzip";

    public override string Extension => "gz";

    public override OutputStream OpenCompress(Stream destination) => new GzipCompressingStream(destination, level);

    public override Stream OpenDecompress(Stream source) => new DecompressingStream(source, decompressors);

    public override void ReleaseIdleMemory() => decompressors.Clear();
}
