using WalRus.Streaming;

namespace WalRus.Encryption;

/// <summary>A client-side encryption with its key. Thread-safe; the streams it opens are not.</summary>
public abstract class Crypter : IDisposable
{
    /// <summary>For people and logs: "libsodium", "openpgp". Never the key.</summary>
    public abstract string Name { get; }

    /// <summary>Encrypts into <paramref name="destination"/>, which is neither completed nor disposed.</summary>
    public abstract OutputStream OpenEncrypt(Stream destination);

    /// <summary>
    /// Decrypts <paramref name="source"/>, which is disposed with the result. A wrong key, damage or truncation throws
    /// <see cref="ErrorCode.DecryptionFailed"/>: the end of the result is reached only if the message is whole.
    /// </summary>
    public abstract Stream OpenDecrypt(Stream source);

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Wipes key material; removes anything put on disk.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }
}
