using System.Net;
using WalRus.Archiving;
using WalRus.Protocol;
using WalRus.Storage;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>
/// Makes a base backup. Whatever happens before the sentinel is written, last of all: the server leaves backup mode, and
/// what was stored is removed again. Memory is bounded by the number of lanes, whatever the number of files.
/// </summary>
public sealed class BackupPush
{
    /// <summary>How long cleaning up after a failure may take.</summary>
    private static readonly TimeSpan CleanupLimit = TimeSpan.FromMinutes(1);

    /// <summary>How long the store may take for the sentinel, which is written whatever the caller's token says.</summary>
    private static readonly TimeSpan SentinelLimit = TimeSpan.FromMinutes(5);

    private readonly Archive archive;
    private readonly BackupPushOptions options;
    private readonly IEventLog log;
    private readonly Func<BackupPushRequest, BackupWarnings, IBackupSource> openSource;

    /// <param name="archive">Where the backup goes.</param>
    /// <param name="postgres">The server; on this machine when its data directory is given.</param>
    public BackupPush(Archive archive, PostgresConnectionSettings postgres, BackupPushOptions options, IEventLog log)
        : this(
            archive,
            options,
            log,
            (request, warnings) => request.DataDirectory is { } folder
                ? new DataDirectorySource(postgres, options, request, folder, warnings, log)
                : new RemoteSource(archive, postgres, options, request, warnings))
    {
    }

