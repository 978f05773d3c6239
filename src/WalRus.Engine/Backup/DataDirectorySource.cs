using System.Text;
using System.Threading.Channels;
using WalRus.Postgres;
using WalRus.Protocol;
using WalRus.Streaming;
using WalRus.Streaming.Tar;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>A backup read from the data directory of a server on this machine, while that is in backup mode.</summary>
internal sealed class DataDirectorySource : IBackupSource
{
    /// <summary>Files found and not yet taken by a lane.</summary>
    private const int FoundFiles = 256;

    private readonly PostgresConnectionSettings postgres;
    private readonly BackupPushOptions options;
    private readonly BackupPushRequest request;
    private readonly string givenDirectory;
    private readonly BackupWarnings warnings;
    private readonly IEventLog log;
    private readonly NativeBufferPool buffers;
    private readonly UnixAccounts accounts = new();
    private ServerBackupMode? mode;
    private ServerFacts? server;
    private BackupModeStart start;
    private string dataDirectory = "";
    private BackupProgress progress;
    private DataDirectoryWalker? walker;
    private PageVerification? verification;
    private long fileCount;
    private long vanishedCount;

    public DataDirectorySource(
        PostgresConnectionSettings postgres,
        BackupPushOptions options,
        BackupPushRequest request,
        string givenDirectory,
        BackupWarnings warnings,
        IEventLog log)
    {
        this.postgres = postgres;
        this.options = options;
        this.request = request;
        this.givenDirectory = givenDirectory;
        this.warnings = warnings;
        this.log = log;
        buffers = new NativeBufferPool(2L * options.DiskConcurrency * TarPartBuilder.BufferBytes);
        progress = new BackupProgress(request.Progress, null);
    }

    /// <summary>Opens a file to be backed up; tests put their own in.</summary>
    internal Func<string, long, IDataFile?> OpenFile { get; init; } = DataFile.TryOpen;

    private ServerBackupMode Mode => mode ?? throw new InvalidOperationException("The backup was not started.");

