namespace WalRus.Streaming;

/// <summary>A cancellation token that also fires when a time is up, and can tell which of the two it was.</summary>
public sealed class Deadline : IDisposable
{
    private readonly CancellationToken outer;
    private readonly CancellationTokenSource timer;
    private readonly CancellationTokenSource linked;

    public Deadline(TimeSpan limit, CancellationToken outer)
        : this(limit, TimeProvider.System, outer)
    {
    }

    public Deadline(TimeSpan limit, TimeProvider time, CancellationToken outer)
    {
        this.outer = outer;
        timer = new CancellationTokenSource(limit, time);
        linked = CancellationTokenSource.CreateLinkedTokenSource(outer, timer.Token);
    }

    public CancellationToken Token => linked.Token;

    /// <summary>True when the time is up and the caller did not cancel.</summary>
    public bool HasPassed => timer.IsCancellationRequested && !outer.IsCancellationRequested;

    public void Dispose()
    {
        linked.Dispose();
        timer.Dispose();
    }
}
