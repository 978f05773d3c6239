using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Compression;
using WalRus.Daemon;
using WalRus.Delta;
using WalRus.Drill;
using WalRus.Encryption;
using WalRus.Postgres;
using WalRus.Reporting;
using WalRus.Retention;
using WalRus.Storage;
using WalRus.Streaming;
using WalRus.Transfer;
using WalRus.Verification;
using WalRus.Wal;

namespace WalRus.Configuration;

/// <summary>
/// The engine built from settings: one archive with its store, codec and key, and the operations on it. Opening touches
/// neither network nor disk beyond key files; disposing wipes the key and closes the store.
/// </summary>
public sealed class WalRusEngine : IAsyncDisposable
{
    private readonly IEventLog log;

    private WalRusEngine(WalRusSettings settings, IEventLog log, Archive archive, NativeBufferPool buffers)
    {
        Settings = settings;
        this.log = log;
        Archive = archive;
        Buffers = buffers;
        Backups = new BackupCatalog(archive, log);
    }

    public WalRusSettings Settings { get; }

    public Archive Archive { get; }

    /// <summary>The archive's backups.</summary>
    public BackupCatalog Backups { get; }

    /// <summary>All data buffers of this engine, under WALRUS_BUFFER_BUDGET.</summary>
    public NativeBufferPool Buffers { get; }

    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.SettingMissing"/>, <see cref="ErrorCode.SettingInvalid"/>,
    /// <see cref="ErrorCode.SettingNotSupported"/>, or what is wrong with a key.
    /// </exception>
    public static WalRusEngine Open(WalRusSettings settings, IEventLog log) => Open(settings, log, isDaemon: false);

    /// <summary>
    /// What a daemon works with. It owns an engine of its own, which is more often asked whether a store in trouble is back.
    /// </summary>
    /// <exception cref="WalRusException">As <see cref="Open(WalRusSettings, IEventLog)"/>.</exception>
    public static DaemonArchive OpenForDaemon(WalRusSettings settings, IEventLog log)
    {
        // All is read before anything is opened, so that a wrong setting leaves nothing open.
        var (push, fetch) = (OperationOptions.WalPush(settings), OperationOptions.WalFetch(settings));
        var patience = OperationOptions.LookAhead(settings);
        var engine = Open(settings, log, isDaemon: true);
        return new DaemonArchive
        {
            Push = new WalPush(engine.Archive, push, engine.Buffers, log),
            Fetch = new WalFetch(engine.Archive, fetch, engine.Buffers, log),
            Prefetch = new WalPrefetch(engine.Archive, fetch, engine.Buffers, log),
            FetchOptions = fetch,
            Buffers = engine.Buffers,
            Location = engine.Archive.Store.Location,
            Patience = patience,
            ReleaseIdleMemory = engine.ReleaseIdleMemory,
            ReleaseAsync = engine.DisposeAsync,
        };
    }

    private static WalRusEngine Open(WalRusSettings settings, IEventLog log, bool isDaemon)
    {
        var (prefix, group) = StoreSelection.Choose(settings);
        Review(settings, log, used =>
            used is SettingGroup.General or SettingGroup.Wal or SettingGroup.Encryption or SettingGroup.Prefix or SettingGroup.Failover
            || used == group);
        SayUnknown(settings, log);
        var codec = OperationOptions.Codec(settings);
        var buffers = new NativeBufferPool(OperationOptions.BufferBudget(settings));
        Crypter? crypter = null;
        try
        {
            crypter = CrypterSelection.Create(settings);
            var store = StoreSelection.Open(settings, (prefix, group), isDaemon, buffers, log);
            return new WalRusEngine(settings, log, new Archive(store, codec, Codecs.ReadOrder, crypter), buffers);
        }
        catch
        {
            crypter?.Dispose();
            buffers.Dispose();
            throw;
        }
    }

    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingInvalid"/>; so for each of these.</exception>
    public WalPush CreateWalPush() => new(Archive, OperationOptions.WalPush(Settings), Buffers, log);

