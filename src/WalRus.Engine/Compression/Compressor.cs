namespace WalRus.Compression;

/// <summary>
/// The compressing state of one stream: bytes in, bytes out, no I/O. <see cref="CompressingStream"/> moves the bytes.
/// Owns native memory, which its finalizer frees when it was forgotten.
/// </summary>
internal abstract class Compressor : IPooledContext
{
    /// <summary>How much free output each call needs: at most half a buffer, or most of a large one.</summary>
    public virtual int OutputBytesNeeded => 1;

    /// <summary>Whether the output is a large <see cref="Streaming.StreamBuffer"/>.</summary>
    public virtual bool NeedsLargeOutput => false;

    /// <summary>Begins a stream, whatever happened before.</summary>
    public abstract void Begin();

    /// <summary>Takes some of the input and gives some output; either count may be 0, but not both.</summary>
    public abstract void Compress(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written);

    /// <summary>Gives the rest of the output. True once all of it was given; otherwise call again with free output.</summary>
    public abstract bool Finish(Span<byte> output, out int written);

    /// <summary>Whether the state can be used again and is small enough to be kept for it.</summary>
    public virtual bool IsWorthKeeping => true;

    public abstract void Dispose();
}
