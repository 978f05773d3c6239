using System.Buffers;
using System.IO.Compression;
using WalRus.Streaming;

namespace WalRus.Compression;

/// <summary>
/// A raw Brotli stream (RFC 7932) through .NET's own library: no magic number and no checksum. Truncation is always
/// noticed, damage only where it breaks the format.
/// </summary>
public sealed class BrotliCodec : Codec
{
    /// <summary>The quality wal-g writes with.</summary>
    public const int DefaultQuality = 3;

    private readonly ContextPool<Compressor> compressors;
    private readonly ContextPool<Decompressor> decompressors = new(static () => new BrotliDecompressor());

    /// <param name="quality">0 to 11; null for <see cref="DefaultQuality"/>.</param>
    public BrotliCodec(int? quality = null)
    {
        var chosen = Math.Clamp(quality ?? DefaultQuality, 0, 11);
        compressors = new(() => new BrotliCompressor(chosen));
    }

    public override string Method => "brotli";

    public override string Extension => "br";

    public override bool HasChecksum => false;

    public override OutputStream OpenCompress(Stream destination) => new CompressingStream(destination, compressors);

    public override Stream OpenDecompress(Stream source) => new DecompressingStream(source, decompressors);

    private sealed class BrotliCompressor(int quality) : Compressor
    {
        private const int DefaultWindowLog = 22;
        private BrotliEncoder encoder = new(quality, DefaultWindowLog);

        /// <summary>Never: the library's state serves one stream.</summary>
        public override bool IsWorthKeeping => false;

        public override void Begin()
        {
        }

        public override void Compress(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written) =>
            Checked(encoder.Compress(input, output, out consumed, out written, isFinalBlock: false));

        public override bool Finish(Span<byte> output, out int written) =>
            Checked(encoder.Compress([], output, out _, out written, isFinalBlock: true)) == OperationStatus.Done;

        public override void Dispose() => encoder.Dispose();

        private static OperationStatus Checked(OperationStatus status) => status != OperationStatus.InvalidData
            ? status
            : throw new WalRusException(ErrorCode.Unexpected, "brotli cannot compress.");
    }

    private sealed class BrotliDecompressor : Decompressor
    {
        private BrotliDecoder decoder;

        public override string Method => "brotli";

        public override bool TakesManyFrames => false;

        /// <summary>Never: the library's state serves one stream.</summary>
        public override bool IsWorthKeeping => false;

        public override void Begin()
        {
        }

        public override bool Decompress(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written)
        {
            var status = decoder.Decompress(input, output, out consumed, out written);
            return status != OperationStatus.InvalidData
                ? status == OperationStatus.Done
                : throw CorruptData.Damaged(Method, "it is not a brotli stream from here on");
        }

        public override void Dispose() => decoder.Dispose();
    }
}
