using System.Diagnostics;

namespace WalRus.Streaming;

/// <summary>
/// Bytes that are collected before their number is known, in chunks of a <see cref="NativeBufferPool"/>: a small object
/// takes little and a large one no more than its claim. One writer; whoever sends the bytes holds a use of them, so that
/// disposing under a send which is still under way gives the memory back only when that has ended.
/// </summary>
public sealed class GrowingBuffer : IDisposable
{
    /// <summary>All chunks of a process have this size, so that each fits every buffer.</summary>
    public const int ChunkBytes = 256 * 1024;

    private readonly NativeBufferPool pool;
    private readonly GrowthClaim claim;
    private readonly List<NativeBuffer> chunks = [];
    private readonly object gate = new();
    private int uses = 1;
    private bool disposed;

    internal GrowingBuffer(NativeBufferPool pool, GrowthClaim claim)
    {
        this.pool = pool;
        this.claim = claim;
    }

    /// <summary>Bytes written.</summary>
    public int Length { get; private set; }

    public int ChunkCount => chunks.Count;

    /// <summary>Adds bytes, as many as the claim has room for; waits for memory while other buffers have it.</summary>
    public async ValueTask AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        while (!bytes.IsEmpty)
        {
            var used = Length % ChunkBytes;
            if (used == 0)
            {
                await pool.Growth.GrowAsync(claim, cancellationToken).ConfigureAwait(false);
                chunks.Add(pool.TakeChunk());
            }

            var count = Math.Min(bytes.Length, ChunkBytes - used);
            bytes.Span[..count].CopyTo(chunks[^1].GetSpan()[used..]);
            Length += count;
            bytes = bytes[count..];
        }
    }

    /// <summary>The written bytes of one chunk.</summary>
    public ReadOnlyMemory<byte> ChunkAt(int index) =>
        chunks[index].Memory[..Math.Min(ChunkBytes, Length - (index * ChunkBytes))];

    /// <summary>Nothing more will be written: what is left of the claim is for others.</summary>
    public void Seal() => pool.Growth.Seal(claim);

    /// <summary>
    /// Moves the first bytes, a multiple of the chunk's size, into a sealed buffer of their own; this one may then grow
    /// to as many.
    /// </summary>
    public GrowingBuffer TakeFirst(int bytes)
    {
        Debug.Assert(bytes % ChunkBytes == 0 && bytes <= Length, "whole chunks that are there");
        var count = bytes / ChunkBytes;
        var first = new GrowingBuffer(pool, pool.Growth.Split(claim, bytes)) { Length = bytes };
        first.chunks.AddRange(chunks[..count]);
        chunks.RemoveRange(0, count);
        Length -= bytes;
        return first;
    }

    /// <summary>Begins to use the bytes beside their owner. False when the owner has given them up.</summary>
    public bool TryUse()
    {
        lock (gate)
        {
            if (disposed)
            {
                return false;
            }

            uses++;
            return true;
        }
    }

    /// <summary>Ends what <see cref="TryUse"/> began.</summary>
    public void EndUse()
    {
        lock (gate)
        {
            if (--uses > 0)
            {
                return;
            }
        }

        foreach (var chunk in chunks)
        {
            ((IDisposable)chunk).Dispose();
        }

        chunks.Clear();
        pool.Growth.Close(claim);
    }

    /// <summary>Gives the owner's use up. The memory goes back at once, or when the last send has ended.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            if (disposed)
            {
                return;
            }

            disposed = true;
        }

        EndUse();
    }
}
