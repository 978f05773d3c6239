namespace WalRus.Configuration;

public static partial class SettingCatalog
{
    private const string OtherEncryption =
        "WalRus encrypts with libsodium (WALG_LIBSODIUM_KEY_PATH) or OpenPGP keys (WALG_PGP_KEY_PATH); it will not read or write without the encryption that is asked for.";

    public static Setting LibsodiumKey { get; } =
        Text(SettingGroup.Encryption, "WALG_LIBSODIUM_KEY", "libsodium key; wins over the file").Secret().Supported();

    public static Setting LibsodiumKeyPath { get; } =
        FilePath(SettingGroup.Encryption, "WALG_LIBSODIUM_KEY_PATH", "file with the libsodium key").Supported();

    public static Setting LibsodiumKeyTransform { get; } =
        Choice(SettingGroup.Encryption, "WALG_LIBSODIUM_KEY_TRANSFORM", "how the key is written", "none", "none", "hex", "base64").Supported();

    public static Setting PgpKey { get; } = Text(SettingGroup.Encryption, "WALG_PGP_KEY", "armored OpenPGP keys; win over the file").Secret().Supported();

    public static Setting PgpKeyPath { get; } = FilePath(SettingGroup.Encryption, "WALG_PGP_KEY_PATH", "file with armored OpenPGP keys").Supported();

    public static Setting PgpKeyPassphrase { get; } =
        Text(SettingGroup.Encryption, "WALG_PGP_KEY_PASSPHRASE", "passphrase of the private OpenPGP keys").Secret().Supported();

    public static Setting GpgKeyId { get; } = (Text(SettingGroup.Encryption, "GPG_KEY_ID", "key in gpg's own key ring") with
    {
        LookupNames = Forms("GPG_KEY_ID"),
    }).Refused("Export the key (gpg --export-secret-keys --armor) and name the file in WALG_PGP_KEY_PATH.");

    public static Setting CseKmsId { get; } = Text(SettingGroup.Encryption, "WALG_CSE_KMS_ID", "AWS KMS key").Refused(OtherEncryption);

    public static Setting CseKmsRegion { get; } = Text(SettingGroup.Encryption, "WALG_CSE_KMS_REGION", "AWS KMS region").Foreign();

    public static Setting YcCseKmsKeyId { get; } = Text(SettingGroup.Encryption, "YC_CSE_KMS_KEY_ID", "Yandex KMS key").Refused(OtherEncryption);

    public static Setting YcServiceAccountKeyFile { get; } =
        FilePath(SettingGroup.Encryption, "YC_SERVICE_ACCOUNT_KEY_FILE", "Yandex account").Foreign();

    public static Setting EnvelopePgpKey { get; } =
        Text(SettingGroup.Encryption, "WALG_ENVELOPE_PGP_KEY", "OpenPGP key wrapped by a KMS").Secret().Refused(OtherEncryption);

    public static Setting EnvelopePgpKeyPath { get; } =
        FilePath(SettingGroup.Encryption, "WALG_ENVELOPE_PGP_KEY_PATH", "file with an OpenPGP key wrapped by a KMS").Refused(OtherEncryption);

    public static Setting EnvelopeKmsKeyId { get; } =
        Text(SettingGroup.Encryption, "WALG_ENVELOPE_PGP_YC_CSE_KMS_KEY_ID", "KMS of that key").Refused(OtherEncryption);

    public static Setting EnvelopeAccountKeyFile { get; } =
        FilePath(SettingGroup.Encryption, "WALG_ENVELOPE_PGP_YC_SERVICE_ACCOUNT_KEY_FILE", "account for that KMS").Foreign();

    public static Setting EnvelopeEndpoint { get; } = Text(SettingGroup.Encryption, "WALG_ENVELOPE_PGP_YC_ENDPOINT", "address of that KMS").Foreign();

    public static Setting EnvelopeCacheExpiration { get; } =
        Duration(SettingGroup.Encryption, "WALG_ENVELOPE_CACHE_EXPIRATION", "how long that key is kept", "0").Foreign();
}
