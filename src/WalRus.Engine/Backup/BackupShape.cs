using WalRus.Archiving;
using WalRus.Delta;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>
/// What one backup becomes, full or delta: decided from the archive before the server is asked for anything, and once
/// more when it has said where the backup starts. A full backup instead of a delta is always said.
/// </summary>
internal sealed class BackupShape : IAsyncDisposable
{
    private readonly Archive archive;
    private readonly BackupPushOptions options;
    private readonly BackupWarnings warnings;
    private ParentFiles? files;
    private string? sourceFallback;

    private BackupShape(Archive archive, BackupPushOptions options, BackupWarnings warnings, BackupPushPlan plan)
    {
        this.archive = archive;
        this.options = options;
        this.warnings = warnings;
        Plan = plan;
    }

    public BackupPushPlan Plan { get; private set; }

    /// <summary>What the delta is made against; null for a full backup and before <see cref="BeginAsync"/>.</summary>
    public DeltaBase? Base { get; private set; }

    public BackupDelta? SentinelDelta => Plan.Parent is { } parent
        ? new BackupDelta(parent.StartLsn, parent.Name.ToString(), Plan.Chain[0].Name.ToString(), Plan.Count)
        : null;

    /// <summary>The sentinel's; null for a full backup and wal-g's own format.</summary>
    public string? SentinelFormat => Plan.Parent is not null && options.Delta.Format == IncrementFormat.Native
        ? BackupSentinel.NativeIncrementFormat
        : null;

    public BackupDeltaFacts? Facts => Base is null ? null : new BackupDeltaFacts
    {
        Parent = Plan.Parent!.Name.ToString(),
        BlockSource = Base.Source.Name,
        BlockSourceFallback = sourceFallback,
        UnchangedFileCount = Base.UnchangedFileCount,
        IncrementedFileCount = Base.IncrementedFileCount,
        ChangedBlockCount = Base.ChangedBlockCount,
        ScannedBytes = Base.ScannedBytes,
    };

    /// <summary>Decides from the archive.</summary>
    /// <exception cref="WalRusException">As <see cref="DeltaPlanner.PlanAsync"/>.</exception>
    public static async Task<BackupShape> PlanAsync(
        Archive archive,
        BackupPushOptions options,
        BackupPushRequest request,
        BackupWarnings warnings,
        IEventLog log,
        CancellationToken cancellationToken)
    {
        var plan = await new DeltaPlanner(archive, options, log).PlanAsync(request, cancellationToken).ConfigureAwait(false);
        return new BackupShape(archive, options, warnings, plan);
    }

    /// <summary>A full backup after all, where a delta was planned and turned out to be impossible.</summary>
    public static BackupShape Full(Archive archive, BackupPushOptions options, BackupWarnings warnings, string reason) =>
        new(archive, options, warnings, new BackupPushPlan(null, 0, reason, IsFallback: true));

    /// <summary>Reads the parent's list of files, if there is a parent: before the server is in backup mode.</summary>
    /// <exception cref="WalRusException">The list of a parent that was named cannot be read.</exception>
    public Task PrepareAsync(CancellationToken cancellationToken) =>
        Plan.Parent is { } parent ? ReadFilesAsync(parent.Name, cancellationToken) : Task.CompletedTask;

    /// <summary>Holds the plan against what the server said, and opens the source of changed blocks.</summary>
    /// <returns>The backup's name.</returns>
    /// <exception cref="WalRusException">As <see cref="DeltaParentCheck.FindObstacleAsync"/>; <see cref="ErrorCode.ChangedBlocksUnknown"/>.</exception>
    public async Task<BackupName> BeginAsync(BackupSourceStart start, IEventLog log, CancellationToken cancellationToken)
    {
        if (Plan.Parent is { } parent)
        {
            start = start with { Timelines = await TimelinesAsync(start, cancellationToken).ConfigureAwait(false) };
            var obstacle = await FindObstacleAsync(parent, start, cancellationToken).ConfigureAwait(false);
            if (obstacle is null)
            {
                await OpenBaseAsync(start, parent, cancellationToken).ConfigureAwait(false);
                log.BackupIsDelta(parent.Name.ToString(), parent.StartLsn.ToString(), Base!.Source.Name);
                return BackupName.Delta(start.Segment, parent.Name);
            }

            if (start.BlockSource is not null)
            {
                throw new DeltaImpossibleException(obstacle, "Make the backup again.");
            }

            Plan = Plan.Fallback(obstacle);
        }

        if (Plan.IsFallback)
        {
            warnings.Add($"A full backup is made instead of a delta: {Plan.Reason}.");
        }
        else
        {
            log.BackupIsFull(Plan.Reason);
        }

        return BackupName.Full(start.Segment);
    }

    /// <summary>
    /// Holds the plan against what the data directory of a server, running or not, says of itself; without that it stays
    /// as it is.
    /// </summary>
    public async Task ForecastAsync(string dataDirectory, CancellationToken cancellationToken)
    {
        if (Plan.Parent is not { } parent || ReadControl(dataDirectory) is not { } control)
        {
            return;
        }

        var start = new BackupSourceStart(
            new Lsn(ulong.MaxValue),
            WalFileName.FromLsn(control.Timeline, control.Redo, control.SegmentSize),
            parent.PgVersion,
            control.SystemIdentifier,
            dataDirectory,
            null)
        {
            Timelines = LocalTimelines.Read(dataDirectory, control.Timeline),
            PageBytes = (int)control.BlockSizeBytes,
            HasDataChecksums = control.DataChecksumVersion != 0,
        };
        if (await FindObstacleAsync(parent, start, cancellationToken).ConfigureAwait(false) is { } obstacle)
        {
            Plan = Plan.Fallback(obstacle);
        }
    }

