using System.Buffers;
using System.Runtime.ExceptionServices;
using WalRus.Streaming;

namespace WalRus.Storage.S3;

/// <summary>
/// Collects an object's bytes and sends them: up to one part as one PUT on completion, more as parts in the background
/// while the next part's buffer fills.
/// </summary>
internal sealed class S3WriteStream : OutputStream
{
    /// <summary>Most documents fit in this, and need no part's buffer.</summary>
    private const int SmallBytes = 64 * 1024;

    private readonly S3Upload upload;
    private readonly NativeBufferPool buffers;
    private readonly S3PartSizes sizes;
    private readonly SemaphoreSlim slots;
    private readonly CancellationTokenSource abandon = new();
    private readonly List<string> etags = [];
    private byte[]? small = ArrayPool<byte>.Shared.Rent(SmallBytes);
    private NativeBuffer? part;
    private int filled;
    private volatile ExceptionDispatchInfo? failure;
    private bool completed;
    private bool disposed;

    public S3WriteStream(S3Upload upload, NativeBufferPool buffers)
    {
        this.upload = upload;
        this.buffers = buffers;
        var options = upload.Options;

        // A part may take half the pool, so that two objects can always be written.
        var largest = Math.Max(options.PartSizeBytes, Math.Min(options.MaxPartSizeBytes, buffers.BudgetBytes / 2));
        sizes = new S3PartSizes(upload.NeedsOneRequest ? (int)largest : options.PartSizeBytes, (int)largest);
        slots = new SemaphoreSlim(options.UploadConcurrency, options.UploadConcurrency);
    }

    private int Capacity => part?.SizeBytes ?? (small is null ? 0 : SmallBytes);

    private Memory<byte> Content => part?.Memory ?? small;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        failure?.Throw();
        while (!buffer.IsEmpty)
        {
            if (filled == Capacity)
            {
                await MakeRoomAsync(cancellationToken).ConfigureAwait(false);
            }

            var count = Math.Min(buffer.Length, Capacity - filled);
            buffer[..count].CopyTo(Content[filled..]);
            filled += count;
            buffer = buffer[count..];
        }
    }

    public override async ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        failure?.Throw();
        if (upload.HasBegun)
        {
            await SendPartAsync(cancellationToken).ConfigureAwait(false);
            await AwaitPartsAsync(cancellationToken).ConfigureAwait(false);
            failure?.Throw();
            await upload.CompleteAsync(etags, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await upload.PutAsync(Content[..filled], cancellationToken).ConfigureAwait(false);
        }

        completed = true;
        ReturnBuffers();
    }

    public override async ValueTask DisposeAsync()
    {
        if (!disposed)
        {
            disposed = true;
            if (!completed)
            {
                await AbandonAsync().ConfigureAwait(false);
            }

            ReturnBuffers();
            abandon.Dispose();
            slots.Dispose();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Blocks on the asynchronous end: the engine itself disposes asynchronously only.</summary>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            DisposeAsync().AsTask().GetAwaiter().GetResult();
        }

        base.Dispose(disposing);
    }

    /// <summary>The small buffer moves into a part's, a full part is sent and the next begun.</summary>
    private async ValueTask MakeRoomAsync(CancellationToken cancellationToken)
    {
        if (small is not null)
        {
            var first = await buffers.RentAsync(sizes.BytesOf(1), cancellationToken).ConfigureAwait(false);
            small.AsSpan(0, filled).CopyTo(first.GetSpan());
            ReturnSmall();
            part = first;
            return;
        }

        if (!upload.HasBegun)
        {
            await upload.BeginAsync(cancellationToken).ConfigureAwait(false);
        }

        if (part is not null)
        {
            await SendPartAsync(cancellationToken).ConfigureAwait(false);
        }

        part = await buffers.RentAsync(sizes.BytesOf(etags.Count + 1), cancellationToken).ConfigureAwait(false);
        filled = 0;
    }

    /// <summary>Hands the part to a task of its own, once fewer than the allowed number are under way.</summary>
    private async ValueTask SendPartAsync(CancellationToken cancellationToken)
    {
        if (etags.Count == S3PartSizes.MaxParts)
        {
            throw new WalRusException(
                ErrorCode.StoreFailed,
                $"The object needs more than {S3PartSizes.MaxParts} parts.",
                "Raise S3_MAX_PART_SIZE, or lower WALG_TAR_SIZE_THRESHOLD.");
        }

        await slots.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (failure is not null)
        {
            slots.Release();
            failure.Throw();
        }

        var (ready, length) = (part!, filled);
        (part, filled) = (null, 0);
        int number;
        lock (etags)
        {
            etags.Add("");
            number = etags.Count;
        }

        _ = RunPartAsync(number, ready, length);
    }

    private async Task RunPartAsync(int number, NativeBuffer ready, int length)
    {
        // The writer goes on filling the next buffer: not even the hash is made on its thread.
        await Task.Yield();
        try
        {
            var etag = await upload.PutPartAsync(number, ready.Memory[..length], abandon.Token).ConfigureAwait(false);
            lock (etags)
            {
                etags[number - 1] = etag;
            }
        }
        catch (Exception broken)
        {
            // Told at the writer's next call; the others are no longer worth sending.
            failure ??= ExceptionDispatchInfo.Capture(broken);
        }
        finally
        {
            ((IDisposable)ready).Dispose();
            slots.Release();
        }
    }

    /// <summary>Waits until no part is under way, by taking every slot and giving them all back.</summary>
    private async ValueTask AwaitPartsAsync(CancellationToken cancellationToken)
    {
        var taken = 0;
        try
        {
            for (; taken < upload.Options.UploadConcurrency; taken++)
            {
                await slots.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            if (taken > 0)
            {
                slots.Release(taken);
            }
        }
    }

    private async ValueTask AbandonAsync()
    {
        await abandon.CancelAsync().ConfigureAwait(false);
        await AwaitPartsAsync(CancellationToken.None).ConfigureAwait(false);
        await upload.AbortAsync().ConfigureAwait(false);
    }

    private void ReturnBuffers()
    {
        ReturnSmall();
        ((IDisposable?)part)?.Dispose();
        part = null;
    }

    private void ReturnSmall()
    {
        if (small is not null)
        {
            ArrayPool<byte>.Shared.Return(small);
            small = null;
        }
    }
}
