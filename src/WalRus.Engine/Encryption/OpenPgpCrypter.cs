using WalRus.Streaming;

namespace WalRus.Encryption;

/// <summary>
/// wal-g's OpenPGP encryption through the system's gpg (2.1 or later): a binary message to every key of the ring, not
/// signed, not compressed by OpenPGP. One gpg process a stream, with key rings of this process alone.
/// </summary>
public sealed class OpenPgpCrypter : Crypter
{
    private readonly GpgKeyRing keys;

    /// <param name="key">Owned and wiped by the crypter. Public keys can only write.</param>
    public OpenPgpCrypter(OpenPgpKey key) => keys = new GpgKeyRing(key);

    public override string Name => "openpgp";

    public override OutputStream OpenEncrypt(Stream destination) => new GpgEncryptingStream(destination, keys);

    public override Stream OpenDecrypt(Stream source) => new GpgDecryptingStream(source, keys);

    /// <summary>Stops the agent and removes the keys' folder.</summary>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            keys.Dispose();
        }
    }
}
