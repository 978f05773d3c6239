using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace WalRus.Streaming;

/// <summary>
/// The working buffer of one codec or encryption stream: 128 KiB of native memory. A rent never waits, since a stream
/// that waited for the buffer of the stream behind it could wait for ever; how many exist follows from how many
/// streams are open, which the lanes bound. A few given back are kept for the next streams.
/// </summary>
internal sealed unsafe class StreamBuffer : MemoryManager<byte>
{
    public const int SizeBytes = 128 * 1024;

    private Block? block;

    private StreamBuffer(Block block) => this.block = block;

    public static StreamBuffer Rent() => new(Block.Take());

    public override Span<byte> GetSpan() => new((void*)Held.Pointer, SizeBytes);

    public override MemoryHandle Pin(int elementIndex = 0) => new((byte*)Held.Pointer + elementIndex);

    public override void Unpin()
    {
    }

    /// <summary>Gives the buffer back. Wipe it first if it held what nobody else may see.</summary>
    public void Release() => Dispose(true);

    protected override void Dispose(bool disposing) => Interlocked.Exchange(ref block, null)?.Give();

    private Block Held => block ?? throw new ObjectDisposedException(nameof(StreamBuffer));

    /// <summary>
    /// The memory itself. Freed when it is collected, so that a stream nobody disposed loses nothing; a stream in use
    /// holds its buffer, so no span outlives it.
    /// </summary>
    private sealed class Block
    {
        private const int KeptAtMost = 16;
        private static readonly ConcurrentStack<Block> Kept = new();
        private static int keptCount;

        private Block() => Pointer = (nint)NativeMemory.Alloc(SizeBytes);

        ~Block() => NativeMemory.Free((void*)Pointer);

        public nint Pointer { get; }

        public static Block Take()
        {
            if (!Kept.TryPop(out var block))
            {
                return new Block();
            }

            Interlocked.Decrement(ref keptCount);
            return block;
        }

        public void Give()
        {
            if (Interlocked.Increment(ref keptCount) <= KeptAtMost)
            {
                Kept.Push(this);
                return;
            }

            Interlocked.Decrement(ref keptCount);
            GC.SuppressFinalize(this);
            NativeMemory.Free((void*)Pointer);
        }
    }
}
