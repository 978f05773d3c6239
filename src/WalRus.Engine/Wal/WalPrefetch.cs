using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Streaming;

namespace WalRus.Wal;

/// <summary>
/// Brings the segments that follow one into the prefetch folder while PostgreSQL replays it. Stops at the first that the
/// archive does not hold. A download that fails leaves nothing (wal-g's leaves a file that looks complete).
/// </summary>
public sealed class WalPrefetch
{
    /// <summary>More at a time only share the same link and processor.</summary>
    internal const int MaxLanes = 4;

    private readonly WalFetchOptions options;
    private readonly WalDownload download;
    private readonly IEventLog log;

    public WalPrefetch(Archive archive, WalFetchOptions options, NativeBufferPool buffers, IEventLog log)
    {
        this.options = options;
        this.log = log;
        download = new WalDownload(archive, buffers, options.SegmentSize);
    }

    /// <summary>Whether a fetch of <paramref name="name"/> should be followed by a prefetch: it is a segment, and prefetching is on.</summary>
    public static bool Follows(string name, WalFetchOptions options) =>
        options.DownloadConcurrency > 1 && WalFileName.TryParse(name, out _);

    /// <param name="name">The segment that was asked for last.</param>
    /// <param name="destination">Where it went: the prefetch folder is beside it unless set otherwise.</param>
    /// <param name="segmentSize">The cluster's segment size when known; the setting's, else 16 MiB, otherwise.</param>
    /// <param name="cancellationToken">Stops the downloads; those under way leave nothing.</param>
    /// <returns>How many segments were brought.</returns>
    public async Task<int> RunAsync(
        string name, string destination, WalSegmentSize? segmentSize, CancellationToken cancellationToken)
    {
        var asked = WalFileName.Parse(name);
        var size = options.SegmentSize ?? segmentSize ?? WalSegmentSize.Default;
        var folder = new PrefetchFolder(options.PrefetchFolder ?? Path.GetDirectoryName(Path.GetFullPath(destination))!);
        folder.Create();
        folder.RemoveBefore(asked);

        using var limit = new Deadline(options.Deadline, cancellationToken);
        using var endReached = CancellationTokenSource.CreateLinkedTokenSource(limit.Token);
        var brought = 0;
        var parallel = new ParallelOptions
        {
            MaxDegreeOfParallelism = Math.Min(MaxLanes, options.DownloadConcurrency),
            CancellationToken = CancellationToken.None,
        };
        var following = Enumerable.Range(1, options.SegmentsAhead(size)).Select(step => asked.Next(size, (ulong)step));
        await Parallel.ForEachAsync(following, parallel, async (segment, _) =>
        {
            if (endReached.IsCancellationRequested)
            {
                return;
            }

            switch (await BringAsync(segment, folder, limit.Token).ConfigureAwait(false))
            {
                case PrefetchOutcome.Brought: Interlocked.Increment(ref brought); break;
                case PrefetchOutcome.NotInArchive: await endReached.CancelAsync().ConfigureAwait(false); break;
                default: break;
            }
        }).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        return brought;
    }

    /// <summary>Brings one segment into the folder. Whatever goes wrong is logged and leaves nothing.</summary>
    internal async ValueTask<PrefetchOutcome> BringAsync(
        WalFileName segment, PrefetchFolder folder, CancellationToken cancellationToken)
    {
        var file = WalFile.Parse(segment.ToString());
        var running = folder.RunningPath(file.Name);
        if (File.Exists(folder.ReadyPath(file.Name)) || Claim(running) is not { } target)
        {
            return PrefetchOutcome.Skipped;
        }

        try
        {
            await using (target.ConfigureAwait(false))
            {
                var found = await download.FindAsync(file, cancellationToken).ConfigureAwait(false);
                if (found is null)
                {
                    return PrefetchOutcome.NotInArchive;
                }

                await download.WriteAsync(file, found.Key, target, null, cancellationToken).ConfigureAwait(false);
            }

            File.Move(running, folder.ReadyPath(file.Name), overwrite: true);
            return PrefetchOutcome.Brought;
        }
        catch (Exception failure) when (
            failure is WalRusException or IOException or UnauthorizedAccessException or OperationCanceledException)
        {
            // Fetching the segment itself will meet the same failure and report it to PostgreSQL.
            log.PrefetchFailed(file.Name, failure.Message);
            return PrefetchOutcome.Failed;
        }
        finally
        {
            File.Delete(running);
        }
    }

    /// <summary>
    /// Makes the file that says this segment is on its way, and that a fetch watches growing; null when somebody else is
    /// at it. What a killed prefetch left is taken over after a while.
    /// </summary>
    private static FileStream? Claim(string running)
    {
        if (File.Exists(running) && File.GetLastWriteTimeUtc(running) < DateTime.UtcNow.AddMinutes(-10))
        {
            File.Delete(running);
        }

        try
        {
            return DurableFile.Create(running);
        }
        catch (IOException)
        {
            return null;
        }
    }
}

/// <summary>What came of prefetching one segment.</summary>
internal enum PrefetchOutcome
{
    Brought,

    /// <summary>It is there already, or somebody else is at it.</summary>
    Skipped,
    NotInArchive,

    /// <summary>The store or the disk failed, or it was cancelled.</summary>
    Failed,
}
