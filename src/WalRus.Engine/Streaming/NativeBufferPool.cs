using System.Buffers;
using System.Runtime.InteropServices;

namespace WalRus.Streaming;

/// <summary>
/// All large data buffers of a process come from here: native memory, outside the managed heap.
/// <list type="bullet">
/// <item>Working buffers, a few for each lane, are given at once: a lane that holds one must never wait for another's.</item>
/// <item><see cref="GrowingBuffer"/>s hold what is on its way to a store: all together no more than the budget, so memory
/// is bounded however much work is queued.</item>
/// </list>
/// Freed buffers are kept for the next rent of their size.
/// </summary>
public sealed class NativeBufferPool : IDisposable
{
    /// <summary>The largest working buffer.</summary>
    public const int WorkingBytes = 256 * 1024;

    private readonly object gate = new();
    private readonly Dictionary<int, Stack<nint>> idle = [];
    private long allocatedBytes;
    private long rentedBytes;
    private bool disposed;

    /// <param name="budgetBytes">The most bytes of all growing buffers together; only one that is alone may pass it.</param>
    public NativeBufferPool(long budgetBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(budgetBytes);
        BudgetBytes = budgetBytes;
        Growth = new GrowthBudget(budgetBytes, GrowingBuffer.ChunkBytes);
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

    internal GrowthBudget Growth { get; }

    /// <summary>Rents a working buffer of exactly <paramref name="sizeBytes"/>, its content undefined.</summary>
    /// <exception cref="ArgumentOutOfRangeException">More than <see cref="WorkingBytes"/>.</exception>
    public ValueTask<NativeBuffer> RentAsync(int sizeBytes, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sizeBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sizeBytes, WorkingBytes);
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(Take(sizeBytes));
    }

    /// <summary>Begins a buffer that takes memory as it fills.</summary>
    /// <param name="claimBytes">
    /// The most it will ever hold, rounded up to whole chunks. More than the budget is given while no other buffer holds any.
    /// </param>
    public GrowingBuffer OpenGrowing(int claimBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(claimBytes);
        var chunks = ((claimBytes - 1) / GrowingBuffer.ChunkBytes) + 1;
        return new GrowingBuffer(this, new GrowthClaim(chunks * GrowingBuffer.ChunkBytes));
    }

    /// <summary>Gives the memory of buffers that nobody uses back to the system, as after a burst of work.</summary>
    public void ReleaseIdle()
    {
        lock (gate)
        {
            FreeIdle();
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

    /// <summary>A chunk that <see cref="Growth"/> has allowed.</summary>
    internal NativeBuffer TakeChunk() => Take(GrowingBuffer.ChunkBytes);

    internal unsafe void Return(nint pointer, int sizeBytes)
    {
        lock (gate)
        {
            rentedBytes -= sizeBytes;
            if (!disposed)
            {
                StackFor(sizeBytes).Push(pointer);
                return;
            }

            NativeMemory.Free((void*)pointer);
            allocatedBytes -= sizeBytes;
        }
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
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
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
