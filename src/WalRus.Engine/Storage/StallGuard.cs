namespace WalRus.Storage;

/// <summary>
/// A token that fires when nothing has moved for a time. Whoever sees a sign of life says so; so a request of any size
/// may take as long as it needs, and one that hangs at any byte ends.
/// </summary>
internal sealed class StallGuard : IDisposable
{
    private readonly CancellationTokenSource source = new();
    private readonly CancellationTokenRegistration registration;
    private readonly CancellationToken outer;
    private readonly TimeSpan limit;

    public StallGuard(TimeSpan limit, CancellationToken outer)
    {
        this.limit = limit;
        this.outer = outer;
        registration = outer.UnsafeRegister(static state => ((CancellationTokenSource)state!).Cancel(), source);
        source.CancelAfter(limit);
    }

    public CancellationToken Token => source.Token;

    /// <summary>True when it was the time that ended it, not the caller.</summary>
    public bool HasStalled => source.IsCancellationRequested && !outer.IsCancellationRequested;

    public TimeSpan Limit => limit;

    /// <summary>Bytes moved: the time starts anew.</summary>
    public void Moved()
    {
        try
        {
            source.CancelAfter(limit);
        }
        catch (ObjectDisposedException)
        {
            // An HTTP stack that still reads a body nobody waits for any more.
        }
    }

    public void Dispose()
    {
        registration.Dispose();
        source.Dispose();
    }
}
