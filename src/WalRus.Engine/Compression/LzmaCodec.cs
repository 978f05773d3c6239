using System.Runtime.InteropServices;
using WalRus.Streaming;

namespace WalRus.Compression;

/// <summary>
/// The old LZMA-alone container (".lzma", not ".xz"), which wal-g writes: 13 bytes of header, unknown size, end mark, no
/// checksum. Truncation is always noticed; so is most damage, as the range coder must end in one certain state.
/// </summary>
public sealed class LzmaCodec : Codec
{
    /// <summary>As in WAL-RUS: ten times as fast as level 6 and a tenth of its memory for 0.9 of its ratio.</summary>
    public const int DefaultLevel = 1;

    private readonly ContextPool<Compressor> compressors;
    private readonly ContextPool<Decompressor> decompressors = new(static () => new LzmaDecompressor());

    /// <param name="level">0 to 9; null for <see cref="DefaultLevel"/>. The dictionary is never above wal-g's 8 MiB.</param>
    public LzmaCodec(int? level = null)
    {
        var chosen = (uint)Math.Clamp(level ?? DefaultLevel, 0, 9);
        compressors = new(() => new LzmaCompressor(chosen));
    }

    public override string Method => "lzma";

    public override string Extension => "lzma";

    public override bool HasChecksum => false;

    public override OutputStream OpenCompress(Stream destination) => new CompressingStream(destination, compressors);

    public override Stream OpenDecompress(Stream source) => new DecompressingStream(source, decompressors);

    /// <summary>liblzma's stream at a fixed address.</summary>
    private sealed unsafe class LzmaState
    {
        private LzmaNative.State* state;

        public LzmaState()
        {
            LzmaNative.Require();
            state = (LzmaNative.State*)NativeMemory.AllocZeroed((nuint)sizeof(LzmaNative.State));
        }

        ~LzmaState() => Release();

        public LzmaNative.State* Pointer => state;

        public int Step(
            ReadOnlySpan<byte> input, Span<byte> output, int action, out int consumed, out int written)
        {
            fixed (byte* from = input, to = output)
            {
                state->NextIn = from;
                state->AvailableIn = (nuint)input.Length;
                state->NextOut = to;
                state->AvailableOut = (nuint)output.Length;
                var result = LzmaNative.Code(state, action);
                consumed = input.Length - (int)state->AvailableIn;
                written = output.Length - (int)state->AvailableOut;
                GC.KeepAlive(this);
                return result;
            }
        }

        public void Free()
        {
            GC.SuppressFinalize(this);
            Release();
        }

        private void Release()
        {
            if (state is not null)
            {
                LzmaNative.End(state);
                NativeMemory.Free(state);
                state = null;
            }
        }
    }

    private sealed unsafe class LzmaCompressor(uint level) : Compressor
    {
        private const uint LargestDictionaryBytes = 8 << 20;
        private readonly LzmaState state = new();

        /// <summary>Never: its memory is several times the dictionary.</summary>
        public override bool IsWorthKeeping => false;

        public override void Begin()
        {
            LzmaNative.Options options = default;
            if (LzmaNative.SetPreset(&options, level) != 0)
            {
                throw new WalRusException(ErrorCode.Unexpected, $"lzma does not know level {level}.");
            }

            options.DictionaryBytes = Math.Min(options.DictionaryBytes, LargestDictionaryBytes);
            Checked(LzmaNative.BeginAloneEncoder(state.Pointer, &options));
        }

        public override void Compress(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written) =>
            Checked(state.Step(input, output, LzmaNative.ActionRun, out consumed, out written));

        public override bool Finish(Span<byte> output, out int written) =>
            Checked(state.Step([], output, LzmaNative.ActionFinish, out _, out written)) == LzmaNative.StreamEnd;

        public override void Dispose() => state.Free();

        private static int Checked(int result) => result switch
        {
            LzmaNative.Ok or LzmaNative.StreamEnd => result,
            LzmaNative.MemoryError => throw new InsufficientMemoryException("lzma has no memory for its dictionary."),
            _ => throw new WalRusException(ErrorCode.Unexpected, $"lzma cannot compress: error {result}."),
        };
    }

    private sealed unsafe class LzmaDecompressor : Decompressor
    {
        private const ulong MemoryLimitBytes = 130UL << 20;
        private readonly LzmaState state = new();

        public override string Method => "lzma";

        public override bool TakesManyFrames => false;

        /// <summary>Never: it holds a dictionary, wal-g's has 8 MiB.</summary>
        public override bool IsWorthKeeping => false;

        public override void Begin()
        {
            if (LzmaNative.BeginAloneDecoder(state.Pointer, MemoryLimitBytes) != LzmaNative.Ok)
            {
                throw new InsufficientMemoryException("lzma has no memory for a context.");
            }
        }

        public override bool Decompress(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written)
        {
            var result = state.Step(input, output, LzmaNative.ActionRun, out consumed, out written);
            return result switch
            {
                LzmaNative.Ok or LzmaNative.BufferError => false,
                LzmaNative.StreamEnd => true,
                LzmaNative.MemoryError => throw new InsufficientMemoryException("lzma has no memory for its dictionary."),
                LzmaNative.MemoryLimitError => throw CorruptData.Damaged(
                    Method, $"it asks for more than {MemoryLimitBytes >> 20} MiB of memory"),
                LzmaNative.FormatError => throw CorruptData.Damaged(Method, "it is not an LZMA-alone container"),
                _ => throw CorruptData.Damaged(Method, "it is not an LZMA stream from here on"),
            };
        }

        public override void Dispose() => state.Free();
    }
}
