using System.Globalization;
using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Protocol;
using WalRus.Streaming;
using WalRus.Streaming.Tar;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>
/// A backup that the server sends over the replication protocol (BASE_BACKUP): from any machine, with no access to its
/// files. It streams: memory is a few buffers, and nothing but the manifest waits on this machine's disk.
/// </summary>
internal sealed class RemoteSource : IBackupSource
{
    /// <summary>What finds the changed blocks when the server makes the increments.</summary>
    public const string SummariesName = "the server's WAL summaries";

    /// <summary>For errors.</summary>
    public const string Doing = "Backing up over the replication protocol";

    /// <summary>The server says so when a standby becomes a primary in the middle of its backup.</summary>
    private const string NotInPrerequisiteState = "55000";

    /// <summary>Between two bytes of data.</summary>
    private static readonly TimeSpan SilenceLimit = TimeSpan.FromMinutes(10);

    /// <summary>The server waits for its last segment to be archived, and says so at ever longer intervals.</summary>
    private static readonly TimeSpan ArchivingSilence = TimeSpan.FromHours(24);

    private readonly Archive archive;
    private readonly PostgresConnectionSettings postgres;
    private readonly BackupPushOptions options;
    private readonly BackupPushRequest request;
    private readonly BackupWarnings warnings;
    private readonly NativeBufferPool buffers = new(3 * TarPartBuilder.BufferBytes);
    private BackupProgress progress;
    private PostgresConnection? connection;
    private RemoteServer? server;
    private RemoteBackupOpening? opening;
    private BaseBackup? backup;
    private WalGTime parentStarted;
    private NumberSpool? fileSizes;
    private IRemoteIncrements? increments;
    private RemoteTarPacker? packer;

    /// <summary>How long the server may still take to end the backup, this side's own work not counted; null for no limit.</summary>
    private TimeSpan? patience;

    private PageSpool? pages;
    private string lastWarning = "";
    private long receivedBytes;

    public RemoteSource(
        Archive archive,
        PostgresConnectionSettings postgres,
        BackupPushOptions options,
        BackupPushRequest request,
        BackupWarnings warnings)
    {
        this.archive = archive;
        this.postgres = postgres;
        this.options = options;
        this.request = request;
        this.warnings = warnings;
        progress = new BackupProgress(request.Progress, null);
    }

    private bool Verifies => request.VerifyPageChecksums && server!.HasDataChecksums;

    public async Task<BackupSourceStart> StartAsync(BackupShape shape, CancellationToken cancellationToken)
    {
        progress.Step("Starting the backup");
        parentStarted = WalGTime.FromDateTimeOffset(shape.Plan.Parent?.StartTime ?? DateTimeOffset.MinValue);
        connection = await PostgresConnection
            .OpenAsync(postgres, SessionKind.Replication, cancellationToken).ConfigureAwait(false);
        connection.OnNotice = OnNotice;
        server = await RemoteServer.ReadAsync(connection, cancellationToken).ConfigureAwait(false);
        Warn(server);
        opening = new RemoteBackupOpening(archive, connection, server, Asked());
        using (var buffer = await buffers.RentAsync(TarReader.MinBufferBytes, cancellationToken).ConfigureAwait(false))
        {
            backup = await opening
                .BeginAsync(shape, options.Delta.RequireSource, buffer.Memory, cancellationToken).ConfigureAwait(false);
        }

        connection.Messages.SilenceLimit = SilenceLimit;
        progress = new BackupProgress(request.Progress, backup.EstimatedBytes);
        return Describe(server, backup.Start);
    }

