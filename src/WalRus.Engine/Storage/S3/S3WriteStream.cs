using System.Runtime.ExceptionServices;
using WalRus.Streaming;

namespace WalRus.Storage.S3;

/// <summary>
/// Collects an object's bytes and sends them: one that is small enough as one PUT on completion, a larger one as parts in
/// the background while the next part fills.
/// </summary>
internal sealed class S3WriteStream : OutputStream
{
    private readonly S3Upload upload;
    private readonly NativeBufferPool buffers;
    private readonly S3PartSizes sizes;
    private readonly SemaphoreSlim slots;
    private readonly CancellationTokenSource abandon = new();
    private readonly List<string> etags = [];
    private GrowingBuffer content;
    private volatile ExceptionDispatchInfo? failure;
    private bool completed;
    private bool disposed;

    public S3WriteStream(S3Upload upload, NativeBufferPool buffers)
    {
        this.upload = upload;
        this.buffers = buffers;
        var options = upload.Options;
        sizes = S3PartSizes.Of(options, buffers.BudgetBytes, upload.NeedsOneRequest);
        slots = new SemaphoreSlim(options.UploadConcurrency, options.UploadConcurrency);
        content = buffers.OpenGrowing(sizes.SingleBytes);
    }

    /// <summary>How much the buffer takes before it is sent.</summary>
    private int Limit => upload.HasBegun ? sizes.BytesOf(etags.Count + 1) : sizes.SingleBytes;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        failure?.Throw();
        while (!buffer.IsEmpty)
        {
            if (content.Length == Limit)
            {
                await SendFullAsync(cancellationToken).ConfigureAwait(false);
            }

            var count = Math.Min(buffer.Length, Limit - content.Length);
            await content.AppendAsync(buffer[..count], cancellationToken).ConfigureAwait(false);
            buffer = buffer[count..];
        }
    }

    public override async ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        failure?.Throw();
        content.Seal();
        if (upload.HasBegun)
        {
            await SendPartAsync(content, cancellationToken).ConfigureAwait(false);
            await AwaitPartsAsync(cancellationToken).ConfigureAwait(false);
            failure?.Throw();
            await upload.CompleteAsync(etags, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await upload.PutAsync(content, cancellationToken).ConfigureAwait(false);
        }

        completed = true;
        content.Dispose();
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

            content.Dispose();
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

    /// <summary>Sends what has filled, cut into parts, and goes on with an empty buffer or with what is less than a part.</summary>
    private async ValueTask SendFullAsync(CancellationToken cancellationToken)
    {
        if (!upload.HasBegun)
        {
            await upload.BeginAsync(cancellationToken).ConfigureAwait(false);
        }

        while (content.Length >= Limit)
        {
            var part = content.TakeFirst(Limit);
            try
            {
                await SendPartAsync(part, cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                part.Dispose();
                throw;
            }
        }

        if (content.Length == 0)
        {
            // The next part may be larger than those before.
            content.Dispose();
            content = buffers.OpenGrowing(Limit);
        }
    }

    /// <summary>Hands the part to a task of its own, once fewer than the allowed number are under way.</summary>
    private async ValueTask SendPartAsync(GrowingBuffer part, CancellationToken cancellationToken)
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

        int number;
        lock (etags)
        {
            etags.Add("");
            number = etags.Count;
        }

        _ = RunPartAsync(number, part);
    }

    private async Task RunPartAsync(int number, GrowingBuffer part)
    {
        // The writer goes on filling the next buffer: not even the hash is made on its thread.
        await Task.Yield();
        try
        {
            var etag = await upload.PutPartAsync(number, part, abandon.Token).ConfigureAwait(false);
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
            part.Dispose();
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
}
