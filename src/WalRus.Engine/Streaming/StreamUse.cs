namespace WalRus.Streaming;

/// <summary>
/// Guards what a stream owns against being freed under a call that is still running: disposing while a read or write
/// is under way (a cancelled lane) defers the release to the end of that call. A mutable struct: never copy it.
/// </summary>
internal struct StreamUse
{
    private const int Idle = 0;
    private const int Busy = 1;
    private const int Disposed = 2;
    private const int BusyDisposed = 3;
    private int state;

    /// <summary>Begins a call.</summary>
    /// <exception cref="ObjectDisposedException">The stream was disposed.</exception>
    /// <exception cref="InvalidOperationException">Another call is under way.</exception>
    public void Enter(object stream)
    {
        var previous = Interlocked.CompareExchange(ref state, Busy, Idle);
        ObjectDisposedException.ThrowIf(previous is Disposed or BusyDisposed, stream);
        if (previous == Busy)
        {
            throw new InvalidOperationException("Another call on this stream is still under way.");
        }
    }

    /// <summary>Ends a call. True: the stream was disposed meanwhile and the caller releases what it owns.</summary>
    public bool Exit()
    {
        if (Interlocked.CompareExchange(ref state, Idle, Busy) == Busy)
        {
            return false;
        }

        state = Disposed;
        return true;
    }

    /// <summary>Marks the stream disposed. True: no call is under way and the caller releases what it owns.</summary>
    public bool Dispose()
    {
        while (true)
        {
            switch (Volatile.Read(ref state))
            {
                case Idle when Interlocked.CompareExchange(ref state, Disposed, Idle) == Idle:
                    return true;
                case Busy when Interlocked.CompareExchange(ref state, BusyDisposed, Busy) == Busy:
                case Disposed or BusyDisposed:
                    return false;
            }
        }
    }
}
