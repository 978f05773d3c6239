namespace WalRus.Configuration;

public static partial class SettingCatalog
{
    public static Setting PreventWalOverwrite { get; } =
        Boolean(SettingGroup.Wal, "WALG_PREVENT_WAL_OVERWRITE", "compare with the archive before writing a segment").Supported();

    public static Setting CheckSystemIdentifier { get; } =
        Boolean(SettingGroup.Wal, "WALRUS_CHECK_SYSTEM_IDENTIFIER", "refuse WAL of another cluster than the archive's", true).Supported();

    public static Setting WalPushTimeout { get; } =
        Duration(SettingGroup.Wal, "WALRUS_WAL_PUSH_TIMEOUT", "longest time one wal-push may take", "10m").Supported();

    public static Setting WalFetchTimeout { get; } =
        Duration(SettingGroup.Wal, "WALRUS_WAL_FETCH_TIMEOUT", "longest time one wal-fetch may take", "10m").Supported();

    public static Setting BackgroundUploadLimit { get; } =
        Integer(SettingGroup.Wal, "TOTAL_BG_UPLOADED_LIMIT", "ready segments one wal-push takes along, plus one", "32", 0, 100_000).Supported();

    public static Setting ReadyRename { get; } =
        Boolean(SettingGroup.Wal, "PG_READY_RENAME", "rename .ready to .done for segments taken along").Supported();

    public static Setting PrefetchDir { get; } =
        FilePath(SettingGroup.Wal, "WALG_PREFETCH_DIR", "where prefetched segments wait; beside the destination when not set").Supported();

    public static Setting PrefetchBytes { get; } =
        Bytes(SettingGroup.Wal, "WALRUS_PREFETCH_BYTES", "disk space that prefetched segments may take", "1GiB").Supported();

    /// <summary>A power of two of MiB; <see cref="WalRusSettings"/> checks that.</summary>
    public static Setting WalSize { get; } =
        Integer(SettingGroup.Wal, "WALG_PG_WAL_SIZE", "WAL segment size in MiB; read from the segment when not set", null, 1, 1024).Supported();

    public static Setting WalPageSize { get; } =
        Integer(SettingGroup.Wal, "WALG_PG_WAL_PAGE_SIZE", "WAL page size", "8192", 1, 65535)
            .Refused("WalRus reads WAL with pages of 8192 bytes only.", "8192");

    public static Setting BlockSize { get; } =
        Integer(SettingGroup.Wal, "WALG_PG_BLOCK_SIZE", "data page size", "8192", 1, 65535)
            .Refused("WalRus reads data files with pages of 8192 bytes only.", "8192");

    public static Setting UploadWalMetadata { get; } =
        Choice(SettingGroup.Wal, "WALG_UPLOAD_WAL_METADATA", "JSON beside each segment", "NOMETADATA", "NOMETADATA", "INDIVIDUAL", "BULK").NotUsed();

    public static Setting UseWalDelta { get; } =
        Boolean(SettingGroup.Wal, "WALG_USE_WAL_DELTA", "record changed blocks beside the WAL, and make deltas by them").Supported();

    public static Setting ForceWalDelta { get; } =
        Boolean(SettingGroup.Wal, "WALG_FORCE_WAL_DELTA", "a delta backup fails when its changed blocks are not known from WAL, instead of looking at every page").Supported();

    public static Setting SlotName { get; } =
        Text(SettingGroup.Wal, "WALG_SLOTNAME", "physical replication slot of wal-receive", "walg").Supported();

    public static Setting ReceiveFolder { get; } = FilePath(
        SettingGroup.Wal, "WALRUS_RECEIVE_FOLDER", "where wal-receive keeps what the store does not have yet; below the account's data when not set")
        .Supported();

    public static Setting ReceiveWaitingSegments { get; } = Integer(
        SettingGroup.Wal, "WALRUS_RECEIVE_WAITING_SEGMENTS", "finished segments that may wait there for the store", "64", 1, 100_000).Supported();

    public static Setting ReceiveStatusInterval { get; } =
        Duration(SettingGroup.Wal, "WALRUS_RECEIVE_STATUS_INTERVAL", "longest time between two reports of wal-receive to the server", "10s").Supported();

    public static Setting IntegrityMaxDelayedWals { get; } =
        Integer(SettingGroup.Wal, "WALG_INTEGRITY_MAX_DELAYED_WALS", "newest segments that wal-verify lets be late", "0", 0).Supported();

    public static Setting DaemonWalUploadTimeout { get; } =
        Duration(SettingGroup.Wal, "WALG_DAEMON_WAL_UPLOAD_TIMEOUT", "longest time of a push in the daemon", "60s").Supported();

    public static Setting DaemonDrainTimeout { get; } =
        Duration(SettingGroup.Wal, "WALRUS_DAEMON_DRAIN_TIMEOUT", "how long a daemon that ends waits for what is under way", "30s").Supported();

    public static Setting MetricsListen { get; } =
        Text(SettingGroup.Wal, "WALRUS_METRICS_LISTEN", "loopback address and port where the daemon answers GET /metrics").Supported();

    public static Setting MetricsFile { get; } =
        FilePath(SettingGroup.Wal, "WALRUS_METRICS_FILE", "file the daemon writes its metrics to every 15 seconds").Supported();
}
