using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace WalRus.Encryption;

/// <summary>
/// The 32 bytes that <c>WALG_LIBSODIUM_KEY</c> stands for, in locked memory; wiped when disposed. Messages never say
/// what the key is, only what is wrong with it.
/// </summary>
public sealed class LibsodiumKey : IDisposable
{
    private const int ShortestTextBytes = 25;
    private const int LongestFileBytes = 64 * 1024;

    private LibsodiumKey(SecretMemory memory) => Memory = memory;

    internal SecretMemory Memory { get; }

    /// <summary>Makes the key that the settings' text stands for.</summary>
    /// <param name="text"><c>WALG_LIBSODIUM_KEY</c>, as it is: white space around a plain ("none") key belongs to it.</param>
    /// <param name="transform"><c>WALG_LIBSODIUM_KEY_TRANSFORM</c>: none, hex or base64, any case; null or empty is none.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.EncryptionKeyInvalid"/>.</exception>
    public static LibsodiumKey Parse(ReadOnlySpan<char> text, string? transform)
    {
        var utf8 = new byte[Encoding.UTF8.GetByteCount(text)];
        try
        {
            Encoding.UTF8.GetBytes(text, utf8);
            return FromBytes(utf8, transform);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(utf8);
        }
    }

    /// <summary>Reads a key file (<c>WALG_LIBSODIUM_KEY_PATH</c>); white space around its content is not part of the key.</summary>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.EncryptionKeyMissing"/> or <see cref="ErrorCode.EncryptionKeyInvalid"/>.
    /// </exception>
    public static LibsodiumKey FromFile(string path, string? transform)
    {
        var content = KeyFile.Read(path, LongestFileBytes);
        try
        {
            return FromBytes(Trim(content), transform);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(content);
        }
    }

    public void Dispose() => Memory.Dispose();

    private static LibsodiumKey FromBytes(ReadOnlySpan<byte> utf8, string? transform)
    {
        var memory = new SecretMemory(SodiumNative.KeyBytes);
        try
        {
            switch (transform?.ToLowerInvariant())
            {
                case null or "" or "none":
                    TakePlain(utf8, memory.Span);
                    break;
                case "hex":
                    TakeHex(Trim(utf8), memory.Span);
                    break;
                case "base64":
                    TakeBase64(Trim(utf8), memory.Span);
                    break;
                default:
                    throw Invalid($"'{transform}' is not a transform of the libsodium key: none, hex or base64.");
            }

            return new LibsodiumKey(memory);
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    /// <summary>As wal-g does: padded with zero bytes from 25 to 32, cut after 32.</summary>
    private static void TakePlain(ReadOnlySpan<byte> utf8, Span<byte> key)
    {
        if (utf8.Length < ShortestTextBytes)
        {
            throw Invalid($"The libsodium key has {utf8.Length} bytes; a key without a transform has at least {ShortestTextBytes}.");
        }

        utf8[..Math.Min(utf8.Length, key.Length)].CopyTo(key);
    }

    private static void TakeHex(ReadOnlySpan<byte> digits, Span<byte> key)
    {
        if (digits.Length != 2 * key.Length)
        {
            throw Invalid($"The libsodium key has {digits.Length} characters; in hex it has {2 * key.Length}.");
        }

        for (var at = 0; at < key.Length; at++)
        {
            var (high, low) = (Digit(digits[2 * at]), Digit(digits[(2 * at) + 1]));
            key[at] = (byte)((high << 4) | low);
        }

        static int Digit(byte character) => character switch
        {
            >= (byte)'0' and <= (byte)'9' => character - '0',
            >= (byte)'a' and <= (byte)'f' => character - 'a' + 10,
            >= (byte)'A' and <= (byte)'F' => character - 'A' + 10,
            _ => throw Invalid("The libsodium key is not hex: it has a character that is no hex digit."),
        };
    }

    private static void TakeBase64(ReadOnlySpan<byte> text, Span<byte> key)
    {
        var decoded = new byte[Base64.GetMaxDecodedFromUtf8Length(text.Length)];
        try
        {
            var status = Base64.DecodeFromUtf8(text, decoded, out var consumed, out var length);
            if (status != System.Buffers.OperationStatus.Done || consumed != text.Length)
            {
                throw Invalid("The libsodium key is not base64 with padding.");
            }

            if (length != key.Length)
            {
                throw Invalid($"The libsodium key has {length} bytes after base64; it must have {key.Length}.");
            }

            decoded.AsSpan(0, length).CopyTo(key);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(decoded);
        }
    }

    private static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> text) => text.Trim(" \t\r\n\v\f"u8);

    private static WalRusException Invalid(string message) => new(
        ErrorCode.EncryptionKeyInvalid,
        message,
        "Check WALG_LIBSODIUM_KEY (or the file of WALG_LIBSODIUM_KEY_PATH) and WALG_LIBSODIUM_KEY_TRANSFORM.");
}