    /// <inheritdoc cref="CreateWalPush"/>
    public WalFetch CreateWalFetch() => new(Archive, OperationOptions.WalFetch(Settings), Buffers, log);

    /// <inheritdoc cref="CreateWalPush"/>
    public WalPrefetch CreateWalPrefetch() => new(Archive, OperationOptions.WalFetch(Settings), Buffers, log);

    /// <summary>Options of wal-receive from the settings; a face may change single ones.</summary>
    public WalReceiveOptions WalReceiveOptions => OperationOptions.WalReceive(Settings);

    /// <inheritdoc cref="CreateWalPush"/>
    public WalReceive CreateWalReceive(WalReceiveOptions options)
    {
        Review(Settings, log, used => used is SettingGroup.Postgres);
        return new WalReceive(
            Archive, CreateWalPush(), PostgresSettings.Read(Settings, Settings.HomeFolder), options, Buffers, log);
    }

    /// <inheritdoc cref="CreateWalPush"/>
    public BackupFetch CreateBackupFetch() => new(Archive, OperationOptions.BackupFetch(Settings), Buffers, log);

    /// <inheritdoc cref="CreateWalPush"/>
    public BackupDrill CreateBackupDrill() =>
        new(Archive, OperationOptions.BackupFetch(Settings), OperationOptions.WalFetch(Settings), Buffers, log);

    /// <inheritdoc cref="CreateWalPush"/>
    public BackupReport CreateBackupReport() => new(Archive, OperationOptions.BackupFetch(Settings), log);

    /// <summary>Plans what to delete.</summary>
    /// <inheritdoc cref="CreateWalPush"/>
    public DeletionPlanner CreateDeletionPlanner() => new(Archive, OperationOptions.Deletion(Settings), log);

    /// <summary>Carries out plans of the above.</summary>
    public ArchiveDeletion CreateDeletion() => new(Archive, log);

    /// <summary>Marks backups permanent.</summary>
    public BackupMark CreateBackupMark() => new(Archive, log);

    /// <summary>Where the archive is, for people: the prefix as it was set.</summary>
    public string Location => StoreSelection.Choose(Settings).Prefix.Text ?? "";

    /// <summary>Chooses what to restore for a recovery target.</summary>
    public RecoveryPlanner CreateRecoveryPlanner() => new(Archive, log);

    /// <summary>Finds moments to recover to.</summary>
    public RecoveryPointSearch CreateRecoveryPointSearch() => new(Archive, log);

    /// <inheritdoc cref="CreateWalPush"/>
    public RecoveryMeasurement CreateRecoveryMeasurement() => new(Archive, OperationOptions.BackupFetch(Settings), log);

    /// <inheritdoc cref="CreateWalPush"/>
    public TimelineSurvey CreateTimelineSurvey() => new(Archive, OperationOptions.AssumedSegmentSize(Settings), log);

    /// <inheritdoc cref="CreateWalPush"/>
    public WalVerify CreateWalVerify() => new(Archive, OperationOptions.WalVerify(Settings), log);

    /// <inheritdoc cref="CreateWalPush"/>
    public ArchiveExamination CreateArchiveExamination() => new(
        Archive, Buffers, Math.Max(1, Settings.Integer(SettingCatalog.DownloadConcurrency)), OperationOptions.AssumedSegmentSize(Settings));

    /// <summary>Segments are archived as wal-push does, but none over another.</summary>
    /// <inheritdoc cref="CreateWalPush"/>
    public WalRepair CreateWalRepair()
    {
        var options = OperationOptions.WalPush(Settings) with { PreventOverwrite = true, NeighbourLimit = 0 };
        return new WalRepair(CreateTimelineSurvey(), new WalPush(Archive, options, Buffers, log), Buffers);
    }

    /// <inheritdoc cref="CreateWalPush"/>
    public MissingWalFetch CreateMissingWalFetch() =>
        new(CreateWalFetch(), CreateTimelineSurvey(), Math.Max(1, Settings.Integer(SettingCatalog.DownloadConcurrency)), log);

