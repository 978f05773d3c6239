using WalRus.Wal;

namespace WalRus.Daemon;

/// <summary>One archive at work, from a start or reload to the next; released when the last request on it has ended.</summary>
internal sealed class DaemonSession
{
    private readonly object gate = new();
    private readonly TaskCompletionSource free = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly LookAheadFetcher fetcher;
    private int requests;
    private bool isRetired;

    public DaemonSession(DaemonArchive archive, DaemonFigures figures, IEventLog log)
    {
        Archive = archive;
        Uploader = new LookAheadUploader(archive.Push, archive.Patience, figures, log);
        fetcher = new LookAheadFetcher(
            archive.Fetch, archive.Prefetch, archive.FetchOptions, new LookAheadFetchOptions { Time = archive.Patience.Time }, log);
    }

    public DaemonArchive Archive { get; }

    public LookAheadUploader Uploader { get; }

    /// <summary>False when a newer session has taken over; else <see cref="Leave"/> must follow.</summary>
    public bool TryEnter()
    {
        lock (gate)
        {
            requests += isRetired ? 0 : 1;
            return !isRetired;
        }
    }

    public void Leave()
    {
        lock (gate)
        {
            requests--;
            if (requests == 0 && isRetired)
            {
                free.TrySetResult();
            }
        }
    }

    /// <summary>Brings a file, and in the background those that follow it.</summary>
    public Task<WalFetchResult> FetchAsync(string name, string destination, CancellationToken cancellationToken) =>
        fetcher.FetchAsync(name, destination, cancellationToken);

    /// <summary>Takes no new request, finishes those under way, then releases the archive.</summary>
    /// <param name="drainLimit">How long uploads that nobody waits for may go on.</param>
    public async Task RetireAsync(TimeSpan drainLimit)
    {
        lock (gate)
        {
            isRetired = true;
            if (requests == 0)
            {
                free.TrySetResult();
            }
        }

        // Nobody will ask for what was fetched ahead; a request under way fetches for itself.
        await fetcher.DisposeAsync().ConfigureAwait(false);
        await Uploader.DrainAsync(drainLimit).ConfigureAwait(false);

        // Every request has a deadline, so this ends.
        await free.Task.ConfigureAwait(false);
        await Archive.ReleaseAsync().ConfigureAwait(false);
    }
}