    public async Task CopyAsync(BackupTars tars, DeltaBase? delta, CancellationToken cancellationToken)
    {
        using var reading = await buffers.RentAsync(TarPartBuilder.BufferBytes, cancellationToken).ConfigureAwait(false);
        using var writing = await buffers.RentAsync(TarPartBuilder.BufferBytes, cancellationToken).ConfigureAwait(false);
        using var spooling = await buffers.RentAsync(TarPartBuilder.BufferBytes, cancellationToken).ConfigureAwait(false);
        increments = delta is null ? null : Increments(delta, spooling.Memory);
        packer = new RemoteTarPacker(tars, options.TarSizeThresholdBytes, progress, reading.Memory, writing.Memory)
        {
            Increments = increments,
            OnControlFile = BeginFinishing,
        };
        await using (packer.ConfigureAwait(false))
        {
            while (packer.ControlFile is null)
            {
                var piece = await ReceiveAsync(token => backup!.NextAsync(token), cancellationToken).ConfigureAwait(false);
                if (piece is null or { IsManifest: true })
                {
                    throw Incomplete("global/pg_control");
                }

                var prefix = piece.Tablespace is { } oid
                    ? string.Create(CultureInfo.InvariantCulture, $"{TablespaceLayout.LinkFolder}/{oid}/") : "";
                await packer.PackAsync(new Received(this), piece.ToString(), prefix, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    public async Task<BackupSourceEnd> FinishAsync(BackupTars tars, CancellationToken cancellationToken)
    {
        using var manifest = new BackupManifestSpool(TemporaryFile.Folder());
        var end = await ReceiveEndAsync(manifest, cancellationToken).ConfigureAwait(false);
        if (end.Timeline != backup!.Start.Timeline)
        {
            throw TimelineChanged(backup.Start.Timeline, end.Timeline, null);
        }

        using var buffer = await buffers.RentAsync(TarPartBuilder.BufferBytes, cancellationToken).ConfigureAwait(false);
        await StoreControlFileAsync(tars, buffer.Memory, cancellationToken).ConfigureAwait(false);
        await manifest.StoreAsync(tars, packer!.ControlFileEntry, buffer.Memory, cancellationToken).ConfigureAwait(false);
        return new BackupSourceEnd
        {
            Lsn = end.Lsn,
            UncompressedBytes = increments is null ? receivedBytes : null,
            Tablespaces = Specification(),
            FileCount = packer.FileCount,
            CorruptBlockCount = CorruptBlocks(),
            ChecksumsVerified = Verifies,
        };
    }

    public async ValueTask DisposeAsync()
    {
        if (backup is not null)
        {
            await backup.DisposeAsync().ConfigureAwait(false);
        }

        if (connection is not null)
        {
            await connection.DisposeAsync().ConfigureAwait(false);
        }

        pages?.Dispose();
        fileSizes?.Dispose();
        buffers.Dispose();
    }

    private static WalRusException TimelineChanged(TimelineId from, TimelineId to, Exception? inner) => new(
        ErrorCode.PostgresTimelineChanged,
        $"The backup spans a change of timeline: the server went from timeline {from} to {to}.",
        "Make it again; nothing was kept of this one.",
        inner);

    private static WalRusException Incomplete(string what) => new(
        ErrorCode.PostgresConnectionLost, $"{Doing}: the server's backup ended without {what}.", "Look into the server's log.");

    private void Warn(RemoteServer facts)
    {
        foreach (var warning in facts.Warnings())
        {
            warnings.Add(warning);
        }

        if (request.VerifyPageChecksums && !facts.HasDataChecksums)
        {
            warnings.Add("The cluster has no data checksums: its pages cannot be verified.");
        }
    }

    private BaseBackupOptions Asked() => new()
    {
        Label = $"walrus {DateTime.UtcNow.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture)}",
        MaxRateBytesPerSecond = options.DiskRateLimitBytesPerSecond,
        VerifyChecksums = Verifies,
        Progress = request.Progress is not null,
    };

    private BackupSourceStart Describe(RemoteServer facts, WalPosition start)
    {
        if (opening!.Fallback is { } why)
        {
            warnings.Add($"The server makes no increment, so every page is looked at: {why}.");
        }

        var segment = WalFileName.FromLsn(start.Timeline, start.Lsn, facts.SegmentSize);
        return new BackupSourceStart(
            start.Lsn, segment, facts.Version, facts.SystemIdentifier, facts.DataDirectory, ServerRun: null)
        {
            Timelines = facts.Timelines?.Timeline == start.Timeline ? facts.Timelines : null,
            SegmentSize = facts.SegmentSize,
            PageBytes = facts.BlockBytes,
            FileBlocks = facts.FileBlocks,
            HasDataChecksums = facts.HasDataChecksums,
            HasRootedNames = false,
            BlockSource = opening.IsIncremental ? SummariesName : null,
            BlockSourceFallback = opening.Fallback,
        };
    }

    private IRemoteIncrements Increments(DeltaBase delta, Memory<byte> buffer)
    {
        if (!opening!.IsIncremental)
        {
            pages = new PageSpool(TemporaryFile.Folder(), buffer);
            return new ScannedIncrements(delta, parentStarted, server!.HasDataChecksums, pages);
        }

        fileSizes = new NumberSpool(TemporaryFile.Folder());
        return new ServerIncrements(delta, fileSizes);
    }

    private void OnNotice(ServerError notice)
    {
        if (notice.Severity == "WARNING")
        {
            lastWarning = notice.Message;
            warnings.Add($"The server says: {notice.FullMessage}");
        }
    }

    /// <summary>All files have come: from here on the server waits for its WAL to be archived.</summary>
    private void BeginFinishing()
    {
        progress.Step("Finishing the backup");
        connection!.Messages.SilenceLimit = ArchivingSilence;
        patience = options.StopBackupTimeout;
    }

    private async Task<WalPosition> ReceiveEndAsync(BackupManifestSpool manifest, CancellationToken cancellationToken)
    {
        var piece = await ReceiveAsync(token => backup!.NextAsync(token), cancellationToken).ConfigureAwait(false);
        if (piece is not { IsManifest: true })
        {
            throw Incomplete("its manifest");
        }

        var check = new RemoteManifest(manifest, increments as ServerIncrements, fileSizes);
        using (check)
        {
            await check.TakeAsync(new Received(this), cancellationToken).ConfigureAwait(false);
        }

        var isLast = await ReceiveAsync(token => backup!.NextAsync(token), cancellationToken).ConfigureAwait(false) is null;
        if (!isLast)
        {
            throw connection!.Violated("something comes after a base backup's manifest");
        }

        var end = await ReceiveAsync(
            token => new ValueTask<WalPosition>(backup!.FinishAsync(token)), cancellationToken).ConfigureAwait(false);
        check.Require(server!, backup!.Start.Lsn, end.Lsn);
        return end;
    }

    /// <summary>Waits for something from the server, under the limit of the end once that has begun.</summary>
    private async ValueTask<T> ReceiveAsync<T>(
        Func<CancellationToken, ValueTask<T>> receive, CancellationToken cancellationToken)
    {
        try
        {
            return patience is null
                ? await receive(cancellationToken).ConfigureAwait(false)
                : await ReceivePatientlyAsync(receive, cancellationToken).ConfigureAwait(false);
        }
        catch (ServerErrorException failure) when (failure.SqlState == NotInPrerequisiteState)
        {
            // Its message is in the server's own language: the timeline tells.
            var (_, now) = await RemoteServer.IdentifyAsync(connection!, cancellationToken).ConfigureAwait(false);
            throw now == backup!.Start.Timeline ? failure : TimelineChanged(backup.Start.Timeline, now, failure);
        }
    }

    private async ValueTask<T> ReceivePatientlyAsync<T>(
        Func<CancellationToken, ValueTask<T>> receive, CancellationToken cancellationToken)
    {
        var began = TimeProvider.System.GetTimestamp();
        var left = patience > TimeSpan.Zero ? patience.Value : TimeSpan.Zero;
        using var limit = new Deadline(left, cancellationToken);
        try
        {
            return await receive(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (limit.HasPassed)
        {
            throw new WalRusException(
                ErrorCode.DeadlineExceeded,
                $"The server did not end the backup within {options.StopBackupTimeout!.Value.TotalSeconds:0} s: its last WAL segment is not archived.",
                "Look into the server's log for what archive_command says, or give it longer (WALG_STOP_BACKUP_TIMEOUT).");
        }
        finally
        {
            patience -= TimeProvider.System.GetElapsedTime(began);
        }
    }

    /// <summary>Reads the current piece, counting.</summary>
    private async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var count = await ReceiveAsync(token => backup!.Content.ReadAsync(buffer, token), cancellationToken).ConfigureAwait(false);
        receivedBytes += count;
        return count;
    }

    private async Task StoreControlFileAsync(BackupTars tars, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var tar = await tars.OpenControlAsync(buffer, cancellationToken).ConfigureAwait(false);
        await using (tar.ConfigureAwait(false))
        {
            await tar.AddAsync(packer!.ControlFileEntry, RemoteTarPacker.Owner, packer.ControlFile, cancellationToken)
                .ConfigureAwait(false);
            await tar.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>wal-g's remote backups have one even without tablespaces. Those in place are folders like any other.</summary>
    private TablespaceSpec Specification() => new()
    {
        BasePrefix = server!.DataDirectory,
        Entries = [.. backup!.Tablespaces
            .Where(tablespace => !tablespace.IsInPlace)
            .Select(tablespace => (Name: tablespace.Oid.ToString(CultureInfo.InvariantCulture), tablespace.Location))
            .Select(known => new TablespaceSpecEntry(known.Name, known.Location, $"{TablespaceLayout.LinkFolder}/{known.Name}"))],
    };

    /// <summary>The server names the pages in warnings, and then how many there were: "3 total checksum verification failures".</summary>
    private long CorruptBlocks()
    {
        if (backup!.ChecksumFailure is null)
        {
            return 0;
        }

        var digits = lastWarning.AsSpan(0, lastWarning.AsSpan().IndexOfAnyExceptInRange('0', '9') is >= 0 and var end ? end : 0);
        return long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count : 1;
    }

    /// <summary>The current piece as a stream.</summary>
    private sealed class Received(RemoteSource owner) : InputStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            owner.ReadAsync(buffer, cancellationToken);
    }
}
