using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace WalRus.Streaming;

/// <summary>
/// The working buffer of one codec or encryption stream: 128 KiB of native memory, or 320 KiB for a codec with large
/// blocks. A rent never waits, since a stream that waited for the buffer of the stream behind it could wait for ever; how
/// many exist follows from how many streams are open, which the lanes bound. A few given back are kept for the next streams.
/// </summary>
internal sealed unsafe class StreamBuffer : MemoryManager<byte>
{
    public const int SizeBytes = 128 * 1024;
    public const int LargeBytes = 320 * 1024;

    private static readonly Shelf Usual = new(SizeBytes);
    private static readonly Shelf Large = new(LargeBytes);

    private Block? block;

    private StreamBuffer(Block block) => this.block = block;

    public static StreamBuffer Rent() => new(Usual.Take());

    public static StreamBuffer RentLarge() => new(Large.Take());

    /// <summary>Frees what is kept for the next streams.</summary>
    public static void ReleaseIdle()
    {
        Usual.Clear();
        Large.Clear();
    }

    public override Span<byte> GetSpan() => new((void*)Held.Pointer, Held.Shelf.Bytes);

    public override MemoryHandle Pin(int elementIndex = 0) => new((byte*)Held.Pointer + elementIndex);

    public override void Unpin()
    {
    }

    /// <summary>Gives the buffer back. Wipe it first if it held what nobody else may see.</summary>
    public void Release() => Dispose(true);

    protected override void Dispose(bool disposing)
    {
        if (Interlocked.Exchange(ref block, null) is { } given)
        {
            given.Shelf.Give(given);
        }
    }

    private Block Held => block ?? throw new ObjectDisposedException(nameof(StreamBuffer));

    /// <summary>
    /// The memory itself. Freed when it is collected, so that a stream nobody disposed loses nothing; a stream in use
    /// holds its buffer, so no span outlives it.
    /// </summary>
    private sealed class Block(Shelf shelf)
    {
        ~Block() => NativeMemory.Free((void*)Pointer);

        public nint Pointer { get; } = (nint)NativeMemory.Alloc((nuint)shelf.Bytes);

        public Shelf Shelf => shelf;
    }

    /// <summary>Blocks of one size that are kept.</summary>
    private sealed class Shelf(int bytes)
    {
        private const int KeptAtMost = 32;
        private readonly ConcurrentStack<Block> kept = new();
        private int keptCount;

        public int Bytes => bytes;

        public Block Take()
        {
            if (!kept.TryPop(out var block))
            {
                return new Block(this);
            }

            Interlocked.Decrement(ref keptCount);
            return block;
        }

        public void Give(Block block)
        {
            if (Interlocked.Increment(ref keptCount) <= KeptAtMost)
            {
                kept.Push(block);
                return;
            }

            Interlocked.Decrement(ref keptCount);
            Free(block);
        }

        public void Clear()
        {
            while (kept.TryPop(out var block))
            {
                Interlocked.Decrement(ref keptCount);
                Free(block);
            }
        }

        private static void Free(Block block)
        {
            GC.SuppressFinalize(block);
            NativeMemory.Free((void*)block.Pointer);
        }
    }
}
