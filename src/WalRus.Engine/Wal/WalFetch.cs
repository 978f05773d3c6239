using System.Diagnostics;
using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Streaming;

namespace WalRus.Wal;

/// <summary>
/// Restores one WAL file for replay: from the prefetch folder when a prefetch brought it, else from the archive. Never
/// leaves a partial or unchecked file at the destination.
/// </summary>
public sealed class WalFetch
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(5);

    /// <summary>A prefetch whose file does not grow for so long is dead or no faster than fetching it here.</summary>
    private static readonly TimeSpan StallLimit = TimeSpan.FromSeconds(1);

    private readonly WalFetchOptions options;
    private readonly WalDownload download;
    private readonly IEventLog log;

    public WalFetch(Archive archive, WalFetchOptions options, NativeBufferPool buffers, IEventLog log)
    {
        this.options = options;
        this.log = log;
        download = new WalDownload(archive, buffers, options.SegmentSize);
    }

    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.WalSegmentNotFound"/> (replay takes it as the end of the archive),
    /// <see cref="ErrorCode.ObjectCorrupt"/>, <see cref="ErrorCode.DecryptionFailed"/>, <see cref="ErrorCode.DiskFull"/>,
    /// <see cref="ErrorCode.DeadlineExceeded"/>, or what the store says. The destination is as it was then.
    /// </exception>
    public async Task<WalFetchResult> RunAsync(WalFetchRequest request, CancellationToken cancellationToken)
    {
        using var limit = new Deadline(options.Deadline, cancellationToken);
        try
        {
            return await FetchAsync(request, limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (limit.HasPassed)
        {
            throw new WalRusException(
                ErrorCode.DeadlineExceeded,
                $"Fetching '{request.Name}' took longer than {options.Deadline.TotalSeconds:0} s.",
                "PostgreSQL will ask again; look at the store's health if this repeats.") { IsTransient = true };
        }
    }

    private async Task<WalFetchResult> FetchAsync(WalFetchRequest request, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        var file = WalFile.Parse(request.Name);
        var destination = Path.GetFullPath(request.Destination);
        if (await TakePrefetchedAsync(file, destination, cancellationToken).ConfigureAwait(false) is { } prefetched)
        {
            log.WalFetched(file.Name, "the prefetch folder");
            return new WalFetchResult
            {
                Name = file.Name,
                Destination = destination,
                Source = WalFetchSource.Prefetched,
                Bytes = prefetched.Bytes,
                SegmentSize = prefetched,
                Duration = watch.Elapsed,
            };
        }

        var downloaded = await download.RunAsync(file, destination, request.Progress, cancellationToken).ConfigureAwait(false)
            ?? throw new WalRusException(
                ErrorCode.WalSegmentNotFound,
                $"The archive does not hold '{file.Name}'.",
                "During recovery this is normal at the end of the archived WAL.");
        log.WalFetched(file.Name, downloaded.Key.ToString());
        return new WalFetchResult
        {
            Name = file.Name,
            Destination = destination,
            Source = WalFetchSource.Archive,
            Key = downloaded.Key,
            Bytes = downloaded.Bytes,
            SegmentSize = downloaded.SegmentSize,
            Duration = watch.Elapsed,
        };
    }

    /// <returns>The segment's size when a prefetched file was taken, else null.</returns>
    private async ValueTask<WalSegmentSize?> TakePrefetchedAsync(
        WalFile file, string destination, CancellationToken cancellationToken)
    {
        if (file.Kind != WalFileKind.Segment)
        {
            return null;
        }

        var folder = new PrefetchFolder(options.PrefetchFolder ?? Path.GetDirectoryName(destination)!);
        var ready = folder.ReadyPath(file.Name);
        await WaitForRunningAsync(folder.RunningPath(file.Name), ready, cancellationToken).ConfigureAwait(false);
        if (!File.Exists(ready))
        {
            return null;
        }

        if (ProblemOf(file, ready, out var size) is { } problem)
        {
            // wal-g moves a download that broke off to the ready folder too.
            log.PrefetchedUnusable(file.Name, problem);
            File.Delete(ready);
            return null;
        }

        try
        {
            File.Move(ready, destination, overwrite: true);
            DurableFile.SyncFolder(Path.GetDirectoryName(destination)!);
            return size;
        }
        catch (FileNotFoundException)
        {
            // Another call took it first.
            return null;
        }
    }

    private static async ValueTask WaitForRunningAsync(string running, string ready, CancellationToken cancellationToken)
    {
        var lastLength = -1L;
        var lastGrowth = Stopwatch.GetTimestamp();
        while (!File.Exists(ready))
        {
            var info = new FileInfo(running);
            if (!info.Exists)
            {
                return;
            }

            if (info.Length != lastLength)
            {
                (lastLength, lastGrowth) = (info.Length, Stopwatch.GetTimestamp());
            }
            else if (Stopwatch.GetElapsedTime(lastGrowth) > StallLimit)
            {
                return;
            }

            await Task.Delay(PollInterval, cancellationToken).ConfigureAwait(false);
        }
    }

    private string? ProblemOf(WalFile file, string path, out WalSegmentSize? size)
    {
        using var handle = File.OpenHandle(path);
        Span<byte> first = stackalloc byte[WalSegmentCheck.HeaderBytes];
        var read = RandomAccess.Read(handle, first, 0);
        var problem = WalSegmentCheck.Problem(
            file.Segment!.Value, first[..read], RandomAccess.GetLength(handle), options.SegmentSize, out var header);
        size = problem is null ? WalSegmentSize.FromBytes(header.SegmentSizeBytes) : null;
        return problem;
    }
}
