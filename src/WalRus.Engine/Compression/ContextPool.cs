using System.Collections.Concurrent;

namespace WalRus.Compression;

/// <summary>Keeps the native contexts of as many lanes as are usual between streams, so that a daemon's memory does not move with each segment.</summary>
internal sealed class ContextPool<T>(Func<T> create)
    where T : class, IPooledContext
{
    private const int KeptAtMost = 16;
    private readonly ConcurrentStack<T> kept = new();
    private int keptCount;

    public T Rent()
    {
        if (!kept.TryPop(out var context))
        {
            return create();
        }

        Interlocked.Decrement(ref keptCount);
        return context;
    }

    public void Return(T context)
    {
        if (context.IsWorthKeeping)
        {
            if (Interlocked.Increment(ref keptCount) <= KeptAtMost)
            {
                kept.Push(context);
                return;
            }

            Interlocked.Decrement(ref keptCount);
        }

        context.Dispose();
    }

    /// <summary>Frees what is kept; streams that are open are not touched.</summary>
    public void Clear()
    {
        while (kept.TryPop(out var context))
        {
            Interlocked.Decrement(ref keptCount);
            context.Dispose();
        }
    }
}

/// <summary>What a <see cref="ContextPool{T}"/> keeps.</summary>
internal interface IPooledContext : IDisposable
{
    /// <summary>Whether the state can be used again and is small enough to be kept for it.</summary>
    bool IsWorthKeeping { get; }
}
