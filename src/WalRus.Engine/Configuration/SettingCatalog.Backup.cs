namespace WalRus.Configuration;

public static partial class SettingCatalog
{
    public static Setting TarSizeThreshold { get; } =
        Bytes(SettingGroup.Backup, "WALG_TAR_SIZE_THRESHOLD", "bytes after which a tar is closed", "1073741823", 1).Supported();

    public static Setting TarDisableFsync { get; } =
        Boolean(SettingGroup.Backup, "WALG_TAR_DISABLE_FSYNC", "do not fsync restored files").Supported();

    public static Setting SentinelUserData { get; } =
        Json(SettingGroup.Backup, "WALG_SENTINEL_USER_DATA", "user data kept with a backup").Supported();

    public static Setting FetchTargetUserData { get; } =
        Json(SettingGroup.Backup, "WALG_FETCH_TARGET_USER_DATA", "user data of the backup to fetch").Supported();

    public static Setting VerifyPageChecksums { get; } =
        Boolean(SettingGroup.Backup, "WALG_VERIFY_PAGE_CHECKSUMS", "check page checksums during backup-push").Supported();

    public static Setting StoreAllCorruptBlocks { get; } =
        Boolean(SettingGroup.Backup, "WALG_STORE_ALL_CORRUPT_BLOCKS", "list every corrupt block, not the first ten a file").Supported();

    public static Setting WithoutFilesMetadata { get; } =
        Boolean(SettingGroup.Backup, "WALG_WITHOUT_FILES_METADATA", "keep no list of files").Supported();

    public static Setting DisablePartialRestore { get; } =
        Boolean(SettingGroup.Backup, "WALG_DISABLE_PARTIAL_RESTORE", "do not collect table names").Supported();

    public static Setting AliveCheckInterval { get; } =
        Duration(SettingGroup.Backup, "WALG_ALIVE_CHECK_INTERVAL", "how often the backup's session is pinged", "1m").Supported();

    public static Setting StopBackupTimeout { get; } =
        Duration(SettingGroup.Backup, "WALG_STOP_BACKUP_TIMEOUT", "statement timeout of the stop call", null).Supported();

    public static Setting UnfinishedBackupAge { get; } =
        Duration(SettingGroup.Backup, "WALRUS_UNFINISHED_BACKUP_AGE", "how long delete leaves a backup without sentinel alone, by its newest object", "24h")
            .Supported();

    public static Setting DeltaMaxSteps { get; } =
        Integer(SettingGroup.Backup, "WALG_DELTA_MAX_STEPS", "deltas in a row after a full backup; 0 makes every backup full", "0", 0).Supported();

    public static Setting DeltaOrigin { get; } =
        Choice(SettingGroup.Backup, "WALG_DELTA_ORIGIN", "what a delta starts from", "LATEST", "LATEST", "LATEST_FULL").Supported();

    public static Setting DeltaFromName { get; } =
        Text(SettingGroup.Backup, "WALG_DELTA_FROM_NAME", "a delta's parent; the newest backup when not set").Supported();

    public static Setting DeltaFromUserData { get; } =
        Json(SettingGroup.Backup, "WALG_DELTA_FROM_USER_DATA", "a delta's parent, by the user data kept with it").Supported();

    public static Setting DeltaSource { get; } =
        Choice(SettingGroup.Backup, "WALRUS_DELTA_SOURCE", "what a delta learns changed blocks from; wal when WALG_USE_WAL_DELTA is set, else pages",
            null, "pages", "wal", "summaries").Supported();

    public static Setting IncrementFormat { get; } =
        Choice(SettingGroup.Backup, "WALRUS_INCREMENT_FORMAT", "how changed pages are written; wal-g reads wi1 only", "wi1", "wi1", "native")
            .Supported();

    public static Setting UseRatingComposer { get; } =
        Boolean(SettingGroup.Backup, "WALG_USE_RATING_COMPOSER", "wal-g's order of files in tars").NotUsed();

    public static Setting UseCopyComposer { get; } =
        Boolean(SettingGroup.Backup, "WALG_USE_COPY_COMPOSER", "wal-g's reuse of unchanged tars").NotUsed();

    public static Setting UseDatabaseComposer { get; } =
        Boolean(SettingGroup.Backup, "WALG_USE_DATABASE_COMPOSER", "wal-g's tars by database").NotUsed();

    public static Setting UseReverseUnpack { get; } =
        Boolean(SettingGroup.Backup, "WALG_USE_REVERSE_UNPACK", "wal-g's order of restoring deltas; each file is always taken from the newest backup that has it").Foreign();

    public static Setting SkipRedundantTars { get; } =
        Boolean(SettingGroup.Backup, "WALG_SKIP_REDUNDANT_TARS", "wal-g's reading of needed tars only; always so").Foreign();

    public static Setting PgBackRestStanza { get; } =
        Text(SettingGroup.Backup, "PGBACKREST_STANZA", "pgBackRest repositories", "main").Foreign();
}
