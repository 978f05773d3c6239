using static WalRus.Configuration.SettingGroup;

namespace WalRus.Configuration;

public static partial class SettingCatalog
{
    private const string NoFailover = "Leave it out: WalRus works on one store. Failover storages are wal-g's alone.";

    public static Setting ConfigPath { get; } =
        FilePath(General, "WALG_CONFIG_PATH", "configuration file, when --config is not given").Supported();

    public static Setting StoragePrefix { get; } =
        Text(General, "WALG_STORAGE_PREFIX", "folder appended to the storage prefix").Supported();

    public static Setting CompressionMethod { get; } =
        Choice(General, "WALG_COMPRESSION_METHOD", "codec of new objects", "lz4", "lz4", "lzma", "zstd", "brotli", "none", "gzip", "gz")
            .Supported();

    public static Setting ZstdLevel { get; } =
        Choice(General, "WALG_ZSTD_LEVEL", "zstd level by name", null, "fastest", "default", "better", "best").Supported();

    public static Setting CompressionLevel { get; } =
        Integer(General, "WALG_COMPRESSION_LEVEL", "compression level by number, clamped to what the codec knows", null, int.MinValue).Supported();

    public static Setting UploadConcurrency { get; } =
        Integer(General, "WALG_UPLOAD_CONCURRENCY", "parallel uploads", "16", 1, 1024).Supported();

    public static Setting DownloadConcurrency { get; } =
        Integer(General, "WALG_DOWNLOAD_CONCURRENCY", "parallel downloads; segments prefetched", "10", 1, 1024).Supported();

    public static Setting UploadDiskConcurrency { get; } =
        Integer(General, "WALG_UPLOAD_DISK_CONCURRENCY", "tars built at the same time", "1", 1, 1024).Supported();

    public static Setting CopyConcurrency { get; } =
        Integer(General, "WALRUS_COPY_CONCURRENCY", "objects that copy has under way at the same time", "8", 1, 1024).Supported();

    public static Setting UploadQueue { get; } =
        Integer(General, "WALG_UPLOAD_QUEUE", "finished tars waiting for upload", "2", 0).Foreign();

    public static Setting DownloadFileRetries { get; } =
        Integer(General, "WALG_DOWNLOAD_FILE_RETRIES", "rounds in which tars that failed are fetched again", "15", 0, 1000).Supported();

    public static Setting NetworkRateLimit { get; } =
        Bytes(General, "WALG_NETWORK_RATE_LIMIT", "upload limit, bytes a second", null).Supported();

    public static Setting DiskRateLimit { get; } =
        Bytes(General, "WALG_DISK_RATE_LIMIT", "limit of reading the data directory, bytes a second", null).Supported();

    public static Setting LogLevel { get; } =
        Choice(General, "WALG_LOG_LEVEL", "how much is logged", "NORMAL", "NORMAL", "ERROR", "WARNING", "DEVEL").Supported();

    public static Setting LogDestination { get; } =
        FilePath(General, "WALG_LOG_DESTINATION", "file that log lines are appended to, or stderr").Supported();

    public static Setting LogFormat { get; } =
        Choice(General, "WALRUS_LOG_FORMAT", "log lines as text, or one JSON object each", "text", "text", "json").Supported();

    /// <summary>Not set: 4 MiB and 2 MiB for each of the parallel uploads, at most 64 MiB (<see cref="OperationOptions.BufferBudget"/>).</summary>
    public static Setting BufferBudget { get; } =
        Bytes(General, "WALRUS_BUFFER_BUDGET", "memory of all uploads' buffers together", null, 8L << 20, 64L << 30).Supported();

    public static Setting StoreTimeout { get; } =
        Duration(General, "WALRUS_STORE_TIMEOUT", "how long a request to the store may stand still", "60s").Supported();

    public static Setting StoreConnectTimeout { get; } =
        Duration(General, "WALRUS_STORE_CONNECT_TIMEOUT", "how long connecting to the store may take", "10s").Supported();

    public static Setting StoreRetryLimit { get; } =
        Duration(General, "WALRUS_STORE_RETRY_LIMIT", "how long a request to the store is repeated", "10m").Supported();

    public static Setting TargetStorage { get; } =
        Text(General, "WALG_TARGET_STORAGE", "wal-g's name of the storage to work on", null).Refused(NoFailover, "default");

    public static Setting FailoverStorages { get; } =
        Json(Failover, "WALG_FAILOVER_STORAGES", "further storages").Secret().Refused(NoFailover, "{}", "[]");

