using WalRus.Streaming;

namespace WalRus.Encryption;

/// <summary>
/// wal-g's libsodium encryption: a 24-byte header, then the chunks of <see cref="SecretStream"/>. The header is always
/// written, also for empty content (wal-g leaves it out there and cannot read the object again).
/// </summary>
public sealed class LibsodiumCrypter : Crypter
{
    private readonly LibsodiumKey key;

    /// <param name="key">Owned and wiped by the crypter.</param>
    public LibsodiumCrypter(LibsodiumKey key) => this.key = key;

    public override string Name => "libsodium";

    public override OutputStream OpenEncrypt(Stream destination) => new SecretStreamWriter(destination, key);

    public override Stream OpenDecrypt(Stream source) => new SecretStreamReader(source, key);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            key.Dispose();
        }
    }
}
