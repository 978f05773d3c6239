using WalRus.Encryption;

namespace WalRus.Configuration;

/// <summary>The encryption that the settings ask for, in wal-g's order: OpenPGP, then libsodium.</summary>
internal static class CrypterSelection
{
    /// <returns>Null when none is asked for.</returns>
    /// <exception cref="WalRusException">What is wrong with the key.</exception>
    public static Crypter? Create(WalRusSettings settings)
    {
        foreach (var setting in new[]
        {
            SettingCatalog.PgpKey, SettingCatalog.PgpKeyPath, SettingCatalog.LibsodiumKey, SettingCatalog.LibsodiumKeyPath,
        })
        {
            if (settings.IsSet(setting))
            {
                throw new WalRusException(
                    ErrorCode.SettingNotSupported, $"{setting.Name} is set, and this build has no encryption.");
            }
        }

        return null;
    }
}
