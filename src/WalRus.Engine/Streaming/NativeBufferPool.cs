using System.Buffers;
using System.Runtime.InteropServices;

namespace WalRus.Streaming;

/// <summary>
/// All large data buffers of a process come from here: native memory, outside the managed heap, under one budget.
/// A rent that would pass the budget waits until buffers come back, so memory is bounded however much work is queued.
/// Freed buffers of a size are kept for the next rent of that size.
/// </summary>
public sealed class NativeBufferPool : IDisposable
{
    private readonly object gate = new();
    private readonly Dictionary<int, Stack<nint>> idle = [];
    private readonly LinkedList<Waiter> waiters = new();
    private long allocatedBytes;
    private long rentedBytes;
    private bool disposed;

    /// <param name="budgetBytes">The most bytes rented at any time; a single rent may not ask for more.</param>
    public NativeBufferPool(long budgetBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(budgetBytes);
        BudgetBytes = budgetBytes;
    }

    public long BudgetBytes { get; }

    /// <summary>Bytes handed out now.</summary>
    public long RentedBytes
    {
        get
        {
            lock (gate)
            {
                return rentedBytes;
            }
        }
    }

    /// <summary>Rents a buffer of exactly <paramref name="sizeBytes"/>, its content undefined; waits while the budget is used up.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The size alone passes the budget: it could never be given.</exception>
    public ValueTask<NativeBuffer> RentAsync(int sizeBytes, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sizeBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sizeBytes, BudgetBytes);
        cancellationToken.ThrowIfCancellationRequested();
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            if (waiters.Count == 0 && rentedBytes + sizeBytes <= BudgetBytes)
            {
                return ValueTask.FromResult(Take(sizeBytes));
            }

            // First come, first served: a large rent is not starved by small ones.
            var waiter = new Waiter(sizeBytes);
            var node = waiters.AddLast(waiter);
            waiter.Registration = cancellationToken.UnsafeRegister(static (state, token) =>
            {
                var (pool, node) = ((NativeBufferPool, LinkedListNode<Waiter>))state!;
                pool.Cancel(node, token);
            }, (this, node));
            return new ValueTask<NativeBuffer>(waiter.Task);
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            disposed = true;
            FreeIdle();
        }
    }

    internal unsafe void Return(nint pointer, int sizeBytes)
    {
        List<(Waiter Waiter, NativeBuffer Buffer)>? served = null;
        lock (gate)
        {
            rentedBytes -= sizeBytes;
            if (disposed)
            {
                NativeMemory.Free((void*)pointer);
                allocatedBytes -= sizeBytes;
            }
            else
            {
                StackFor(sizeBytes).Push(pointer);
            }

            while (waiters.First is { } first && rentedBytes + first.Value.SizeBytes <= BudgetBytes)
            {
                waiters.RemoveFirst();
                (served ??= []).Add((first.Value, Take(first.Value.SizeBytes)));
            }
        }

        foreach (var (waiter, buffer) in served ?? [])
        {
            waiter.Registration.Dispose();
            if (!waiter.TrySetResult(buffer))
            {
                ((IDisposable)buffer).Dispose();
            }
        }
    }

    private void Cancel(LinkedListNode<Waiter> node, CancellationToken token)
    {
        lock (gate)
        {
            if (node.List is not null)
            {
                waiters.Remove(node);
            }
        }

        node.Value.TrySetCanceled(token);
    }

    private Stack<nint> StackFor(int sizeBytes)
    {
        if (!idle.TryGetValue(sizeBytes, out var stack))
        {
            idle[sizeBytes] = stack = new Stack<nint>();
        }

        return stack;
    }

    private unsafe NativeBuffer Take(int sizeBytes)
    {
        rentedBytes += sizeBytes;
        if (!StackFor(sizeBytes).TryPop(out var pointer))
        {
            // Idle buffers of other sizes count against the budget too: memory held is what is bounded.
            if (allocatedBytes + sizeBytes > BudgetBytes)
            {
                FreeIdle();
            }

            pointer = (nint)NativeMemory.Alloc((nuint)sizeBytes);
            allocatedBytes += sizeBytes;
        }

        return new NativeBuffer(this, pointer, sizeBytes);
    }

    private unsafe void FreeIdle()
    {
        foreach (var (size, stack) in idle)
        {
            while (stack.TryPop(out var pointer))
            {
                NativeMemory.Free((void*)pointer);
                allocatedBytes -= size;
            }
        }
    }

    private sealed class Waiter(int sizeBytes)
        : TaskCompletionSource<NativeBuffer>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public int SizeBytes { get; } = sizeBytes;

        public CancellationTokenRegistration Registration { get; set; }
    }
}

/// <summary>A rented native buffer; disposing gives it back to its pool.</summary>
public sealed unsafe class NativeBuffer : MemoryManager<byte>
{
    private readonly NativeBufferPool pool;
    private readonly int sizeBytes;
    private nint pointer;

    internal NativeBuffer(NativeBufferPool pool, nint pointer, int sizeBytes)
    {
        this.pool = pool;
        this.pointer = pointer;
        this.sizeBytes = sizeBytes;
    }

    public int SizeBytes => sizeBytes;

    public override Span<byte> GetSpan()
    {
        ObjectDisposedException.ThrowIf(pointer == 0, this);
        return new Span<byte>((void*)pointer, sizeBytes);
    }

    public override MemoryHandle Pin(int elementIndex = 0)
    {
        ObjectDisposedException.ThrowIf(pointer == 0, this);
        return new MemoryHandle((byte*)pointer + elementIndex);
    }

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
        var given = Interlocked.Exchange(ref pointer, 0);
        if (given != 0)
        {
            pool.Return(given, sizeBytes);
        }
    }
}
