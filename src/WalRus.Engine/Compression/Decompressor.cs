namespace WalRus.Compression;

/// <summary>
/// The decompressing state of one stream: bytes in, bytes out, no I/O. <see cref="DecompressingStream"/> moves the bytes.
/// Owns native memory, which its finalizer frees when it was forgotten.
/// </summary>
internal abstract class Decompressor : IPooledContext
{
    /// <summary>The method's name in messages.</summary>
    public abstract string Method { get; }

    /// <summary>Whether another frame may follow the first, its data continuing the first's.</summary>
    public abstract bool TakesManyFrames { get; }

    /// <summary>Begins a stream, whatever happened before.</summary>
    public abstract void Begin();

    /// <summary>
    /// Takes some of the input and gives some output. True exactly when a frame ended with the last byte consumed and
    /// all of its output was given; the next call then begins another frame.
    /// </summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>.</exception>
    public abstract bool Decompress(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written);

    /// <summary>Whether the state can be used again and is small enough to be kept for it.</summary>
    public virtual bool IsWorthKeeping => true;

    public abstract void Dispose();
}
