using WalRus.Storage;
using WalRus.Storage.FileSystem;
using WalRus.Storage.S3;
using WalRus.Streaming;

namespace WalRus.Configuration;

/// <summary>Picks the store that the prefix settings name, in wal-g's order, and opens it.</summary>
internal static class StoreSelection
{
    /// <summary>wal-g takes the first of these that is set, and so does WalRus: both must look at the same place.</summary>
    private static readonly (Setting Prefix, SettingGroup Group)[] Order =
    [
        (SettingCatalog.OssPrefix, SettingGroup.Oss),
        (SettingCatalog.S3Prefix, SettingGroup.S3),
        (SettingCatalog.FilePrefix, SettingGroup.Prefix),
        (SettingCatalog.GsPrefix, SettingGroup.Gcs),
        (SettingCatalog.AzPrefix, SettingGroup.Azure),
        (SettingCatalog.SwiftPrefix, SettingGroup.Swift),
        (SettingCatalog.SshPrefix, SettingGroup.Ssh),
    ];

    /// <summary>The prefix in force and the group of settings that belongs to its store.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingMissing"/> or <see cref="ErrorCode.SettingNotSupported"/>.</exception>
    public static (SettingValue Prefix, SettingGroup Group) Choose(WalRusSettings settings)
    {
        foreach (var (prefix, group) in Order)
        {
            var value = settings.Find(prefix);
            if (value.IsSet)
            {
                return group is SettingGroup.S3 or SettingGroup.Prefix ? (value, group) : throw new WalRusException(
                    ErrorCode.SettingNotSupported,
                    $"{value.Origin.Name} is set ({value.Origin}), and WalRus does not have that kind of store.",
                    "WalRus keeps archives in S3 and compatible stores (WALG_S3_PREFIX) and in folders (WALG_FILE_PREFIX).");
            }
        }

        throw new WalRusException(
            ErrorCode.SettingMissing,
            "Failed to find any configured storage: neither WALG_S3_PREFIX nor WALG_FILE_PREFIX is set.",
            "Set one of them in the environment or in the configuration file, e.g. WALG_FILE_PREFIX=/backup/cluster1.");
    }

    /// <summary>Opens the store, held to WALG_NETWORK_RATE_LIMIT.</summary>
    public static IObjectStore Open(
        WalRusSettings settings, (SettingValue Prefix, SettingGroup Group) chosen, bool isDaemon, NativeBufferPool buffers, IEventLog log)
    {
        IObjectStore store = chosen.Group == SettingGroup.S3
            ? OpenS3(settings, chosen.Prefix, isDaemon, buffers, log)
            : OpenFolder(settings, chosen.Prefix);
        return OperationOptions.RateLimit(settings, SettingCatalog.NetworkRateLimit) is { } limit
            ? new ThrottledObjectStore(store, new RateLimiter(limit)) : store;
    }

    // In a method of its own: nothing of the AWS SDK is touched for a folder.
    private static S3ObjectStore OpenS3(
        WalRusSettings settings, SettingValue prefix, bool isDaemon, NativeBufferPool buffers, IEventLog log)
    {
        var options = S3Settings.Read(settings, prefix, log);
        return new S3ObjectStore(isDaemon ? StorePatience.OfDaemon(options, settings) : options, buffers);
    }

    /// <summary>A store on a folder; its root must exist, a sub-folder by WALG_STORAGE_PREFIX is made.</summary>
    private static FileSystemObjectStore OpenFolder(WalRusSettings settings, SettingValue prefix)
    {
        // WAL-E wrote the prefix as a URL with a host.
        const string walEUrl = "file://localhost";
        var root = prefix.Text!.StartsWith(walEUrl, StringComparison.Ordinal) ? prefix.Text[walEUrl.Length..] : prefix.Text;
        if (!Path.IsPathFullyQualified(root))
        {
            throw WalRusSettings.Invalid(prefix, "an absolute path");
        }

        if (SubFolder(settings) is { } folder)
        {
            var below = Path.Combine(root, folder);
            if (Directory.Exists(root) && !Directory.Exists(below))
            {
                Directory.CreateDirectory(below);
            }

            root = below;
        }

        return new FileSystemObjectStore(root) { CallLimit = settings.Duration(SettingCatalog.StoreRetryLimit) };
    }

    /// <summary>WALG_STORAGE_PREFIX without slashes around it; null when there is none.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingInvalid"/>: it would lead out of the prefix.</exception>
    public static string? SubFolder(WalRusSettings settings)
    {
        var value = settings.Find(SettingCatalog.StoragePrefix);
        var folder = value.Text?.Trim('/');
        return string.IsNullOrEmpty(folder) ? null
            : ObjectKey.TryParse(folder, out _) ? folder : throw WalRusSettings.Invalid(value, "a relative path such as shard1/db");
    }
}
