using System.Runtime.InteropServices;
using WalRus.Streaming;

namespace WalRus.Encryption;

/// <summary>The part of libsodium's interface (sodium.h, 1.0.14 and later) that the crypter calls.</summary>
internal static unsafe partial class SodiumNative
{
    public const int KeyBytes = 32;
    public const int HeaderBytes = 24;

    /// <summary>What a chunk has beyond its plaintext: the encrypted tag and the MAC.</summary>
    public const int ChunkOverheadBytes = 17;
    public const byte TagMessage = 0;
    public const byte TagFinal = 3;
    private const string Library = "sodium";

    /// <summary>Loads and starts the library; call before anything else here.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.NativeLibraryMissing"/>.</exception>
    public static void Require()
    {
        NativeLibraries.Require(Library);
        if (Initialize() < 0)
        {
            throw new WalRusException(ErrorCode.Unexpected, "libsodium cannot start.");
        }
    }

    [LibraryImport(Library, EntryPoint = "sodium_malloc")]
    public static partial void* Allocate(nuint size);

    [LibraryImport(Library, EntryPoint = "sodium_free")]
    public static partial void Free(void* memory);

    [LibraryImport(Library, EntryPoint = "crypto_secretstream_xchacha20poly1305_statebytes")]
    public static partial nuint StateBytes();

    [LibraryImport(Library, EntryPoint = "crypto_secretstream_xchacha20poly1305_init_push")]
    public static partial int InitPush(void* state, byte* header, byte* key);

    [LibraryImport(Library, EntryPoint = "crypto_secretstream_xchacha20poly1305_push")]
    public static partial int Push(
        void* state, byte* cipher, ulong* cipherLength, byte* plain, ulong plainLength, byte* ad, ulong adLength, byte tag);

    [LibraryImport(Library, EntryPoint = "crypto_secretstream_xchacha20poly1305_init_pull")]
    public static partial int InitPull(void* state, byte* header, byte* key);

    [LibraryImport(Library, EntryPoint = "crypto_secretstream_xchacha20poly1305_pull")]
    public static partial int Pull(
        void* state, byte* plain, ulong* plainLength, byte* tag, byte* cipher, ulong cipherLength, byte* ad, ulong adLength);

    [LibraryImport(Library, EntryPoint = "sodium_init")]
    private static partial int Initialize();
}
