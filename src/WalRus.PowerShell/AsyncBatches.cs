namespace WalRus.Cmdlets;

/// <summary>
/// Takes a stream of the engine in small batches, so that the pipeline's thread writes each soon after it was found.
/// Disposing stops the stream, whatever it is doing.
/// </summary>
internal sealed class AsyncBatches<T> : IAsyncDisposable
{
    private const int MaxItems = 256;
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(100);

    private readonly CancellationTokenSource stop;
    private readonly IAsyncEnumerator<T> items;
    private Task<bool>? pending;

    public AsyncBatches(IAsyncEnumerable<T> source, CancellationToken cancellationToken)
    {
        stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        items = source.GetAsyncEnumerator(stop.Token);
    }

    /// <summary>What comes next, at least one item unless the stream is at its end: then null.</summary>
    public async Task<IReadOnlyList<T>?> NextAsync()
    {
        var batch = new List<T>();
        while (batch.Count < MaxItems)
        {
            pending ??= items.MoveNextAsync().AsTask();
            if (batch.Count > 0 && !pending.IsCompleted
                && await Task.WhenAny(pending, Task.Delay(Patience, stop.Token)).ConfigureAwait(false) != pending)
            {
                return batch;
            }

            if (!await pending.ConfigureAwait(false))
            {
                // Asked again, it says the same.
                return batch.Count > 0 ? batch : null;
            }

            pending = null;
            batch.Add(items.Current);
        }

        return batch;
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync().ConfigureAwait(false);
        await ((Task?)pending ?? Task.CompletedTask).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await items.DisposeAsync().ConfigureAwait(false);
        stop.Dispose();
    }
}
