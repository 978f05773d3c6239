using System.Runtime.CompilerServices;
using WalRus.Streaming;

namespace WalRus.Storage;

/// <summary>One connection's worth of an object's bytes.</summary>
/// <param name="Content">The bytes from where it was opened.</param>
/// <param name="Owner">What to dispose to end the connection.</param>
internal readonly record struct ObjectBody(Stream Content, IDisposable Owner);

/// <summary>Where a <see cref="ResumingReadStream"/> gets its bytes.</summary>
internal interface IResumableSource
{
    /// <summary>"Reading 'x'", for the log and errors.</summary>
    string Operation { get; }

    /// <summary>
    /// Opens the same object again at a byte of it, with retries of its own; fails with
    /// <see cref="ErrorCode.ObjectCorrupt"/> when it is no longer the same.
    /// </summary>
    ValueTask<ObjectBody> OpenAtAsync(long position, CancellationToken cancellationToken);

    /// <summary>The engine's error for a connection that broke.</summary>
    WalRusException Translate(Exception failure);
}

/// <summary>
/// Reads a known number of an object's bytes over as many connections as it takes. Each read has a deadline; a
/// connection that breaks, ends early or stalls is opened again at the byte it reached, as often in a row without a byte
/// coming as the policy has retries.
/// </summary>
internal sealed class ResumingReadStream : InputStream
{
    private readonly IResumableSource source;
    private readonly RetryPolicy retry;
    private readonly TimeSpan stallLimit;
    private readonly long end;
    private ObjectBody? body;
    private CancellationTokenSource stall = new();
    private long position;
    private int failures;
    private bool disposed;

    /// <param name="source">Opens the object again.</param>
    /// <param name="first">The connection that is open already.</param>
    /// <param name="range">What it holds; the length is known.</param>
    /// <param name="retry">How often and with what waits.</param>
    /// <param name="stallLimit">How long one read may take.</param>
    public ResumingReadStream(
        IResumableSource source, ObjectBody first, (long Offset, long Length) range, RetryPolicy retry, TimeSpan stallLimit)
    {
        this.source = source;
        this.retry = retry;
        this.stallLimit = stallLimit;
        body = first;
        position = range.Offset;
        end = range.Offset + range.Length;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        var wanted = buffer[..(int)Math.Min(buffer.Length, end - position)];
        if (wanted.IsEmpty)
        {
            return 0;
        }

        while (true)
        {
            var current = body ??= await source.OpenAtAsync(position, cancellationToken).ConfigureAwait(false);
            try
            {
                var read = await ReadOnceAsync(current.Content, wanted, cancellationToken).ConfigureAwait(false);
                position += read;
                failures = 0;
                return read;
            }
            catch (Exception broken) when (broken is not OperationCanceledException)
            {
                await DropAsync(broken, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (!disposed)
        {
            disposed = true;
            body?.Owner.Dispose();
            stall.Dispose();
        }

        base.Dispose(disposing);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> ReadOnceAsync(Stream content, Memory<byte> wanted, CancellationToken cancellationToken)
    {
        stall.CancelAfter(stallLimit);
        var outer = cancellationToken.UnsafeRegister(static state => ((CancellationTokenSource)state!).Cancel(), stall);
        try
        {
            var read = await content.ReadAsync(wanted, stall.Token).ConfigureAwait(false);
            return read > 0 ? read : throw new EndOfStreamException("the connection ended before the object did");
        }
        catch (Exception) when (stall.IsCancellationRequested)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new WalRusException(
                ErrorCode.DeadlineExceeded,
                $"{source.Operation}: nothing came for {stallLimit.TotalSeconds:0.#} s at byte {position}.",
                "Look at the store's health and the way to it.") { IsTransient = true };
        }
        finally
        {
            outer.Dispose();
            if (!stall.TryReset())
            {
                stall.Dispose();
                stall = new CancellationTokenSource();
            }
        }
    }

    private async ValueTask DropAsync(Exception broken, CancellationToken cancellationToken)
    {
        body?.Owner.Dispose();
        body = null;
        var failure = broken as WalRusException ?? source.Translate(broken);
        if (retry.Wait(failure, ++failures) is not { } wait)
        {
            throw failure;
        }

        await retry.PauseAsync(source.Operation, failures, (wait, failure), cancellationToken).ConfigureAwait(false);
    }
}
