using System.Diagnostics;

namespace WalRus.Encryption;

/// <summary>
/// The state of one libsodium secretstream (XChaCha20-Poly1305, no additional data) and wal-g's way to cut it into
/// chunks: every full chunk of 8192 bytes has the tag MESSAGE, the last has 0 to 8191 bytes and the tag FINAL.
/// </summary>
internal sealed unsafe class SecretStream : IDisposable
{
    public const int PlainChunkBytes = 8192;
    public const int CipherChunkBytes = PlainChunkBytes + SodiumNative.ChunkOverheadBytes;
    private readonly SecretMemory state;

    private SecretStream() => state = new SecretMemory((int)SodiumNative.StateBytes());

    /// <summary>Begins writing with a random header, which goes to the first 24 bytes of <paramref name="header"/>.</summary>
    public static SecretStream BeginEncrypt(LibsodiumKey key, Span<byte> header)
    {
        Debug.Assert(header.Length >= SodiumNative.HeaderBytes, "room for the header");
        var stream = new SecretStream();
        fixed (byte* to = header)
        {
            Checked(SodiumNative.InitPush(stream.state.Pointer, to, key.Memory.Pointer));
        }

        return stream;
    }

    /// <summary>
    /// Begins with a given header: for reading, and, since both sides derive the same state from it, for writing known
    /// vectors. Writing twice with one header and key gives the plaintext away: nothing but tests may.
    /// </summary>
    public static SecretStream BeginWithHeader(LibsodiumKey key, ReadOnlySpan<byte> header)
    {
        Debug.Assert(header.Length == SodiumNative.HeaderBytes, "the whole header");
        var stream = new SecretStream();
        fixed (byte* from = header)
        {
            Checked(SodiumNative.InitPull(stream.state.Pointer, from, key.Memory.Pointer));
        }

        return stream;
    }

    /// <summary>Encrypts one chunk; returns its length.</summary>
    public int Encrypt(ReadOnlySpan<byte> plain, Span<byte> cipher, bool isLast)
    {
        Debug.Assert(isLast ? plain.Length < PlainChunkBytes : plain.Length == PlainChunkBytes, "wal-g's chunks");
        Debug.Assert(cipher.Length >= plain.Length + SodiumNative.ChunkOverheadBytes, "room for the chunk");
        fixed (byte* from = plain, to = cipher)
        {
            var tag = isLast ? SodiumNative.TagFinal : SodiumNative.TagMessage;
            Checked(SodiumNative.Push(state.Pointer, to, null, from, (ulong)plain.Length, null, 0, tag));
            return plain.Length + SodiumNative.ChunkOverheadBytes;
        }
    }

    /// <summary>Decrypts one chunk; false when it is not what this key wrote at this place.</summary>
    public bool TryDecrypt(ReadOnlySpan<byte> cipher, Span<byte> plain, out bool isFinal)
    {
        Debug.Assert(plain.Length >= cipher.Length - SodiumNative.ChunkOverheadBytes, "room for the chunk");
        byte tag = 0;
        fixed (byte* from = cipher, to = plain)
        {
            var result = SodiumNative.Pull(state.Pointer, to, null, &tag, from, (ulong)cipher.Length, null, 0);
            isFinal = tag == SodiumNative.TagFinal;
            return result == 0;
        }
    }

    public void Dispose() => state.Dispose();

    private static void Checked(int result)
    {
        if (result != 0)
        {
            throw new WalRusException(ErrorCode.Unexpected, "libsodium refused to encrypt.");
        }
    }
}