    public async Task<BackupSourceStart> StartAsync(BackupShape shape, CancellationToken cancellationToken)
    {
        progress.Step("Starting the backup");
        var session = await PostgresSession.OpenAsync(postgres, null, cancellationToken).ConfigureAwait(false);
        try
        {
            session.OnNotice = OnNotice;
            server = await ServerFacts.ReadAsync(session, cancellationToken).ConfigureAwait(false);
            dataDirectory = DataDirectoryCheck.Resolve(givenDirectory, server);
            RefuseMinimalWal(server);
            foreach (var warning in server.Warnings())
            {
                warnings.Add(warning);
            }

            progress = new BackupProgress(
                request.Progress, await EstimateAsync(session, cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            await session.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        mode = new ServerBackupMode(session, server);
        start = await mode.StartAsync(Label(), cancellationToken).ConfigureAwait(false);
        verification = Verification(server);

        // A primary never gives a name twice: it begins a segment of its own for each backup.
        var serverRun = start.IsInRecovery
            ? await mode.TryHoldNameAsync(start.Segment.ToString(), cancellationToken).ConfigureAwait(false)
            : null;
        return new BackupSourceStart(
            start.Lsn, start.Segment, server.Version, server.SystemIdentifier, dataDirectory, serverRun)
        {
            Timelines = LocalTimelines.Read(dataDirectory, start.Segment.Timeline),
            SegmentSize = server.SegmentSize,
            PageBytes = server.BlockBytes,
            FileBlocks = server.FileBlocks,
            HasDataChecksums = server.HasDataChecksums,
            IsLocal = true,
        };
    }

    public async Task CopyAsync(BackupTars tars, DeltaBase? delta, CancellationToken cancellationToken)
    {
        walker = new DataDirectoryWalker(dataDirectory, warnings);
        var context = new TarPartContext
        {
            Tars = tars,
            SizeThresholdBytes = options.TarSizeThresholdBytes,
            Accounts = accounts,
            Verification = verification,
            DiskRate = options.DiskRateLimitBytesPerSecond is { } rate ? new RateLimiter(rate) : null,
            Progress = progress,
            Delta = delta,
            OpenFile = OpenFile,
        };
        var found = Channel.CreateBounded<WalkedFile>(
            new BoundedChannelOptions(FoundFiles) { SingleWriter = true, SingleReader = options.DiskConcurrency == 1 });
        using var team = new TaskTeam(cancellationToken);
        using var done = new CancellationTokenSource();
        List<Task> workers = [team.Run(stop => WalkAsync(walker, found.Writer, stop))];
        for (var lane = 0; lane < options.DiskConcurrency; lane++)
        {
            workers.Add(team.Run(stop => FillTarsAsync(context, found.Reader, stop)));
        }

        _ = team.Run(stop => WatchAsync(done.Token, stop));
        await Task.WhenAll(workers).ConfigureAwait(false);
        await done.CancelAsync().ConfigureAwait(false);
        await team.WaitAsync().ConfigureAwait(false);
    }

    public async Task<BackupSourceEnd> FinishAsync(BackupTars tars, CancellationToken cancellationToken)
    {
        progress.Step("Finishing the backup");
        using var buffer = await buffers.RentAsync(TarPartBuilder.BufferBytes, cancellationToken).ConfigureAwait(false);
        var closing = new ClosingTars(tars, accounts, buffer.Memory);
        await closing
            .StoreControlFileAsync(ControlFileContent.Read(dataDirectory, server!.Version), cancellationToken).ConfigureAwait(false);
        var end = await StopAsync(cancellationToken).ConfigureAwait(false);
        await CheckTimelineAsync(end, cancellationToken).ConfigureAwait(false);
        await closing.StoreLabelAsync(end, cancellationToken).ConfigureAwait(false);
        if (options.CollectTableNames && tars.Metadata is { } metadata)
        {
            progress.Step("Reading the names of tables");
            await DatabaseTables.CollectAsync(postgres, metadata, warnings, cancellationToken).ConfigureAwait(false);
        }

        return new BackupSourceEnd
        {
            Lsn = end.Lsn,
            DataCatalogBytes = walker!.CatalogBytes,
            Tablespaces = walker.Tablespaces.Count == 0
                ? null
                : new TablespaceSpec { BasePrefix = dataDirectory, Entries = walker.Tablespaces },
            FileCount = fileCount,
            VanishedFileCount = vanishedCount + walker.VanishedCount,
            CorruptBlockCount = verification?.CorruptCount ?? 0,
            ChecksumsVerified = verification is not null,
        };
    }

    public async ValueTask DisposeAsync()
    {
        if (mode is not null)
        {
            await mode.DisposeAsync().ConfigureAwait(false);
        }

        buffers.Dispose();
    }

    /// <summary>wal-g's label: the current time as Go prints it.</summary>
    private static string Label() => FormattableString.Invariant($"{DateTime.UtcNow:yyyy-MM-dd HH:mm:ss.FFFFFF} +0000 UTC");

    private static void RefuseMinimalWal(ServerFacts server)
    {
        if (server.WalLevel == "minimal")
        {
            throw new WalRusException(
                ErrorCode.PostgresQueryFailed,
                "The server's wal_level is minimal: its WAL is not enough to restore a backup.",
                "Set wal_level = replica and restart the server.");
        }
    }

    private void OnNotice(string severity, string message)
    {
        if (severity == "WARNING")
        {
            warnings.Add($"The server says: {message}");
        }
    }

    private PageVerification? Verification(ServerFacts facts)
    {
        if (!request.VerifyPageChecksums)
        {
            return null;
        }

        if (!facts.HasDataChecksums)
        {
            warnings.Add("The cluster has no data checksums: its pages cannot be verified.");
            return null;
        }

        return new PageVerification(facts.BlockBytes, facts.FileBlocks, start.Lsn, options.StoreAllCorruptBlocks);
    }

    /// <summary>For progress only: null where nobody listens or the role may not know.</summary>
    private async Task<long?> EstimateAsync(PostgresSession session, CancellationToken cancellationToken)
    {
        if (request.Progress is null)
        {
            return null;
        }

        try
        {
            return await session.QueryRowAsync(
                new PostgresStatement(
                    "Asking for the size of the databases",
                    "SELECT CAST(sum(pg_catalog.pg_database_size(d.oid)) AS pg_catalog.int8) FROM pg_catalog.pg_database AS d")
                {
                    Limit = TimeSpan.FromSeconds(20),
                },
                row => row.GetInt64(0),
                cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException failure) when (failure.Code != ErrorCode.PostgresConnectionLost)
        {
            log.BackupSizeUnknown(failure.Message);
            return null;
        }
    }

    private static async Task WalkAsync(
        DataDirectoryWalker walker, ChannelWriter<WalkedFile> found, CancellationToken cancellationToken)
    {
        Exception? failure = null;
        try
        {
            foreach (var file in walker.Walk())
            {
                await found.WriteAsync(file, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (Exception caught)
        {
            failure = caught;
            throw;
        }
        finally
        {
            // The lanes must not take a broken walk for a whole one: they fail with the same failure.
            found.Complete(failure);
        }
    }

    private async Task FillTarsAsync(
        TarPartContext context, ChannelReader<WalkedFile> found, CancellationToken cancellationToken)
    {
        using var buffer = await buffers.RentAsync(TarPartBuilder.BufferBytes, cancellationToken).ConfigureAwait(false);
        using var scanBuffer = context.Delta is null
            ? null
            : await buffers.RentAsync(TarPartBuilder.BufferBytes, cancellationToken).ConfigureAwait(false);
        var builder = new TarPartBuilder(context, buffer.Memory, scanBuffer?.Memory ?? default);
        await using (builder.ConfigureAwait(false))
        {
            while (await found.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
            {
                while (found.TryRead(out var file))
                {
                    await builder.AddAsync(file, cancellationToken).ConfigureAwait(false);
                }
            }

            await builder.CompleteAsync(cancellationToken).ConfigureAwait(false);
            Interlocked.Add(ref fileCount, builder.FileCount);
            Interlocked.Add(ref vanishedCount, builder.VanishedCount);
        }
    }

    /// <summary>Keeps an eye on the session until the copy is done.</summary>
    private async Task WatchAsync(CancellationToken done, CancellationToken stop)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(done, stop);
        try
        {
            await Mode.WatchAsync(options.AliveCheckInterval, either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (done.IsCancellationRequested)
        {
            // The copy is complete: nothing more to watch.
        }
    }

    private async Task<BackupModeEnd> StopAsync(CancellationToken cancellationToken)
    {
        var archiving = start.IsInRecovery || server!.ArchiveMode == "off" ? null : ArchivingWait.TryOpen(dataDirectory);
        try
        {
            var end = await Mode.StopAsync(archiving is null, options.StopBackupTimeout, cancellationToken).ConfigureAwait(false);
            if (archiving is not null)
            {
                var files = ArchivingWait.NeededFiles(start, end.Lsn, server!.SegmentSize);
                await archiving
                    .RunAsync(files, options.StopBackupTimeout, Mode.PingAsync, warnings, cancellationToken).ConfigureAwait(false);
            }

            return end;
        }
        catch (WalRusException failure) when (failure.Code == ErrorCode.PostgresQueryFailed && start.IsInRecovery)
        {
            // The server refuses to end a standby's backup once the standby is none; its message is in its own language.
            if (await Mode.IsInRecoveryAsync(cancellationToken).ConfigureAwait(false))
            {
                throw;
            }

            throw TimelineChanged("the standby was promoted", failure);
        }
    }

    private async Task CheckTimelineAsync(BackupModeEnd end, CancellationToken cancellationToken)
    {
        var label = BackupLabel.Parse(Encoding.UTF8.GetBytes(end.Label));
        if (label.StartLsn != start.Lsn || label.StartSegment.Timeline != start.Segment.Timeline)
        {
            throw TimelineChanged(
                $"the server's label says {label.StartLsn} in {label.StartSegment}, the backup began at {start.Lsn} in {start.Segment}",
                null);
        }

        if (start.IsInRecovery)
        {
            var now = await Mode.ControlTimelineAsync(cancellationToken).ConfigureAwait(false);
            if (now != start.Segment.Timeline)
            {
                throw TimelineChanged($"the standby went from timeline {start.Segment.Timeline} to {now}", null);
            }
        }
    }

    private static WalRusException TimelineChanged(string why, Exception? inner) => new(
        ErrorCode.PostgresTimelineChanged,
        $"The backup spans a change of timeline: {why}.",
        "Make it again; nothing was kept of this one.",
        inner);
}
