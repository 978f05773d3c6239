namespace WalRus.Streaming;

/// <summary>
/// A write-only stream whose end must be told: what was written counts only once <see cref="CompleteAsync"/> returns.
/// Disposing without completing abandons it: a codec frees its context without writing a trailer, an object never
/// becomes visible. So every path but the successful one (exception, cancellation, early return) leaves nothing behind.
/// </summary>
/// <remarks>
/// Ownership: completing or disposing an <see cref="OutputStream"/> that wraps another stream never completes or
/// disposes the inner one, unless the constructor of that class says so. Write calls are not concurrent.
/// </remarks>
public abstract class OutputStream : Stream
{
    public sealed override bool CanRead => false;

    public sealed override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>
    /// Ends the stream: trailers are written, data is durable at the other end. Called once; no write may follow.
    /// After an exception the stream can only be disposed.
    /// </summary>
    public abstract ValueTask CompleteAsync(CancellationToken cancellationToken);

    public abstract override ValueTask WriteAsync(
        ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default);

    public sealed override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>Blocks on the asynchronous write: the engine itself writes asynchronously only.</summary>
    public override void Write(byte[] buffer, int offset, int count) =>
        WriteAsync(buffer.AsMemory(offset, count), CancellationToken.None).AsTask().GetAwaiter().GetResult();

    /// <summary>Does nothing: only completing makes data durable, and codecs decide their own block sizes.</summary>
    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public sealed override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public sealed override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public sealed override void SetLength(long value) => throw new NotSupportedException();
}
