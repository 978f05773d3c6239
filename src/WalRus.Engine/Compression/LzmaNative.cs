using System.Runtime.InteropServices;
using WalRus.Streaming;

namespace WalRus.Compression;

/// <summary>The part of liblzma's interface (lzma.h, 5.0 and later) that the codec calls.</summary>
internal static unsafe partial class LzmaNative
{
    public const int Ok = 0;
    public const int StreamEnd = 1;
    public const int MemoryError = 5;
    public const int MemoryLimitError = 6;
    public const int FormatError = 7;
    public const int BufferError = 10;
    public const int ActionRun = 0;
    public const int ActionFinish = 3;
    private const string Library = "lzma";

    /// <summary>Call before anything else here.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.NativeLibraryMissing"/>.</exception>
    public static void Require() => NativeLibraries.Require(Library);

    [LibraryImport(Library, EntryPoint = "lzma_lzma_preset")]
    public static partial byte SetPreset(Options* options, uint preset);

    [LibraryImport(Library, EntryPoint = "lzma_alone_encoder")]
    public static partial int BeginAloneEncoder(State* state, Options* options);

    [LibraryImport(Library, EntryPoint = "lzma_alone_decoder")]
    public static partial int BeginAloneDecoder(State* state, ulong memoryLimitBytes);

    [LibraryImport(Library, EntryPoint = "lzma_code")]
    public static partial int Code(State* state, int action);

    [LibraryImport(Library, EntryPoint = "lzma_end")]
    public static partial void End(State* state);

    /// <summary>lzma_stream; zeros are its initial value.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct State
    {
        public byte* NextIn;
        public nuint AvailableIn;
        public ulong TotalIn;
        public byte* NextOut;
        public nuint AvailableOut;
        public ulong TotalOut;
        public nint Allocator;
        public nint Internal;
        private readonly nint reservedPointer1;
        private readonly nint reservedPointer2;
        private readonly nint reservedPointer3;
        private readonly nint reservedPointer4;
        private readonly ulong seekPosition;
        private readonly ulong reservedInteger2;
        private readonly nuint reservedInteger3;
        private readonly nuint reservedInteger4;
        private readonly int reservedEnumeration1;
        private readonly int reservedEnumeration2;
    }

    /// <summary>lzma_options_lzma, of which only the dictionary's size is changed after a preset has filled it.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 160)]
    public struct Options
    {
        public uint DictionaryBytes;
    }
}
