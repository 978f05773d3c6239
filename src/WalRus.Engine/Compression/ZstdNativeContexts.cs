namespace WalRus.Compression;

/// <summary>Compresses with the system's libzstd.</summary>
internal sealed unsafe class ZstdNativeCompressor : Compressor
{
    private nint context;

    public ZstdNativeCompressor(ZstdParameters parameters)
    {
        ZstdNative.Require();
        context = ZstdNative.CreateCompressionContext();
        if (context == 0)
        {
            throw new InsufficientMemoryException("zstd has no memory for a context.");
        }

        Checked(ZstdNative.SetCompressionParameter(context, ZstdNative.CompressionLevel, parameters.Level));
        Checked(ZstdNative.SetCompressionParameter(context, ZstdNative.ChecksumFlag, 1));
        if (parameters.WindowLog is { } windowLog)
        {
            Checked(ZstdNative.SetCompressionParameter(context, ZstdNative.WindowLog, windowLog));
        }
    }

    ~ZstdNativeCompressor() => Free();

    public override void Begin() => Checked(ZstdNative.ResetCompression(context, ZstdNative.ResetSessionOnly));

    public override void Compress(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written) =>
        Step(input, output, ZstdNative.DirectiveContinue, out consumed, out written);

    public override bool Finish(Span<byte> output, out int written) =>
        Step([], output, ZstdNative.DirectiveEnd, out _, out written) == 0;

    public override void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private static nuint Checked(nuint result) => ZstdNative.IsError(result) == 0
        ? result
        : throw new WalRusException(ErrorCode.Unexpected, $"zstd cannot compress: {ZstdNative.Describe(result)}.");

    private nuint Step(ReadOnlySpan<byte> input, Span<byte> output, int directive, out int consumed, out int written)
    {
        fixed (byte* from = input, to = output)
        {
            var source = new ZstdNative.Buffer(from, input.Length);
            var target = new ZstdNative.Buffer(to, output.Length);
            var remaining = Checked(ZstdNative.Compress(context, &target, &source, directive));
            (consumed, written) = ((int)source.Position, (int)target.Position);
            return remaining;
        }
    }

    private void Free()
    {
        var freed = Interlocked.Exchange(ref context, 0);
        if (freed != 0)
        {
            _ = ZstdNative.FreeCompressionContext(freed);
        }
    }
}

/// <summary>Decompresses with the system's libzstd.</summary>
internal sealed unsafe class ZstdNativeDecompressor : Decompressor
{
    private nint context;

    public ZstdNativeDecompressor()
    {
        ZstdNative.Require();
        context = ZstdNative.CreateDecompressionContext();
        if (context == 0)
        {
            throw new InsufficientMemoryException("zstd has no memory for a context.");
        }

        _ = ZstdNative.SetDecompressionParameter(
            context, ZstdNative.DecompressWindowLogMax, ZstdParameters.LargestWindowLogRead);
    }

    ~ZstdNativeDecompressor() => Free();

    public override string Method => "zstd";

    public override bool TakesManyFrames => true;

    public override bool IsWorthKeeping =>
        ZstdNative.SizeOfDecompression(context) <= ZstdParameters.DecompressorKeptAtMostBytes;

    public override void Begin() => ZstdNative.ResetDecompression(context, ZstdNative.ResetSessionOnly);

    public override bool Decompress(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written)
    {
        fixed (byte* from = input, to = output)
        {
            var source = new ZstdNative.Buffer(from, input.Length);
            var target = new ZstdNative.Buffer(to, output.Length);
            var result = ZstdNative.Decompress(context, &target, &source);
            if (ZstdNative.IsError(result) != 0)
            {
                throw CorruptData.Damaged(Method, ZstdNative.Describe(result));
            }

            (consumed, written) = ((int)source.Position, (int)target.Position);
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
            _ = ZstdNative.FreeDecompressionContext(freed);
        }
    }
}