    /// <summary>Whether the plan's parent would do for a backup that began now; decides nothing.</summary>
    /// <param name="start">With a position that no parent is ahead of.</param>
    /// <returns>Null when it would, else why not.</returns>
    public async Task<string?> FindObstacleAsync(BackupSourceStart start, CancellationToken cancellationToken)
    {
        start = start with { Timelines = await TimelinesAsync(start, cancellationToken).ConfigureAwait(false) };
        return await FindObstacleAsync(Plan.Parent!, start, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes every backup below a permanent delta permanent, the full one first: as wal-g, in metadata.json.</summary>
    public async Task MarkChainAsync(CancellationToken cancellationToken)
    {
        foreach (var step in Plan.Chain.Where(step => !step.IsPermanent))
        {
            await BackupPermanence.WriteAsync(archive, step.Name, isPermanent: true, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Holds that no backup below this delta was deleted while it was made.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupParentUnusable"/>.</exception>
    public async Task ConfirmChainAsync(CancellationToken cancellationToken)
    {
        foreach (var step in Plan.Chain)
        {
            if (await archive.Store.HeadAsync(WalGLayout.Sentinel(step.Name), cancellationToken).ConfigureAwait(false) is null)
            {
                throw new WalRusException(
                    ErrorCode.BackupParentUnusable,
                    $"{step.Name}, which this delta is based on, was deleted while the delta was made.",
                    "Make the backup again: it will be based on what is there, or be a full one. Nothing was kept of this one.");
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        files?.Dispose();
        if (Base is not null)
        {
            await Base.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task ReadFilesAsync(BackupName parent, CancellationToken cancellationToken)
    {
        try
        {
            var document = await archive.Store
                .OpenReadAsync(WalGLayout.FilesMetadata(parent), null, cancellationToken).ConfigureAwait(false);
            await using (document.ConfigureAwait(false))
            {
                files = await ParentFiles
                    .ReadAsync(
                        FilesMetadataReader.ReadFilesAsync(document, cancellationToken),
                        TemporaryFile.Folder(),
                        cancellationToken)
                    .ConfigureAwait(false);
            }
        }
        catch (WalRusException unreadable) when (!Plan.IsParentNamed
            && unreadable.Code is ErrorCode.ObjectNotFound or ErrorCode.BackupUnreadable)
        {
            Plan = Plan.Fallback($"the list of files of {parent} cannot be read: {unreadable.Message.TrimEnd('.')}");
        }
    }

    private async Task<string?> FindObstacleAsync(
        BackupDetail parent, BackupSourceStart start, CancellationToken cancellationToken)
    {
        using var buffers = new NativeBufferPool(NativeBufferPool.WorkingBytes);
        return NamesObstacle(parent, start)
            ?? await new DeltaParentCheck(archive, buffers)
                .FindObstacleAsync(Plan, start, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<TimelineHistory?> TimelinesAsync(
        BackupSourceStart start, CancellationToken cancellationToken) =>
        start.Timelines
        ?? await new WalCatalog(archive).ReadHistoryAsync(start.Segment.Timeline, cancellationToken).ConfigureAwait(false);

    /// <summary>Null when there is none that could be read: the server itself is asked later.</summary>
    private static ControlFile? ReadControl(string dataDirectory)
    {
        try
        {
            return ControlFileContent.Read(dataDirectory, 0).Parsed;
        }
        catch (WalRusException)
        {
            return null;
        }
    }

    private string? NamesObstacle(BackupDetail parent, BackupSourceStart start)
    {
        if (files is null || (files.Count > 0 && files.HasRootedNames == start.HasRootedNames))
        {
            return null;
        }

        var obstacle = files.Count == 0
            ? $"{parent.Name} lists no files"
            : $"{parent.Name} names its files otherwise (it was made remotely, locally or by another tool)";
        return Plan.IsParentNamed
            ? throw new WalRusException(ErrorCode.BackupParentUnusable, $"No delta can be made: {obstacle}.", "Make a full backup.")
            : obstacle;
    }

    private async Task OpenBaseAsync(
        BackupSourceStart start, BackupDetail parent, CancellationToken cancellationToken)
    {
        var range = new ChangedBlockRange
        {
            From = parent.StartLsn,
            To = start.Lsn,
            Timelines = start.Timelines ?? TimelineHistory.WithoutPast(start.Segment.Timeline),
            SegmentSize = start.SegmentSize,
            PgVersion = start.PgVersion,
            SystemIdentifier = start.SystemIdentifier ?? 0,
            FileBlocks = start.FileBlocks,
            DataDirectory = start.IsLocal ? start.DataDirectory : null,
        };
        sourceFallback = start.BlockSourceFallback;
        var source = start.BlockSource is { } name
            ? new ServerBlocks(name) : await OpenSourceAsync(range, cancellationToken).ConfigureAwait(false);
        var databases = start.IsLocal
            ? new DatabaseAges(start.DataDirectory, files!, WalGTime.FromDateTimeOffset(parent.StartTime ?? DateTimeOffset.MinValue))
            : null;
        Base = new DeltaBase(files!, source, databases)
        {
            Since = parent.StartLsn,
            Format = options.Delta.Format,
            FileBlocks = start.FileBlocks,
        };
        files = null;
    }

    private async Task<IChangedBlockSource> OpenSourceAsync(ChangedBlockRange range, CancellationToken cancellationToken)
    {
        try
        {
            return await options.Delta.OpenSource(range, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException unknown) when (unknown.Code == ErrorCode.ChangedBlocksUnknown && !options.Delta.RequireSource)
        {
            sourceFallback = $"every page is looked at: {unknown.Message.TrimEnd('.')}";
            warnings.Add($"Changed blocks are not known from the WAL, so {sourceFallback}.");
            return new PageLsnSource();
        }
    }
}
