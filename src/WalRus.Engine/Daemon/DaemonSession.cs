using WalRus.Wal;

namespace WalRus.Daemon;

/// <summary>One archive at work, from a start or reload to the next; released when the last request on it has ended.</summary>
internal sealed class DaemonSession : IDisposable
{
    private readonly object gate = new();
    private readonly TaskCompletionSource free = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource ending = new();
    private int requests;
    private bool isRetired;
    private int isPrefetching;

    public DaemonSession(DaemonArchive archive, DaemonFigures figures, IEventLog log)
    {
        Archive = archive;
        Uploader = new LookAheadUploader(archive.Push, archive.Patience, figures, log);
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

    /// <summary>Brings a file, and then in the background those that follow it.</summary>
    public async Task FetchAsync(string name, string destination, CancellationToken cancellationToken)
    {
        var fetched = await Archive.Fetch
            .RunAsync(new WalFetchRequest { Name = name, Destination = destination }, cancellationToken).ConfigureAwait(false);
        if (WalPrefetch.Follows(name, Archive.FetchOptions) && Interlocked.Exchange(ref isPrefetching, 1) == 0)
        {
            _ = Task.Run(() => PrefetchAsync(fetched), CancellationToken.None);
        }
    }

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

        await ending.CancelAsync().ConfigureAwait(false);
        await Uploader.DrainAsync(drainLimit).ConfigureAwait(false);

        // Every request has a deadline, so this ends.
        await free.Task.ConfigureAwait(false);
        await Archive.ReleaseAsync().ConfigureAwait(false);
    }

    public void Dispose() => ending.Dispose();

    private async Task PrefetchAsync(WalFetchResult fetched)
    {
        if (!TryEnter())
        {
            return;
        }

        try
        {
            await Archive.Prefetch
                .RunAsync(fetched.Name, fetched.Destination, fetched.SegmentSize, ending.Token).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is WalRusException or IOException or UnauthorizedAccessException or OperationCanceledException)
        {
            // Each segment is fetched when it is asked for, and then the failure is told.
        }
        finally
        {
            Volatile.Write(ref isPrefetching, 0);
            Leave();
        }
    }
}
