using WalRus.Backup;
using WalRus.Compression;
using WalRus.Daemon;
using WalRus.Delta;
using WalRus.Postgres;
using WalRus.Retention;
using WalRus.Transfer;
using WalRus.Verification;
using WalRus.Wal;

namespace WalRus.Configuration;

/// <summary>Each operation's options from settings. Read when the operation is made, so that a wrong setting of another
/// operation never stops archiving.</summary>
internal static class OperationOptions
{
    private static readonly System.Buffers.SearchValues<char> SlotNameChars =
        System.Buffers.SearchValues.Create("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz");

    public static WalPushOptions WalPush(WalRusSettings settings) => new()
    {
        PreventOverwrite = settings.Boolean(SettingCatalog.PreventWalOverwrite),
        UploadConcurrency = settings.Integer(SettingCatalog.UploadConcurrency),
        NeighbourLimit = Math.Max(0, settings.Integer(SettingCatalog.BackgroundUploadLimit) - 1),
        RenameReady = settings.Boolean(SettingCatalog.ReadyRename),
        RecordsDelta = settings.Boolean(SettingCatalog.UseWalDelta),
        SegmentSize = SegmentSize(settings),
        CheckSystemIdentifier = settings.Boolean(SettingCatalog.CheckSystemIdentifier),
        Deadline = settings.Duration(SettingCatalog.WalPushTimeout),
    };

    /// <summary>
    /// Memory for what is on its way to a store. A lane's segment is 2 to 8 MB compressed, and while some lanes compress
    /// others send: this much keeps a fast link busy. Where nothing may be overwritten, each lane must be able to claim a
    /// whole segment for one request, and two lanes at a time.
    /// </summary>
    public static long BufferBudget(WalRusSettings settings)
    {
        var least = settings.Boolean(SettingCatalog.PreventWalOverwrite) ? 40L << 20 : 12L << 20;
        return settings.BytesOrNull(SettingCatalog.BufferBudget)
            ?? Math.Clamp((4L + (2L * settings.Integer(SettingCatalog.UploadConcurrency))) << 20, least, 64L << 20);
    }

    public static WalFetchOptions WalFetch(WalRusSettings settings) => new()
    {
        DownloadConcurrency = settings.Integer(SettingCatalog.DownloadConcurrency),
        PrefetchBytes = settings.Bytes(SettingCatalog.PrefetchBytes),
        PrefetchFolder = settings.Text(SettingCatalog.PrefetchDir),
        SegmentSize = SegmentSize(settings),
        Deadline = settings.Duration(SettingCatalog.WalFetchTimeout),
    };

    public static WalReceiveOptions WalReceive(WalRusSettings settings)
    {
        var slot = settings.Text(SettingCatalog.SlotName)!;
        if (slot.Length > 63 || slot.AsSpan().IndexOfAnyExcept(SlotNameChars) >= 0)
        {
            throw WalRusSettings.Invalid(settings.Find(SettingCatalog.SlotName), "up to 63 letters, digits and '_'");
        }

        return new WalReceiveOptions
        {
            Folder = settings.Text(SettingCatalog.ReceiveFolder) ?? DefaultReceiveFolder(slot),
            SlotName = slot,
            Lanes = settings.Integer(SettingCatalog.UploadConcurrency),
            WaitingSegments = settings.Integer(SettingCatalog.ReceiveWaitingSegments),
            StatusInterval = Positive(settings, SettingCatalog.ReceiveStatusInterval),
            DrainLimit = settings.Duration(SettingCatalog.DaemonDrainTimeout),
            CheckSystemIdentifier = settings.Boolean(SettingCatalog.CheckSystemIdentifier),
        };
    }