    /// <summary>Asks the server of the settings where it is.</summary>
    /// <exception cref="WalRusException">What keeps it from being asked.</exception>
    public Task<WalPosition> ReadServerPositionAsync(CancellationToken cancellationToken) =>
        ServerPosition.ReadAsync(PostgresSettings.Read(Settings, Settings.HomeFolder), cancellationToken);

    /// <summary>Options of backup-push from the settings; a face may change single ones.</summary>
    public BackupPushOptions BackupPushOptions
    {
        get
        {
            var options = OperationOptions.BackupPush(Settings);
            return options with { Delta = options.Delta with { OpenSource = BlockSource(OperationOptions.BlockSource(Settings)) } };
        }
    }

    /// <summary>What tells a delta backup of changed blocks, on this archive.</summary>
    public ChangedBlockSourceOpener BlockSource(BlockSourceKind kind) => kind switch
    {
        BlockSourceKind.Wal => WalMapSource.FromWal(Archive, log),
        BlockSourceKind.Summaries => WalMapSource.FromSummaries(Archive, log),
        _ => PageLsnSource.OpenAsync,
    };

    /// <inheritdoc cref="CreateWalPush"/>
    public BackupPush CreateBackupPush(BackupPushOptions options)
    {
        // Said here: an archive_command has no use for a line about backups with every segment.
        Review(Settings, log, used => used is SettingGroup.Backup or SettingGroup.Postgres);
        return new BackupPush(Archive, PostgresSettings.Read(Settings, Settings.HomeFolder), options, log);
    }

    /// <summary>Copies from this engine's archive to that of another, which both stay the caller's.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingInvalid"/>.</exception>
    public ArchiveCopy CreateArchiveCopy(WalRusEngine target) =>
        new(Archive, target.Archive, OperationOptions.ArchiveCopy(Settings), target.Buffers, log);

    /// <summary>Moves objects from this engine's store to that of another.</summary>
    public StoreTransfer CreateStoreTransfer(WalRusEngine target) => new(Archive.Store, target.Archive.Store, target.Buffers, log);

    /// <summary>The store's objects one by one.</summary>
    public StorageItems CreateStorageItems() => new(Archive, Buffers, log);

    /// <summary>Deletes single objects and folders.</summary>
    public StorageRemoval CreateStorageRemoval() => new(Archive.Store, log);

    /// <summary>Tries what the store can do.</summary>
    public StorageTest CreateStorageTest() => new(Archive.Store);

    /// <summary>Whether a fetch of this file should be followed by a prefetch of the next ones.</summary>
    public bool PrefetchFollows(string walName) => WalPrefetch.Follows(walName, OperationOptions.WalFetch(Settings));

    /// <summary>Gives back to the system what is kept for the next work; what is under way goes on.</summary>
    public void ReleaseIdleMemory()
    {
        Archive.ReleaseIdleMemory();
        Buffers.ReleaseIdle();
    }

    public async ValueTask DisposeAsync()
    {
        await Archive.Store.DisposeAsync().ConfigureAwait(false);
        Archive.Crypter?.Dispose();
        Buffers.Dispose();
    }

    /// <summary>Refuses what would be unsafe to pass over, and says what is passed over.</summary>
    private static void Review(WalRusSettings settings, IEventLog log, Func<SettingGroup, bool> isInUse)
    {
        var notUsed = settings.RequireSupported(isInUse);
        if (notUsed.Count > 0)
        {
            log.SettingsNotUsed(string.Join(", ", notUsed.Select(value => value.Origin.Name)));
        }
    }

    private static void SayUnknown(WalRusSettings settings, IEventLog log)
    {
        var unknown = string.Join(", ", settings.UnknownNames);
        if (unknown.Length > 0)
        {
            log.SettingsUnknown(unknown, settings.ConfigurationFilePath!);
        }
    }
}
