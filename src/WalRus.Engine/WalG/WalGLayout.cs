using System.Globalization;
using WalRus.Storage;

namespace WalRus.WalG;

/// <summary>The only place that knows an object key. Source: wal-g's layout version 005.</summary>
public static class WalGLayout
{
    public const string BackupFolder = "basebackups_005";
    public const string WalFolder = "wal_005";
    public const string CatchupFolder = "catchup_005";
    public const string SentinelSuffix = "_backup_stop_sentinel.json";

    /// <summary>Name of the tar that holds only <c>global/pg_control</c>; restored last.</summary>
    public const string ControlTar = "pg_control.tar";

    /// <summary>Name of the tar that holds <c>backup_label</c> and <c>tablespace_map</c>; restored last.</summary>
    public const string LabelTar = "backup_label.tar";

    /// <summary>Name of the tar that holds only PostgreSQL's <c>backup_manifest</c>; WalRus's own, a tar like any other for wal-g.</summary>
    public const string ManifestTar = "backup_manifest.tar";

    public static ObjectKey Sentinel(BackupName name) => ObjectKey.Parse($"{BackupFolder}/{name}{SentinelSuffix}");

    public static ObjectKey Metadata(BackupName name) => ObjectKey.Parse($"{BackupFolder}/{name}/metadata.json");

    public static ObjectKey FilesMetadata(BackupName name) => ObjectKey.Parse($"{BackupFolder}/{name}/files_metadata.json");

    /// <summary>The folder of one backup's own objects.</summary>
    public static string BackupObjects(BackupName name) => $"{BackupFolder}/{name}";

    public static string TarPartitions(BackupName name) => $"{BackupFolder}/{name}/tar_partitions";

    /// <summary>A tar's key without codec extension.</summary>
    public static ObjectKey Tar(BackupName name, string tarName) => ObjectKey.Parse($"{TarPartitions(name)}/{tarName}");

    /// <summary>"part_001.tar": at least three digits.</summary>
    public static string PartTarName(int number) => string.Create(CultureInfo.InvariantCulture, $"part_{number:000}.tar");

    /// <summary>The key of a WAL file (segment, .history, .partial, .backup, _delta) without codec extension.</summary>
    public static ObjectKey Wal(string fileName) => ObjectKey.Parse($"{WalFolder}/{fileName}");

    public static ObjectKey WithExtension(ObjectKey key, string extension) =>
        extension.Length == 0 ? key : ObjectKey.Parse($"{key}.{extension}");

    /// <summary>True for a document of a backup or of WAL: these are never compressed or encrypted.</summary>
    public static bool IsDocument(ObjectKey key) =>
        key.Name.EndsWith(".json", StringComparison.Ordinal)
        && key.ToString().Split('/', 2)[0] is (BackupFolder or WalFolder or CatchupFolder);

    /// <summary>The backup a key in <see cref="BackupFolder"/> is the sentinel of, or null when it is no sentinel.</summary>
    public static BackupName? SentinelOwner(ObjectKey key)
    {
        var name = key.Name;
        return name.EndsWith(SentinelSuffix, StringComparison.Ordinal)
            && BackupName.TryParse(name[..^SentinelSuffix.Length], out var backup) ? backup : null;
    }
}
