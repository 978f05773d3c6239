namespace WalRus.Configuration;

/// <summary>Settings of the stores that WalRus does not write to: known, so that a shared file with them is no riddle.</summary>
public static partial class SettingCatalog
{
    /// <summary>wal-g's names by store. Those that hold a secret end in KEY, SECRET, TOKEN or PASSWORD.</summary>
    private static readonly (SettingGroup Group, string[] Names)[] OtherStores =
    [
        (SettingGroup.Gcs,
        [
            "GOOGLE_APPLICATION_CREDENTIALS", "GCS_CONTEXT_TIMEOUT", "GCS_NORMALIZE_PREFIX", "GCS_ENCRYPTION_KEY",
            "GCS_MAX_CHUNK_SIZE", "GCS_MAX_RETRIES", "GS_ENDPOINT", "STORAGE_EMULATOR_HOST",
        ]),
        (SettingGroup.Azure,
        [
            "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_ENDPOINT_SUFFIX",
            "AZURE_ENVIRONMENT_NAME", "AZURE_BUFFER_SIZE", "AZURE_MAX_BUFFERS", "AZURE_TRY_TIMEOUT", "AZURE_BLOB_STORE_API_VERSION",
        ]),
        (SettingGroup.Oss,
        [
            "OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN", "OSS_REGION", "OSS_ENDPOINT", "OSS_ROLE_ARN",
            "OSS_ROLE_SESSION_NAME", "OSS_SKIP_VALIDATION", "OSS_MAX_RETRIES", "OSS_CONNECT_TIMEOUT", "OSS_UPLOAD_PART_SIZE",
            "OSS_COPY_PART_SIZE",
        ]),
        (SettingGroup.Swift, ["OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD", "OS_TENANT_NAME", "OS_REGION_NAME"]),
        (SettingGroup.Ssh, ["SSH_PORT", "SSH_USERNAME", "SSH_PASSWORD", "SSH_PRIVATE_KEY_PATH"]),
    ];

    private static readonly string[] SecretEndings = ["_KEY", "_SECRET", "_TOKEN", "_PASSWORD"];

    private static readonly Setting[] OtherStoreSettings =
    [
        .. from store in OtherStores
           from name in store.Names
           let setting = Text(store.Group, name, "a store that WalRus does not use").StorageKey()
           select (SecretEndings.Any(ending => name.EndsWith(ending, StringComparison.Ordinal)) ? setting.Secret() : setting).Foreign(),
    ];
}
