using ZstdSharp.Unsafe;

namespace WalRus.Compression;

/// <summary>Compresses with ZstdSharp.Port, for machines without libzstd.</summary>
internal sealed unsafe class ZstdManagedCompressor : Compressor
{
    private ZSTD_CCtx_s* context;

    public ZstdManagedCompressor(ZstdParameters parameters)
    {
        context = Methods.ZSTD_createCCtx();
        if (context is null)
        {
            throw new InsufficientMemoryException("zstd has no memory for a context.");
        }

        Checked(Methods.ZSTD_CCtx_setParameter(context, ZSTD_cParameter.ZSTD_c_compressionLevel, parameters.Level));
        Checked(Methods.ZSTD_CCtx_setParameter(context, ZSTD_cParameter.ZSTD_c_checksumFlag, 1));
        if (parameters.WindowLog is { } windowLog)
        {
            Checked(Methods.ZSTD_CCtx_setParameter(context, ZSTD_cParameter.ZSTD_c_windowLog, windowLog));
        }
    }

    ~ZstdManagedCompressor() => Free();

    public override void Begin() =>
        Checked(Methods.ZSTD_CCtx_reset(context, ZSTD_ResetDirective.ZSTD_reset_session_only));

    public override void Compress(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written) =>
        Step(input, output, ZSTD_EndDirective.ZSTD_e_continue, out consumed, out written);

    public override bool Finish(Span<byte> output, out int written) =>
        Step([], output, ZSTD_EndDirective.ZSTD_e_end, out _, out written) == 0;

    public override void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private static nuint Checked(nuint result) => !Methods.ZSTD_isError(result)
        ? result
        : throw new WalRusException(
            ErrorCode.Unexpected, $"zstd cannot compress: {Methods.ZSTD_getErrorName(result)}.");

    private nuint Step(
        ReadOnlySpan<byte> input, Span<byte> output, ZSTD_EndDirective directive, out int consumed, out int written)
    {
        fixed (byte* from = input, to = output)
        {
            var source = new ZSTD_inBuffer_s { src = from, size = (nuint)input.Length };
            var target = new ZSTD_outBuffer_s { dst = to, size = (nuint)output.Length };
            var remaining = Checked(Methods.ZSTD_compressStream2(context, &target, &source, directive));
            (consumed, written) = ((int)source.pos, (int)target.pos);
            GC.KeepAlive(this);
            return remaining;
        }
    }

    private void Free()
    {
        if (context is not null)
        {
            _ = Methods.ZSTD_freeCCtx(context);
            context = null;
        }
    }
}

/// <summary>Decompresses with ZstdSharp.Port, for machines without libzstd.</summary>
internal sealed unsafe class ZstdManagedDecompressor : Decompressor
{
    private ZSTD_DCtx_s* context;

    public ZstdManagedDecompressor()
    {
        context = Methods.ZSTD_createDCtx();
        if (context is null)
        {
            throw new InsufficientMemoryException("zstd has no memory for a context.");
        }

        _ = Methods.ZSTD_DCtx_setParameter(
            context, ZSTD_dParameter.ZSTD_d_windowLogMax, ZstdParameters.LargestWindowLogRead);
    }

    ~ZstdManagedDecompressor() => Free();

    public override string Method => "zstd";

    public override bool TakesManyFrames => true;

    public override bool IsWorthKeeping =>
        Methods.ZSTD_sizeof_DCtx(context) <= ZstdParameters.DecompressorKeptAtMostBytes;

    public override void Begin() => Methods.ZSTD_DCtx_reset(context, ZSTD_ResetDirective.ZSTD_reset_session_only);

    public override bool Decompress(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written)
    {
        fixed (byte* from = input, to = output)
        {
            var source = new ZSTD_inBuffer_s { src = from, size = (nuint)input.Length };
            var target = new ZSTD_outBuffer_s { dst = to, size = (nuint)output.Length };
            var result = Methods.ZSTD_decompressStream(context, &target, &source);
            if (Methods.ZSTD_isError(result))
            {
                throw CorruptData.Damaged(Method, Methods.ZSTD_getErrorName(result));
            }

            (consumed, written) = ((int)source.pos, (int)target.pos);
            GC.KeepAlive(this);
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
        if (context is not null)
        {
            _ = Methods.ZSTD_freeDCtx(context);
            context = null;
        }
    }
}