    internal BackupPush(
        Archive archive,
        BackupPushOptions options,
        IEventLog log,
        Func<BackupPushRequest, BackupWarnings, IBackupSource> openSource)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.DiskConcurrency);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.TarSizeThresholdBytes);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(options.AliveCheckInterval, TimeSpan.Zero);
        this.archive = archive;
        this.options = options;
        this.log = log;
        this.openSource = openSource;
    }

    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.PostgresUnreachable"/>, <see cref="ErrorCode.PostgresAuthenticationFailed"/>,
    /// <see cref="ErrorCode.PostgresPrivilegeMissing"/>, <see cref="ErrorCode.PostgresVersionUnsupported"/>,
    /// <see cref="ErrorCode.DataDirectoryMismatch"/>, <see cref="ErrorCode.BackupExists"/>,
    /// <see cref="ErrorCode.PostgresConnectionLost"/>, <see cref="ErrorCode.PostgresTimelineChanged"/>,
    /// <see cref="ErrorCode.BackupParentUnusable"/>, what a named parent cannot be found with, or a failure of a
    /// file or of the store. There is no backup then.
    /// </exception>
    public async Task<BackupPushResult> RunAsync(BackupPushRequest request, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfEqual(request.DataDirectory, "");
        var warnings = new BackupWarnings(log);
        try
        {
            var shape = await BackupShape
                .PlanAsync(archive, options, request, warnings, log, cancellationToken).ConfigureAwait(false);
            return await MakeAsync(request, shape, warnings, cancellationToken).ConfigureAwait(false);
        }
        catch (DeltaImpossibleException impossible) when (options.Delta.FromName is null && options.Delta.FromUserData is null)
        {
            // Found out in the middle of the server's stream: nothing is left of that, and it is asked for all of it.
            var full = BackupShape.Full(archive, options, warnings, impossible.Reason);
            return await MakeAsync(request, full, warnings, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Says what a backup made now would be, without making it: what the archive says, held against the data directory's
    /// control file where that can be read. The server may still object when the backup begins.
    /// </summary>
    /// <exception cref="WalRusException">What <see cref="RunAsync"/> would refuse before it asks the server.</exception>
    public async Task<BackupPushPlan> PlanAsync(BackupPushRequest request, CancellationToken cancellationToken)
    {
        var shape = await BackupShape
            .PlanAsync(archive, options, request, new BackupWarnings(log), log, cancellationToken).ConfigureAwait(false);
        await using (shape.ConfigureAwait(false))
        {
            if (request.DataDirectory is { } folder)
            {
                await shape.ForecastAsync(folder, cancellationToken).ConfigureAwait(false);
            }

            return shape.Plan;
        }
    }

    /// <param name="shape">Disposed when this returns.</param>
    private async Task<BackupPushResult> MakeAsync(
        BackupPushRequest request, BackupShape shape, BackupWarnings warnings, CancellationToken cancellationToken)
    {
        var started = TimeProvider.System.GetTimestamp();
        var startTime = WalGTime.FromDateTimeOffset(DateTimeOffset.UtcNow).RoundUpToMicroseconds();
        await using var endShape = shape.ConfigureAwait(false);
        await shape.PrepareAsync(cancellationToken).ConfigureAwait(false);
        BackupName? claimed = null;
        try
        {
            var source = openSource(request, warnings);
            await using (source.ConfigureAwait(false))
            {
                var start = await source.StartAsync(shape, cancellationToken).ConfigureAwait(false);
                var name = await shape.BeginAsync(start, log, cancellationToken).ConfigureAwait(false);
                var draft = Draft(request, start, startTime) with
                {
                    Delta = shape.SentinelDelta,
                    IncrementFormat = shape.SentinelFormat,
                };
                log.BackupStarted(name.ToString(), start.Lsn.ToString(), start.PgVersion);
                var claim = draft.ToMetadata() with { ServerRun = start.ServerRun, ProcessId = Environment.ProcessId };
                await BackupClaim.TakeAsync(archive, name, claim, log, cancellationToken).ConfigureAwait(false);
                claimed = name;
                using var metadata = options.WithoutFilesMetadata ? null : new FilesMetadataWriter(TemporaryFile.Folder());
                var tars = new BackupTars(archive, name, metadata, log);
                await source.CopyAsync(tars, shape.Base, cancellationToken).ConfigureAwait(false);
                var end = await source.FinishAsync(tars, cancellationToken).ConfigureAwait(false);
                var sentinel = Complete(draft, end, tars);

                // Who holds the name stays written until the end: killed just before the sentinel it must still be known.
                var described = sentinel.ToMetadata() with { ServerRun = claim.ServerRun, ProcessId = claim.ProcessId };
                await StoreMetadataAsync(name, described, metadata, cancellationToken).ConfigureAwait(false);
                if (request.Permanent)
                {
                    await shape.MarkChainAsync(cancellationToken).ConfigureAwait(false);
                }

                await shape.ConfirmChainAsync(cancellationToken).ConfigureAwait(false);

                // From here on nothing is removed and cancelling comes too late: a sentinel may be there.
                cancellationToken.ThrowIfCancellationRequested();
                claimed = null;
                await StoreSentinelAsync(name, sentinel, warnings).ConfigureAwait(false);
                await BackupClaim.ReleaseAsync(archive, name, described, CleanupLimit, warnings).ConfigureAwait(false);
                log.BackupFinished(name.ToString(), sentinel.UncompressedSize, sentinel.CompressedSize);
                return await ResultAsync(name, sentinel, end, shape, warnings, started).ConfigureAwait(false);
            }
        }
        catch when (claimed is not null)
        {
            // The source is disposed by now: the server is out of backup mode.
            await BackupClaim.RemoveAsync(archive, claimed.Value, CleanupLimit, log).ConfigureAwait(false);
            throw;
        }
    }

    private BackupSentinel Draft(BackupPushRequest request, BackupSourceStart start, WalGTime startTime) => new()
    {
        StartLsn = start.Lsn,
        PgVersion = start.PgVersion,
        SystemIdentifier = start.SystemIdentifier,
        UserData = request.UserData,
        FilesMetadataDisabled = options.WithoutFilesMetadata,
        StartTime = startTime,
        Hostname = Dns.GetHostName(), // wal-g's: whole, where .NET's machine name ends at the first dot
        DataDirectory = start.DataDirectory,
        IsPermanent = request.Permanent,
    };

    private static BackupSentinel Complete(BackupSentinel draft, BackupSourceEnd end, BackupTars tars) => draft with
    {
        FinishLsn = end.Lsn,
        UncompressedSize = end.UncompressedBytes ?? tars.ContentBytes,
        CompressedSize = tars.StoredBytes,
        DataCatalogSize = end.DataCatalogBytes,
        Tablespaces = end.Tablespaces,
        FinishTime = WalGTime.FromDateTimeOffset(DateTimeOffset.UtcNow).RoundUpToMicroseconds(),
    };

    private async Task StoreMetadataAsync(
        BackupName name, BackupMetadata described, FilesMetadataWriter? metadata, CancellationToken cancellationToken)
    {
        await archive
            .WriteDocumentAsync(WalGLayout.Metadata(name), described.ToJson(), cancellationToken)
            .ConfigureAwait(false);
        if (metadata is not null)
        {
            var target = await archive.Store
                .OpenWriteAsync(WalGLayout.FilesMetadata(name), WriteCondition.None, cancellationToken)
                .ConfigureAwait(false);
            await using (target.ConfigureAwait(false))
            {
                await metadata.WriteToAsync(target, cancellationToken).ConfigureAwait(false);
                await target.CompleteAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>
    /// With this the backup begins to exist. When the store fails and does not know whether it took the sentinel, it is
    /// asked; whatever it says, everything the sentinel stands for is kept.
    /// </summary>
    private async Task StoreSentinelAsync(BackupName name, BackupSentinel sentinel, BackupWarnings warnings)
    {
        var key = WalGLayout.Sentinel(name);
        using var limit = new Deadline(SentinelLimit, CancellationToken.None);
        try
        {
            await archive.WriteDocumentAsync(key, sentinel.ToJson(), limit.Token).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is WalRusException or OperationCanceledException)
        {
            if (!await IsStoredAsync(key).ConfigureAwait(false))
            {
                log.BackupRemnantsLeft(WalGLayout.BackupObjects(name), "its sentinel may still arrive in the store");
                throw failure as WalRusException ?? new WalRusException(
                    ErrorCode.DeadlineExceeded, $"The store did not take '{key}' within {SentinelLimit.TotalMinutes:0} min.", null, failure);
            }

            warnings.Add($"The store reported a failure for '{key}', but holds it: {failure.Message}");
        }
    }

    private async Task<bool> IsStoredAsync(ObjectKey key)
    {
        using var limit = new Deadline(CleanupLimit, CancellationToken.None);
        try
        {
            return await archive.Store.HeadAsync(key, limit.Token).ConfigureAwait(false) is not null;
        }
        catch (Exception failure) when (failure is WalRusException or OperationCanceledException)
        {
            return false;
        }
    }

    private async Task<BackupPushResult> ResultAsync(
        BackupName name,
        BackupSentinel sentinel,
        BackupSourceEnd end,
        BackupShape shape,
        BackupWarnings warnings,
        long started) => new()
    {
        Backup = new BackupDetail
        {
            Name = name,
            Modified = await ModifiedAsync(name).ConfigureAwait(false),
            StorageName = archive.Store.Name,
            StartTime = sentinel.StartTime.ToDateTimeOffset(),
            FinishTime = sentinel.FinishTime.ToDateTimeOffset(),
            Hostname = sentinel.Hostname,
            DataDirectory = sentinel.DataDirectory,
            PgVersion = sentinel.PgVersion,
            StartLsn = sentinel.StartLsn ?? default,
            FinishLsn = sentinel.FinishLsn ?? default,
            IsPermanent = sentinel.IsPermanent,
            SystemIdentifier = sentinel.SystemIdentifier,
            UncompressedSize = sentinel.UncompressedSize,
            CompressedSize = sentinel.CompressedSize,
            UserData = sentinel.UserData,
            DeltaFrom = sentinel.Delta?.From,
            DeltaFromLsn = sentinel.Delta?.FromLsn,
            DeltaFullName = sentinel.Delta?.FullName,
            DeltaCount = sentinel.Delta?.Count ?? 0,
        },
        Plan = shape.Plan,
        Delta = shape.Facts,
        Duration = TimeProvider.System.GetElapsedTime(started),
        FileCount = end.FileCount,
        VanishedFileCount = end.VanishedFileCount,
        CorruptBlockCount = end.CorruptBlockCount,
        ChecksumsVerified = end.ChecksumsVerified,
        Warnings = warnings.ToList(),
    };

    /// <summary>By the store's clock. The backup exists by now: not knowing this must not make it a failure.</summary>
    private async Task<DateTimeOffset> ModifiedAsync(BackupName name)
    {
        using var limit = new Deadline(TimeSpan.FromSeconds(30), CancellationToken.None);
        try
        {
            var info = await archive.Store.HeadAsync(WalGLayout.Sentinel(name), limit.Token).ConfigureAwait(false);
            return info?.LastModified ?? DateTimeOffset.UtcNow;
        }
        catch (Exception failure) when (failure is WalRusException or OperationCanceledException)
        {
            return DateTimeOffset.UtcNow;
        }
    }
}
