using System.Runtime.InteropServices;
using WalRus.Streaming;

namespace WalRus.Compression;

/// <summary>The part of liblz4's frame interface (lz4frame.h, 1.9) that the codec calls.</summary>
internal static unsafe partial class Lz4Native
{
    public const uint ApiVersion = 100;
    private const string Library = "lz4";

    /// <summary>Call before anything else here.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.NativeLibraryMissing"/>.</exception>
    public static void Require() => NativeLibraries.Require(Library);

    [LibraryImport(Library, EntryPoint = "LZ4F_isError")]
    public static partial uint IsError(nuint code);

    [LibraryImport(Library, EntryPoint = "LZ4F_getErrorName")]
    public static partial nint GetErrorName(nuint code);

    [LibraryImport(Library, EntryPoint = "LZ4F_createCompressionContext")]
    public static partial nuint CreateCompressionContext(out nint context, uint version);

    [LibraryImport(Library, EntryPoint = "LZ4F_freeCompressionContext")]
    public static partial nuint FreeCompressionContext(nint context);

    [LibraryImport(Library, EntryPoint = "LZ4F_compressBound")]
    public static partial nuint CompressBound(nuint sourceSize, Preferences* preferences);

    [LibraryImport(Library, EntryPoint = "LZ4F_compressBegin")]
    public static partial nuint CompressBegin(nint context, byte* output, nuint capacity, Preferences* preferences);

    [LibraryImport(Library, EntryPoint = "LZ4F_compressUpdate")]
    public static partial nuint CompressUpdate(
        nint context, byte* output, nuint capacity, byte* input, nuint size, void* options);

    [LibraryImport(Library, EntryPoint = "LZ4F_compressEnd")]
    public static partial nuint CompressEnd(nint context, byte* output, nuint capacity, void* options);

    [LibraryImport(Library, EntryPoint = "LZ4F_createDecompressionContext")]
    public static partial nuint CreateDecompressionContext(out nint context, uint version);

    [LibraryImport(Library, EntryPoint = "LZ4F_freeDecompressionContext")]
    public static partial nuint FreeDecompressionContext(nint context);

    [LibraryImport(Library, EntryPoint = "LZ4F_resetDecompressionContext")]
    public static partial void ResetDecompressionContext(nint context);

    [LibraryImport(Library, EntryPoint = "LZ4F_decompress")]
    public static partial nuint Decompress(
        nint context, byte* output, ref nuint outputSize, byte* input, ref nuint inputSize, void* options);

    public static string Describe(nuint code) => Marshal.PtrToStringUTF8(GetErrorName(code)) ?? $"error {code}";

    /// <summary>LZ4F_preferences_t with the frame's description in it.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Preferences
    {
        public int BlockSizeId;
        public int BlockMode;
        public int ContentChecksum;
        public int FrameType;
        public ulong ContentSize;
        public uint DictionaryId;
        public int BlockChecksum;
        public int CompressionLevel;
        public uint AutoFlush;
        public uint FavorDecompressionSpeed;
        public uint Reserved0;
        public uint Reserved1;
        public uint Reserved2;
    }
}
