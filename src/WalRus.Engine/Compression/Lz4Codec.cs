using System.Diagnostics;
using WalRus.Streaming;

namespace WalRus.Compression;

/// <summary>
/// LZ4 frames (lz4_Frame_format.md 1.6). Written: linked 256 KiB blocks and a content checksum. With 64 KiB blocks the
/// library copies its window before each, a quarter of its time; wal-g's own writer uses 4 MiB blocks, which every reader
/// must then hold. Read: any frame, several in a row, skippable ones too.
/// </summary>
public sealed class Lz4Codec : Codec
{
    private readonly ContextPool<Compressor> compressors;
    private readonly ContextPool<Decompressor> decompressors = new(static () => new Lz4Decompressor());

    /// <param name="level">0 (fast, the default) to 12; 3 and above is the slow, "HC" kind.</param>
    public Lz4Codec(int? level = null)
    {
        var chosen = Math.Clamp(level ?? 0, 0, 12);
        compressors = new(() => new Lz4Compressor(chosen));
    }

    public override string Method => "lz4";

    public override string Extension => "lz4";

    public override OutputStream OpenCompress(Stream destination) => new CompressingStream(destination, compressors);

    public override Stream OpenDecompress(Stream source) => new DecompressingStream(source, decompressors);

    public override void ReleaseIdleMemory()
    {
        compressors.Clear();
        decompressors.Clear();
    }

    private sealed unsafe class Lz4Compressor : Compressor
    {
        private const int Block256KiB = 5;
        private const int PieceBytes = 256 * 1024;
        private readonly int outputBytesNeeded;
        private Lz4Native.Preferences preferences;
        private nint context;
        private bool headerWritten;

        public Lz4Compressor(int level)
        {
            Lz4Native.Require();
            preferences = new() { BlockSizeId = Block256KiB, ContentChecksum = 1, CompressionLevel = level };
            var asked = preferences;
            outputBytesNeeded = (int)Lz4Native.CompressBound(PieceBytes, &asked);
            Debug.Assert(outputBytesNeeded < StreamBuffer.LargeBytes * 5 / 6, "the output buffer holds a block and its frame");
            Checked(Lz4Native.CreateCompressionContext(out context, Lz4Native.ApiVersion));
        }

        ~Lz4Compressor() => Free();

        public override int OutputBytesNeeded => outputBytesNeeded;

        public override bool NeedsLargeOutput => true;

        public override void Begin() => headerWritten = false;

        public override void Compress(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written)
        {
            fixed (byte* from = input, to = output)
            {
                written = WriteHeader(to, output.Length);
                consumed = 0;
                if (output.Length - written >= outputBytesNeeded)
                {
                    consumed = Math.Min(input.Length, PieceBytes);
                    written += Checked(Lz4Native.CompressUpdate(
                        context, to + written, (nuint)(output.Length - written), from, (nuint)consumed, null));
                }
            }
        }

        public override bool Finish(Span<byte> output, out int written)
        {
            fixed (byte* to = output)
            {
                written = WriteHeader(to, output.Length);
                if (output.Length - written < outputBytesNeeded)
                {
                    return false;
                }

                written += Checked(Lz4Native.CompressEnd(context, to + written, (nuint)(output.Length - written), null));
                return true;
            }
        }

        public override void Dispose()
        {
            Free();
            GC.SuppressFinalize(this);
        }

        private static int Checked(nuint result) => Lz4Native.IsError(result) == 0
            ? (int)result
            : throw new WalRusException(ErrorCode.Unexpected, $"lz4 cannot compress: {Lz4Native.Describe(result)}.");

        private int WriteHeader(byte* to, int capacity)
        {
            if (headerWritten)
            {
                return 0;
            }

            var asked = preferences;
            var written = Checked(Lz4Native.CompressBegin(context, to, (nuint)capacity, &asked));
            headerWritten = true;
            return written;
        }

        private void Free()
        {
            var freed = Interlocked.Exchange(ref context, 0);
            if (freed != 0)
            {
                _ = Lz4Native.FreeCompressionContext(freed);
            }
        }
    }

    private sealed unsafe class Lz4Decompressor : Decompressor
    {
        private nint context;

        public Lz4Decompressor()
        {
            Lz4Native.Require();
            var result = Lz4Native.CreateDecompressionContext(out context, Lz4Native.ApiVersion);
            if (Lz4Native.IsError(result) != 0)
            {
                throw new WalRusException(ErrorCode.Unexpected, $"lz4 cannot start: {Lz4Native.Describe(result)}.");
            }
        }

        ~Lz4Decompressor() => Free();

        public override string Method => "lz4";

        public override bool TakesManyFrames => true;

        /// <summary>Never: after a frame of wal-g's the context holds buffers of two 4 MiB blocks, and cannot tell.</summary>
        public override bool IsWorthKeeping => false;

        public override void Begin() => Lz4Native.ResetDecompressionContext(context);

        public override bool Decompress(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written)
        {
            fixed (byte* from = input, to = output)
            {
                nuint taken = (nuint)input.Length, given = (nuint)output.Length;
                var result = Lz4Native.Decompress(context, to, ref given, from, ref taken, null);
                if (Lz4Native.IsError(result) != 0)
                {
                    throw CorruptData.Damaged(Method, Lz4Native.Describe(result));
                }

                (consumed, written) = ((int)taken, (int)given);
                return result == 0;
            }
        }

        public override void Dispose()
        {
            Free();
            GC.SuppressFinalize(this);
        }

        private void Free()
        {
            var freed = Interlocked.Exchange(ref context, 0);
            if (freed != 0)
            {
                _ = Lz4Native.FreeDecompressionContext(freed);
            }
        }
    }
}
