namespace WalRus.Storage.S3;

/// <summary>
/// A request's body over memory that stays the writer's, so that it can be sent again. Each read tells the guard that the
/// request moves. Disposing takes the memory away: an HTTP stack that is still busy with a request which was given up
/// can then no longer reach a buffer that others may have by now.
/// </summary>
/// <param name="content">The bytes.</param>
/// <param name="contentSha256">
/// Their hash in lower-case hex for the signature, so that the SDK neither reads them twice nor cuts them into signed
/// chunks; null when TLS protects them.
/// </param>
/// <param name="guard">Ends a request that hangs.</param>
internal sealed class BodyStream(ReadOnlyMemory<byte> content, string? contentSha256, StallGuard guard) : Stream
{
    private readonly object gate = new();
    private int position;
    private bool revoked;

    public string? ContentSha256 => contentSha256;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => content.Length;

    public override long Position
    {
        get => position;
        set => position = checked((int)value);
    }

    public override int Read(Span<byte> buffer)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(revoked, this);
            guard.Moved();
            var count = Math.Min(buffer.Length, content.Length - position);
            content.Span.Slice(position, count).CopyTo(buffer);
            position += count;
            return count;
        }
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(Read(buffer.Span));
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override long Seek(long offset, SeekOrigin origin)
    {
        Position = origin switch
        {
            SeekOrigin.Begin => offset,
            SeekOrigin.Current => position + offset,
            _ => content.Length + offset,
        };
        return position;
    }

    public override void Flush()
    {
    }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        lock (gate)
        {
            revoked = true;
        }

        base.Dispose(disposing);
    }
}
