using System.Security.Cryptography;
using System.Text;

namespace WalRus.Encryption;

/// <summary>
/// The armored OpenPGP keys of <c>WALG_PGP_KEY</c> or <c>WALG_PGP_KEY_PATH</c> and the passphrase that unlocks the
/// private ones. Held in pinned memory and wiped when disposed.
/// </summary>
public sealed class OpenPgpKey : IDisposable
{
    private const int LargestBytes = 4 * 1024 * 1024;
    private readonly byte[] armor;
    private readonly byte[] passphrase;

    private OpenPgpKey(byte[] armor, byte[] passphrase)
    {
        this.armor = armor;
        this.passphrase = passphrase;
    }

    /// <summary>Whether there are private keys, so that what was encrypted to them can be read.</summary>
    public bool IsPrivate => armor.AsSpan().IndexOf("-----BEGIN PGP PRIVATE KEY BLOCK"u8) >= 0;

    internal ReadOnlyMemory<byte> Armor => armor;

    /// <summary>The passphrase and the newline that ends it for gpg; empty when there is none.</summary>
    internal ReadOnlyMemory<byte> PassphraseLine => passphrase;

    /// <param name="text">The armored keys; the two characters <c>\n</c> stand for a newline, as in an environment file.</param>
    /// <param name="passphrase"><c>WALG_PGP_KEY_PASSPHRASE</c>, or null.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.EncryptionKeyInvalid"/>.</exception>
    public static OpenPgpKey Parse(ReadOnlySpan<char> text, string? passphrase)
    {
        var armor = Pinned(Encoding.UTF8.GetByteCount(text));
        Encoding.UTF8.GetBytes(text, armor);
        return Create(armor, passphrase, "WALG_PGP_KEY");
    }

    /// <param name="path">A file of armored keys.</param>
    /// <param name="passphrase"><c>WALG_PGP_KEY_PASSPHRASE</c>, or null.</param>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.EncryptionKeyMissing"/> or <see cref="ErrorCode.EncryptionKeyInvalid"/>.
    /// </exception>
    public static OpenPgpKey FromFile(string path, string? passphrase) =>
        Create(KeyFile.Read(path, LargestBytes), passphrase, $"The file '{path}'");

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(armor);
        CryptographicOperations.ZeroMemory(passphrase);
    }

    private static OpenPgpKey Create(byte[] armor, string? passphrase, string origin)
    {
        armor = UnescapeNewlines(armor);
        if (armor.AsSpan().IndexOf("-----BEGIN PGP "u8) < 0)
        {
            CryptographicOperations.ZeroMemory(armor);
            throw new WalRusException(
                ErrorCode.EncryptionKeyInvalid,
                $"{origin} holds no armored OpenPGP key.",
                "Export one with 'gpg --armor --export-secret-keys' (or --export to write backups only).");
        }

        if (passphrase?.AsSpan().IndexOfAny('\r', '\n') >= 0)
        {
            throw new WalRusException(
                ErrorCode.EncryptionKeyInvalid,
                "The passphrase of the OpenPGP key has more than one line.",
                "Check WALG_PGP_KEY_PASSPHRASE for a newline at its end.");
        }

        return new OpenPgpKey(armor, PassphraseBytes(passphrase));
    }

    private static byte[] PassphraseBytes(string? passphrase)
    {
        if (string.IsNullOrEmpty(passphrase))
        {
            return [];
        }

        var line = Pinned(Encoding.UTF8.GetByteCount(passphrase) + 1);
        Encoding.UTF8.GetBytes(passphrase, line);
        line[^1] = (byte)'\n';
        return line;
    }

    private static byte[] UnescapeNewlines(byte[] escaped)
    {
        var newlines = escaped.AsSpan().Count("\\n"u8);
        if (newlines == 0)
        {
            return escaped;
        }

        var armor = Pinned(escaped.Length - newlines);
        var to = 0;
        for (var from = 0; from < escaped.Length; from++)
        {
            var isNewline = escaped.AsSpan(from).StartsWith("\\n"u8);
            armor[to++] = isNewline ? (byte)'\n' : escaped[from];
            from += isNewline ? 1 : 0;
        }

        CryptographicOperations.ZeroMemory(escaped);
        return armor;
    }

    private static byte[] Pinned(int length) => GC.AllocateUninitializedArray<byte>(length, pinned: true);
}
