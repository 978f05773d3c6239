using WalRus.Encryption;

namespace WalRus.Configuration;

/// <summary>The encryption that the settings ask for, in wal-g's order: OpenPGP, then libsodium.</summary>
internal static class CrypterSelection
{
    /// <returns>Null when none is asked for.</returns>
    /// <exception cref="WalRusException">What is wrong with the key.</exception>
    public static Crypter? Create(WalRusSettings settings)
    {
        // As in wal-g a key wins over a file with one.
        var passphrase = settings.Text(SettingCatalog.PgpKeyPassphrase);
        if (settings.Text(SettingCatalog.PgpKey) is { } armor)
        {
            return new OpenPgpCrypter(OpenPgpKey.Parse(armor, passphrase));
        }

        if (settings.Text(SettingCatalog.PgpKeyPath) is { } armorPath)
        {
            return new OpenPgpCrypter(OpenPgpKey.FromFile(armorPath, passphrase));
        }

        var transform = settings.Text(SettingCatalog.LibsodiumKeyTransform);
        if (settings.Text(SettingCatalog.LibsodiumKey) is { } key)
        {
            return new LibsodiumCrypter(LibsodiumKey.Parse(key, transform));
        }

        return settings.Text(SettingCatalog.LibsodiumKeyPath) is { } path
            ? new LibsodiumCrypter(LibsodiumKey.FromFile(path, transform))
            : null;
    }
}
