using WalRus.Postgres;
using WalRus.Wal;

namespace WalRus.Daemon;

/// <summary>
/// Fetches what a replay asks for, and meanwhile the segments it will ask for next: <c>WALG_DOWNLOAD_CONCURRENCY</c> of them
/// within <c>WALRUS_PREFETCH_BYTES</c> of disk, a few at a time, in order. They wait in the prefetch folder, as those of
/// <see cref="WalPrefetch"/> do, and are checked when they are asked for.
/// </summary>
/// <remarks>
/// The window of segments ahead moves with each segment asked for. Where the replay jumps (another timeline, a restart of
/// the server) downloads outside the new window are cancelled and files outside it removed. At the end of the archive the
/// next segment is looked for at intervals while the replay keeps asking. Safe to use from many threads, for one replay.
/// </remarks>
internal sealed class LookAheadFetcher : IAsyncDisposable
{
    private readonly object gate = new();
    private readonly WalFetch fetch;
    private readonly WalPrefetch prefetch;
    private readonly WalFetchOptions options;
    private readonly LookAheadFetchOptions patience;
    private readonly IEventLog log;
    private readonly ITimer timer;
    private readonly Dictionary<WalFileName, Download> downloads = [];
    private FetchWindow? window;

    /// <summary>What somebody else is bringing; looked at again at the next tick.</summary>
    private readonly HashSet<WalFileName> skipped = [];

    /// <summary>The first that the archive does not hold.</summary>
    private WalFileName? missing;
    private bool isPaused;
    private bool isStopped;
    private long lastRequest;

