using System.Runtime.InteropServices;
using WalRus.Streaming;

namespace WalRus.Compression;

/// <summary>The part of libzstd's interface (zstd.h, 1.4 and later) that the codec calls.</summary>
internal static unsafe partial class ZstdNative
{
    public const int ResetSessionOnly = 1;
    public const int DirectiveContinue = 0;
    public const int DirectiveEnd = 2;
    public const int CompressionLevel = 100;
    public const int WindowLog = 101;
    public const int ChecksumFlag = 201;
    public const int DecompressWindowLogMax = 100;
    private const string Library = "zstd";

    /// <summary>Whether a managed implementation may stand in: see <see cref="NativeLibraries.IsAbsent"/>.</summary>
    public static bool IsAbsent => NativeLibraries.IsAbsent(Library);

    /// <summary>Call before anything else here.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.NativeLibraryMissing"/>.</exception>
    public static void Require() => NativeLibraries.Require(Library);

    [LibraryImport(Library, EntryPoint = "ZSTD_isError")]
    public static partial uint IsError(nuint code);

    [LibraryImport(Library, EntryPoint = "ZSTD_getErrorName")]
    public static partial nint GetErrorName(nuint code);

    [LibraryImport(Library, EntryPoint = "ZSTD_createCCtx")]
    public static partial nint CreateCompressionContext();

    [LibraryImport(Library, EntryPoint = "ZSTD_freeCCtx")]
    public static partial nuint FreeCompressionContext(nint context);

    [LibraryImport(Library, EntryPoint = "ZSTD_CCtx_setParameter")]
    public static partial nuint SetCompressionParameter(nint context, int parameter, int value);

    [LibraryImport(Library, EntryPoint = "ZSTD_CCtx_reset")]
    public static partial nuint ResetCompression(nint context, int directive);

    [LibraryImport(Library, EntryPoint = "ZSTD_compressStream2")]
    public static partial nuint Compress(nint context, Buffer* output, Buffer* input, int directive);

    [LibraryImport(Library, EntryPoint = "ZSTD_createDCtx")]
    public static partial nint CreateDecompressionContext();

    [LibraryImport(Library, EntryPoint = "ZSTD_freeDCtx")]
    public static partial nuint FreeDecompressionContext(nint context);

    [LibraryImport(Library, EntryPoint = "ZSTD_DCtx_setParameter")]
    public static partial nuint SetDecompressionParameter(nint context, int parameter, int value);

    [LibraryImport(Library, EntryPoint = "ZSTD_DCtx_reset")]
    public static partial nuint ResetDecompression(nint context, int directive);

    [LibraryImport(Library, EntryPoint = "ZSTD_decompressStream")]
    public static partial nuint Decompress(nint context, Buffer* output, Buffer* input);

    [LibraryImport(Library, EntryPoint = "ZSTD_sizeof_DCtx")]
    public static partial nuint SizeOfDecompression(nint context);

    public static string Describe(nuint code) => Marshal.PtrToStringUTF8(GetErrorName(code)) ?? $"error {code}";

    /// <summary>ZSTD_inBuffer and ZSTD_outBuffer, which are alike.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Buffer(byte* data, int size)
    {
        public byte* Data = data;
        public nuint Size = (nuint)size;
        public nuint Position;
    }
}