    /// <summary>~/.local/share/WalRus/wal-receive/SLOT, or below %LOCALAPPDATA%.</summary>
    private static string DefaultReceiveFolder(string slot) =>
        Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify)
            is { Length: > 0 } folder
            ? Path.Combine(folder, "WalRus", "wal-receive", slot)
            : throw new WalRusException(
                ErrorCode.SettingMissing,
                "This account has no home to keep received WAL in.",
                "Give wal-receive a folder, or set WALRUS_RECEIVE_FOLDER.");

    public static LookAheadOptions LookAhead(WalRusSettings settings) => new()
    {
        PushTimeout = Positive(settings, SettingCatalog.DaemonWalUploadTimeout),
    };

    public static ArchivingDaemonOptions Daemon(WalRusSettings settings, string socketPath) => new()
    {
        SocketPath = socketPath,
        DataDirectory = settings.Text(SettingCatalog.PgData) is { } folder ? Path.GetFullPath(folder) : null,
        DrainTimeout = settings.Duration(SettingCatalog.DaemonDrainTimeout),
    };

    public static BackupPushOptions BackupPush(WalRusSettings settings) => new()
    {
        DiskConcurrency = settings is { Turbo: true } && !settings.IsSet(SettingCatalog.UploadDiskConcurrency)
            ? 4 : settings.Integer(SettingCatalog.UploadDiskConcurrency),
        TarSizeThresholdBytes = settings.Bytes(SettingCatalog.TarSizeThreshold),
        StopBackupTimeout = settings.DurationOrNull(SettingCatalog.StopBackupTimeout),
        AliveCheckInterval = Positive(settings, SettingCatalog.AliveCheckInterval),
        StoreAllCorruptBlocks = settings.Boolean(SettingCatalog.StoreAllCorruptBlocks),
        CollectTableNames = !settings.Boolean(SettingCatalog.DisablePartialRestore),
        WithoutFilesMetadata = settings.Boolean(SettingCatalog.WithoutFilesMetadata),
        DiskRateLimitBytesPerSecond = RateLimit(settings, SettingCatalog.DiskRateLimit),
        Delta = Delta(settings),
    };

    public static BackupDeltaOptions Delta(WalRusSettings settings) => new()
    {
        MaxSteps = settings.Integer(SettingCatalog.DeltaMaxSteps),
        Origin = settings.Text(SettingCatalog.DeltaOrigin) == "LATEST_FULL" ? DeltaOrigin.LatestFull : DeltaOrigin.Latest,
        FromName = settings.Text(SettingCatalog.DeltaFromName),
        FromUserData = settings.Json(SettingCatalog.DeltaFromUserData),
        Format = settings.Text(SettingCatalog.IncrementFormat) == "native" ? IncrementFormat.Native : IncrementFormat.Wi1,
        RequireSource = settings.Boolean(SettingCatalog.ForceWalDelta),
    };

    public static BlockSourceKind BlockSource(WalRusSettings settings) => settings.Text(SettingCatalog.DeltaSource) switch
    {
        "summaries" => BlockSourceKind.Summaries,
        "wal" => BlockSourceKind.Wal,
        "pages" => BlockSourceKind.Pages,
        _ => settings.Boolean(SettingCatalog.UseWalDelta) ? BlockSourceKind.Wal : BlockSourceKind.Pages,
    };

    public static BackupFetchOptions BackupFetch(WalRusSettings settings) => new()
    {
        DownloadConcurrency = settings.Integer(SettingCatalog.DownloadConcurrency),
        FileRetries = settings.Integer(SettingCatalog.DownloadFileRetries),
        Fsync = !settings.Boolean(SettingCatalog.TarDisableFsync),
    };

    public static WalVerifyOptions WalVerify(WalRusSettings settings) => new()
    {
        UploadConcurrency = settings.Integer(SettingCatalog.UploadConcurrency),
        MaxDelayed = settings.Integer(SettingCatalog.IntegrityMaxDelayedWals),
        AssumedSize = AssumedSegmentSize(settings),
    };

    /// <summary>For where no archived segment tells its size.</summary>
    public static WalSegmentSize AssumedSegmentSize(WalRusSettings settings) => SegmentSize(settings) ?? WalSegmentSize.Default;

    public static DeletionOptions Deletion(WalRusSettings settings) => new()
    {
        UnfinishedAge = settings.Duration(SettingCatalog.UnfinishedBackupAge),
    };

    public static ArchiveCopyOptions ArchiveCopy(WalRusSettings settings) => new()
    {
        Lanes = settings.Integer(SettingCatalog.CopyConcurrency),
        CheckSystemIdentifier = settings.Boolean(SettingCatalog.CheckSystemIdentifier),
    };

    public static Codec Codec(WalRusSettings settings) => Codecs.Create(
        settings.Text(SettingCatalog.CompressionMethod)!,
        settings.IntegerOrNull(SettingCatalog.CompressionLevel),
        settings.Text(SettingCatalog.ZstdLevel));

    /// <summary>Bytes a second; null for no limit: not set, 0, or --turbo.</summary>
    public static long? RateLimit(WalRusSettings settings, Setting setting) =>
        !settings.Turbo && settings.BytesOrNull(setting) is > 0 and var limit ? limit : null;

    private static WalSegmentSize? SegmentSize(WalRusSettings settings)
    {
        if (settings.IntegerOrNull(SettingCatalog.WalSize) is not { } megabytes)
        {
            return null;
        }

        var bytes = (long)megabytes << 20;
        return WalSegmentSize.IsValid(bytes)
            ? WalSegmentSize.FromBytes(bytes)
            : throw WalRusSettings.Invalid(settings.Find(SettingCatalog.WalSize), "a power of two from 1 to 1024 (MiB)");
    }

    private static TimeSpan Positive(WalRusSettings settings, Setting setting) =>
        settings.Duration(setting) is var value && value > TimeSpan.Zero
            ? value : throw WalRusSettings.Invalid(settings.Find(setting), "longer than nothing");
}