    public static Setting DirectIo { get; } = Boolean(General, "WALG_DIRECT_IO", "O_DIRECT reads in backup-push").NotUsed();

    public static Setting DirectIoBlockCount { get; } =
        Integer(General, "WALG_DIRECT_IO_BLOCK_COUNT", "O_DIRECT buffer", "32", 1).Foreign();

    public static Setting SerializerType { get; } = Text(General, "WALG_SERIALIZER_TYPE", "retired by wal-g").NotUsed();

    public static Setting StreamCreateCommand { get; } = Text(General, "WALG_STREAM_CREATE_COMMAND", "other databases").Foreign();

    public static Setting StreamRestoreCommand { get; } = Text(General, "WALG_STREAM_RESTORE_COMMAND", "other databases").Foreign();

    public static Setting StatsdAddress { get; } = Text(General, "WALG_STATSD_ADDRESS", "statsd target of metrics").NotUsed();

    public static Setting StatsdExtraTags { get; } = Json(General, "WALG_STATSD_EXTRA_TAGS", "statsd tags").NotUsed();

    public static Setting ProfileSamplingRatio { get; } =
        new Setting("PROFILE_SAMPLING_RATIO", SettingKind.Number, General, "Go's profiler").Foreign();

    public static Setting ProfileMode { get; } = Text(General, "PROFILE_MODE", "Go's profiler").Foreign();

    public static Setting ProfilePath { get; } = FilePath(General, "PROFILE_PATH", "Go's profiler").Foreign();

    public static Setting HttpListen { get; } = Text(General, "HTTP_LISTEN", "wal-g's debug server").NotUsed();

    public static Setting HttpExposePprof { get; } = Boolean(General, "HTTP_EXPOSE_PPROF", "wal-g's debug server").Foreign();

    public static Setting HttpExposeExpvar { get; } = Boolean(General, "HTTP_EXPOSE_EXPVAR", "wal-g's debug server").Foreign();

    public static Setting GoMaxProcs { get; } = Text(General, "GOMAXPROCS", "Go's runtime").Foreign();

    public static Setting GoDebug { get; } = Text(General, "GODEBUG", "Go's runtime").Foreign();

    public static Setting Threads { get; } = Integer(General, "WALG_THREADS", "WAL-RUS' worker threads", null, 1).Foreign();

    public static Setting NotifySocket { get; } = FilePath(General, "NOTIFY_SOCKET", "systemd's notify socket (daemon)").Supported();

    public static Setting WatchdogMicroseconds { get; } =
        Integer(General, "WATCHDOG_USEC", "systemd's watchdog period (daemon)", null, 0, long.MaxValue).Supported();

    public static Setting FailoverCheck { get; } = Boolean(Failover, "WALG_FAILOVER_STORAGES_CHECK", "failover", null).Foreign();

    public static Setting FailoverCheckTimeout { get; } =
        Duration(Failover, "WALG_FAILOVER_STORAGES_CHECK_TIMEOUT", "failover", "30s").Foreign();

    public static Setting FailoverCheckSize { get; } =
        Bytes(Failover, "WALG_FAILOVER_STORAGES_CHECK_SIZE", "failover", "1mb").Foreign();

    public static Setting FailoverCacheLifetime { get; } =
        Duration(Failover, "WALG_FAILOVER_STORAGES_CACHE_LIFETIME", "failover", "15m").Foreign();

    public static Setting FailoverAliveLimit { get; } = FailoverNumber("ALIVE_LIMIT", "0.99");

    public static Setting FailoverDeadLimit { get; } = FailoverNumber("DEAD_LIMIT", "0.88");

    public static Setting FailoverAlphaAliveMax { get; } = FailoverNumber("ALPHA_ALIVE_MAX", "0.05");

    public static Setting FailoverAlphaAliveMin { get; } = FailoverNumber("ALPHA_ALIVE_MIN", "0.01");

    public static Setting FailoverAlphaDeadMax { get; } = FailoverNumber("ALPHA_DEAD_MAX", "0.5");

    public static Setting FailoverAlphaDeadMin { get; } = FailoverNumber("ALPHA_DEAD_MIN", "0.1");

    private static Setting FailoverNumber(string suffix, string standard) =>
        new Setting($"WALG_FAILOVER_STORAGES_CACHE_EMA_{suffix}", SettingKind.Number, Failover, "failover")
        {
            Default = standard,
        }.Foreign();
}