    public LookAheadFetcher(
        WalFetch fetch, WalPrefetch prefetch, WalFetchOptions options, LookAheadFetchOptions patience, IEventLog log)
    {
        (this.fetch, this.prefetch, this.options, this.patience, this.log) = (fetch, prefetch, options, patience, log);
        timer = patience.Time.CreateTimer(_ => Tick(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Brings one file, as <see cref="WalFetch.RunAsync"/> does and with its errors.</summary>
    public async Task<WalFetchResult> FetchAsync(string name, string destination, CancellationToken cancellationToken)
    {
        var request = new WalFetchRequest { Name = name, Destination = destination };
        if (!WalPrefetch.Follows(name, options))
        {
            return await fetch.RunAsync(request, cancellationToken).ConfigureAwait(false);
        }

        var segment = WalFileName.Parse(name);
        Expect(segment);
        try
        {
            var fetched = await FetchAsync(request, cancellationToken).ConfigureAwait(false);
            Follow(segment, fetched);
            return fetched;
        }
        catch (WalRusException notThere) when (notThere.Code == ErrorCode.WalSegmentNotFound)
        {
            Miss(segment);
            throw;
        }
    }

    /// <summary>What waits for later must not keep out what is needed now.</summary>
    private async Task<WalFetchResult> FetchAsync(WalFetchRequest request, CancellationToken cancellationToken)
    {
        try
        {
            return await fetch.RunAsync(request, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException full) when (full.Code == ErrorCode.DiskFull && Volatile.Read(ref window) is not null)
        {
            await MakeRoomAsync().ConfigureAwait(false);
            return await fetch.RunAsync(request, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Gives up all that was fetched ahead, until the next tick.</summary>
    private async Task MakeRoomAsync()
    {
        Task[] ending;
        FetchWindow? current;
        lock (gate)
        {
            isPaused = true;
            current = window;
            ending = [.. downloads.Values.Select(download => download.Cancel())];
        }

        await Task.WhenAll(ending).ConfigureAwait(false);
        current?.RemoveAll(log);
    }

    /// <summary>Cancels what is under way and removes what waits.</summary>
    public async ValueTask DisposeAsync()
    {
        Task[] ending;
        FetchWindow? last;
        lock (gate)
        {
            isStopped = true;
            (last, window) = (window, null);
            ending = [.. downloads.Values.Select(download => download.Cancel())];
        }

        await timer.DisposeAsync().ConfigureAwait(false);
        await Task.WhenAll(ending).ConfigureAwait(false);
        last?.RemoveAll(log);
        last?.RemoveFolders(log);
    }

    /// <summary>The replay asks for a segment: if it is one that was foreseen, those after it can be begun at once.</summary>
    private void Expect(WalFileName segment)
    {
        lock (gate)
        {
            lastRequest = patience.Time.GetTimestamp();
            if (window is { } current && current.Holds(segment))
            {
                window = current with { First = segment.Next(current.Size) };
                Pump();
            }
        }
    }

    /// <summary>The replay has a segment: the window lies behind it, wherever it was before.</summary>
    private void Follow(WalFileName segment, WalFetchResult fetched)
    {
        var size = options.SegmentSize ?? fetched.SegmentSize ?? WalSegmentSize.Default;
        var next = new FetchWindow(
            segment.Next(size),
            options.SegmentsAhead(size),
            size,
            options.PrefetchFolder ?? Path.GetDirectoryName(fetched.Destination)!);
        FetchWindow? left = null;
        lock (gate)
        {
            if (isStopped)
            {
                return;
            }

            if (window is { } before && before.Folder != next.Folder)
            {
                left = before;
            }

            if (missing is { } absent && !next.Holds(absent))
            {
                missing = null;
            }

            window = next;
            foreach (var (name, download) in downloads)
            {
                if (!next.Holds(name))
                {
                    _ = download.Cancel();
                }
            }
        }

        left?.RemoveAll(log);
        next.RemoveOutside(log);
        lock (gate)
        {
            Pump();
            Arm();
        }
    }

    /// <summary>The archive does not hold what the replay asks for: look for it now and then, so that it is here when it asks again.</summary>
    private void Miss(WalFileName segment)
    {
        lock (gate)
        {
            if (window is { } current && segment.Next(current.Size) == current.First)
            {
                window = current with { First = segment };
                missing = segment;
                Arm();
            }
        }
    }

    /// <summary>Starts what may be started. Call with the gate held.</summary>
    private void Pump()
    {
        if (isStopped || isPaused || window is not { } current)
        {
            return;
        }

        var lanes = Math.Min(WalPrefetch.MaxLanes, options.DownloadConcurrency);
        foreach (var segment in current.Segments())
        {
            if (downloads.Count >= lanes || segment == missing)
            {
                return;
            }

            if (!downloads.ContainsKey(segment) && !skipped.Contains(segment) && !current.HasReady(segment))
            {
                var download = new Download();
                downloads.Add(segment, download);
                download.Run(cancel => BringAsync(segment, current, cancel));
            }
        }
    }

    private async Task BringAsync(WalFileName segment, FetchWindow from, CancellationToken cancellationToken)
    {
        var outcome = PrefetchOutcome.Failed;
        try
        {
            outcome = await prefetch.BringAsync(segment, from.Create(), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            log.PrefetchFailed(segment.ToString(), failure.Message);
        }
        finally
        {
            Ended(segment, from, outcome, cancellationToken.IsCancellationRequested);
        }
    }

    private void Ended(WalFileName segment, FetchWindow from, PrefetchOutcome outcome, bool isCancelled)
    {
        bool isWanted;
        lock (gate)
        {
            downloads.Remove(segment);
            isWanted = !isStopped && window is { } current && current.Folder == from.Folder && current.Holds(segment);
            switch (outcome)
            {
                case PrefetchOutcome.NotInArchive when isWanted && (missing is not { } known || segment < known):
                    missing = segment;
                    break;
                case PrefetchOutcome.Failed when !isCancelled:
                    // The store or the disk is in trouble: not again before the next tick.
                    isPaused = true;
                    break;
                case PrefetchOutcome.Skipped:
                    skipped.Add(segment);
                    break;
                default:
                    break;
            }

            Pump();
        }

        // Asked for while it was on its way and fetched otherwise, or passed by: nobody will take it any more.
        if (outcome == PrefetchOutcome.Brought && !isWanted && !IsAskedFor(segment))
        {
            from.Remove(segment, log);
        }
    }

    /// <summary>The segment right before the window may be on its way to the replay from the prefetch folder just now.</summary>
    private bool IsAskedFor(WalFileName segment)
    {
        lock (gate)
        {
            return !isStopped && window is { } current && segment.Next(current.Size) == current.First;
        }
    }

    private void Tick()
    {
        FetchWindow? abandoned = null;
        lock (gate)
        {
            if (isStopped)
            {
                return;
            }

            isPaused = false;
            skipped.Clear();
            var quiet = patience.Time.GetElapsedTime(lastRequest);
            if (quiet >= patience.IdleLimit)
            {
                (abandoned, window, missing) = (window, null, null);
                foreach (var download in downloads.Values)
                {
                    _ = download.Cancel();
                }
            }
            else
            {
                missing = quiet < patience.FollowLimit ? null : missing;
                Pump();
                Arm();
            }
        }

        abandoned?.RemoveAll(log);
    }

    private void Arm() => timer.Change(patience.PollInterval, Timeout.InfiniteTimeSpan);

    /// <summary>One segment on its way.</summary>
    private sealed class Download
    {
        private readonly CancellationTokenSource cancel = new();
        private Task running = Task.CompletedTask;

        public void Run(Func<CancellationToken, Task> work) => running = Task.Run(() => work(cancel.Token), CancellationToken.None);

        /// <summary>Does not wait: what ends at once would come back for the gate.</summary>
        public Task Cancel()
        {
            _ = cancel.CancelAsync();
            return running;
        }
    }
}
