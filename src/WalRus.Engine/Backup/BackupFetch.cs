using System.Diagnostics;
using WalRus.Archiving;
using WalRus.Streaming;

namespace WalRus.Backup;

/// <summary>
/// Restores a backup, a delta with its whole chain, into a missing or empty directory. Until the very end the directory holds no pg_control, so that an
/// interrupted restore can never be started; a failed or cancelled one is removed.
/// </summary>
/// <remarks>
/// Owners: when the process is root, everything is given to the owner of the destination if that is there and not
/// root's; else to the owner in the archive's headers (numbers); else to the owner of the nearest folder above that is not
/// root's. Permissions follow the headers; the data directory itself is 0700, or 0750 if it was readable by its group.
/// </remarks>
public sealed class BackupFetch
{
    private readonly Archive archive;
    private readonly BackupFetchOptions options;
    private readonly IEventLog log;
    private readonly TarRounds rounds;
    private readonly PartialRestore partial;

    public BackupFetch(Archive archive, BackupFetchOptions options, NativeBufferPool buffers, IEventLog log)
        : this(archive, options, buffers, TimeProvider.System, log)
    {
    }

    internal BackupFetch(
        Archive archive, BackupFetchOptions options, NativeBufferPool buffers, TimeProvider time, IEventLog log)
    {
        this.archive = archive;
        this.options = options;
        this.log = log;
        rounds = new TarRounds(archive, options, buffers, time, log);
        partial = new PartialRestore(archive, rounds, log);
    }

    /// <summary>What a restore would do, decided to the last tar. Changes nothing.</summary>
    /// <exception cref="WalRusException">As <see cref="RunAsync"/>, as far as the archive's documents tell.</exception>
    public async Task<RestorePlan> PlanAsync(BackupFetchRequest request, CancellationToken cancellationToken)
    {
        var plan = await BackupFetchPlan.MakeAsync(archive, request.Name, log, cancellationToken).ConfigureAwait(false);
        var filter = await FilterAsync(request, plan, cancellationToken).ConfigureAwait(false);
        using var selection = await ChainSelection.MakeAsync(archive, plan, filter, log, cancellationToken).ConfigureAwait(false);
        return new RestorePlan([.. plan.Steps.Select((step, index) => new RestorePlanStep
        {
            Name = step.Name,
            UncompressedSize = step.Sentinel.UncompressedSize,
            TarCount = selection.Tars[index].Read.Count + selection.LastTars(index).Count,
            StoredBytes = selection.Tars[index].Read.Concat(selection.LastTars(index)).Sum(tar => tar.SizeBytes),
            SkippedTarCount = selection.Tars[index].Redundant.Count,
            SkippedBytes = selection.Tars[index].Redundant.Sum(tar => tar.SizeBytes),
            FileCount = index < plan.Steps.Count - 1 ? selection.Files.Expected(index) : null,
        })]);
    }

    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.BackupNotFound"/>, <see cref="ErrorCode.BackupIncomplete"/>,
    /// <see cref="ErrorCode.DestinationNotEmpty"/>, <see cref="ErrorCode.DestinationForeign"/>,
    /// <see cref="ErrorCode.TablespaceMappingInvalid"/>, <see cref="ErrorCode.PathEscapesDestination"/>,
    /// <see cref="ErrorCode.ObjectCorrupt"/>, <see cref="ErrorCode.DiskFull"/>, or what the store says. What was
    /// extracted is removed then.
    /// </exception>
    public async Task<BackupFetchResult> RunAsync(BackupFetchRequest request, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        if (!string.IsNullOrEmpty(request.Mask) && request.Recovery is not null)
        {
            throw new WalRusException(
                ErrorCode.InvalidArgument, "A masked restore is no server: recovery settings cannot go with it.");
        }

        var plan = await BackupFetchPlan.MakeAsync(archive, request.Name, log, cancellationToken).ConfigureAwait(false);
        var sentinel = plan.Last.Sentinel;
        if (request.Recovery is { } recovery)
        {
            // Before anything is touched: a target that cannot be written is no reason to undo a restore.
            RecoverySettingsWriter.Describe(recovery, sentinel.PgVersion);
        }

        var layout = TablespaceLayout.Create(
            Path.TrimEndingDirectorySeparator(Path.GetFullPath(request.Destination)), sentinel.Tablespaces, request.Tablespaces);
        var filter = await FilterAsync(request, plan, cancellationToken).ConfigureAwait(false);
        using var selection = await ChainSelection.MakeAsync(archive, plan, filter, log, cancellationToken).ConfigureAwait(false);
        using var destination = RestoreDestination.Claim(layout, sentinel.SystemIdentifier, request.Force, log);
        try
        {
            return await RestoreAsync(request, selection, filter, destination, watch, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            destination.Abandon();
            throw;
        }
    }

    private async Task<RestoreFilter> FilterAsync(
        BackupFetchRequest request, BackupFetchPlan plan, CancellationToken cancellationToken)
    {
        var mask = string.IsNullOrEmpty(request.Mask) ? null : new RestoreMask(request.Mask);
        var relations = request.RestoreOnly.Count == 0
            ? null
            : await partial.ChooseAsync(plan, request.RestoreOnly, cancellationToken).ConfigureAwait(false);
        return new RestoreFilter(mask, relations);
    }

    private async Task<BackupFetchResult> RestoreAsync(
        BackupFetchRequest request,
        ChainSelection selection,
        RestoreFilter filter,
        RestoreDestination destination,
        Stopwatch watch,
        CancellationToken cancellationToken)
    {
        var layout = destination.Layout;
        using var durability = options.Fsync ? new RestoreDurability(layout) : null;
        var plan = selection.Plan;
        var total = plan.Steps.Sum(step => step.Sentinel.UncompressedSize);
        var progress = new RestoreProgress(request.Progress, total > 0 ? total : null);
        var extractor = new TarExtractor(destination, selection, progress, log);
        log.RestoreStarted(
            request.Name.ToString(),
            layout.DataDirectory,
            selection.Tars.Sum(tars => tars.Read.Count) + plan.Last.LastTars.Count,
            selection.Tars.Sum(tars => tars.Redundant.Count),
            plan.Steps.Count);
        await new ChainExtraction(archive, selection, filter, destination, extractor)
            .RunAsync(rounds, cancellationToken).ConfigureAwait(false);

        var finish = new RestoreFinish(destination, extractor, plan.Last);
        if (string.IsNullOrEmpty(request.Mask))
        {
            finish.CheckServerFiles();
            finish.CompleteFolders();
            finish.CompleteLabel();
        }

        finish.LinkTablespaces(filter.Includes(TarExtractor.MapFile));
        var settings = request.Recovery is null ? [] : finish.WriteRecovery(request.Recovery);
        progress.Finish("Making durable");
        if (durability is not null)
        {
            await durability.SyncAsync(cancellationToken).ConfigureAwait(false);
        }

        finish.PutControlFile();
        destination.Complete();
        log.RestoreFinished(request.Name.ToString(), extractor.FileCount, progress.Bytes);
        return new BackupFetchResult
        {
            Name = request.Name,
            DataDirectory = layout.DataDirectory,
            Bytes = progress.Bytes,
            FileCount = extractor.FileCount,
            Duration = watch.Elapsed,
            IncrementCount = extractor.IncrementCount,
            ChainLength = plan.Steps.Count,
            Tablespaces = layout.Tablespaces,
            RecoverySettings = settings,
        };
    }
}
