using WalRus.Streaming;

namespace WalRus.Compression;

/// <summary>
/// Zstandard frames (RFC 8878). Written: one frame with a content checksum and a window of at most 8 MiB. Read: any
/// frames, several in a row, skippable ones too, windows up to 128 MiB. Through the system's libzstd; on machines without
/// it through ZstdSharp.Port, which is a managed port of the same code and slower.
/// </summary>
public sealed class ZstdCodec : Codec
{
    /// <summary>On WAL level 1 is faster than level 3 and as small (docs/BENCHMARKS), so it is what no setting means.</summary>
    public const int DefaultLevel = 1;

    private readonly bool alwaysManaged;
    private readonly ContextPool<Compressor> compressors;
    private readonly ContextPool<Decompressor> decompressors;

    /// <param name="level">1 to 22; null for <see cref="DefaultLevel"/>.</param>
    public ZstdCodec(int? level = null)
        : this(level, alwaysManaged: false)
    {
    }

    /// <param name="level">As above.</param>
    /// <param name="alwaysManaged">Do as on a machine without libzstd.</param>
    internal ZstdCodec(int? level, bool alwaysManaged)
    {
        this.alwaysManaged = alwaysManaged;
        var parameters = ZstdParameters.ForLevel(level ?? DefaultLevel);
        compressors = new(() => CreateCompressor(parameters));
        decompressors = new(CreateDecompressor);
    }

    public override string Method => "zstd";

    public override string Extension => "zst";

    private bool IsManaged => alwaysManaged || ZstdNative.IsAbsent;

    public override OutputStream OpenCompress(Stream destination) => new CompressingStream(destination, compressors);

    public override Stream OpenDecompress(Stream source) => new DecompressingStream(source, decompressors);

    public override void ReleaseIdleMemory()
    {
        compressors.Clear();
        decompressors.Clear();
    }

    private Compressor CreateCompressor(ZstdParameters parameters) =>
        IsManaged ? new ZstdManagedCompressor(parameters) : new ZstdNativeCompressor(parameters);

    private Decompressor CreateDecompressor() =>
        IsManaged ? new ZstdManagedDecompressor() : new ZstdNativeDecompressor();
}
