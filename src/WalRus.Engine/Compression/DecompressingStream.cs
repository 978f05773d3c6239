using System.Runtime.CompilerServices;
using WalRus.Streaming;

namespace WalRus.Compression;

/// <summary>Moves bytes from a source through a <see cref="Decompressor"/>; ends only if the container is whole.</summary>
internal sealed class DecompressingStream : InputStream
{
    private readonly Stream source;
    private readonly ContextPool<Decompressor> pool;
    private readonly StreamBuffer input;
    private readonly Decompressor decompressor;
    private StreamUse use;
    private int start;
    private int end;
    private bool sourceEnded;
    private bool outputPending;
    private bool frameEnded;
    private bool finished;
    private WalRusException? failure;

    public DecompressingStream(Stream source, ContextPool<Decompressor> pool)
    {
        this.source = source;
        this.pool = pool;
        decompressor = pool.Rent();
        decompressor.Begin();
        input = StreamBuffer.Rent();
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        use.Enter(this);
        try
        {
            if (failure is not null)
            {
                // The same damage again, not an end of stream: a caller that swallowed it must not see a whole object.
                throw new WalRusException(failure.Code, failure.Message, failure.Hint, failure);
            }

            while (!buffer.IsEmpty && !finished)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (NeedsInput && !sourceEnded)
                {
                    await FillAsync(cancellationToken).ConfigureAwait(false);
                }

                var written = Step(buffer.Span);
                if (written > 0)
                {
                    return written;
                }
            }

            return 0;
        }
        catch (WalRusException damage) when (damage.Code == ErrorCode.ObjectCorrupt)
        {
            failure = damage;
            throw;
        }
        finally
        {
            if (use.Exit())
            {
                Release();
            }
        }
    }

    public override async ValueTask DisposeAsync()
    {
        if (use.Dispose())
        {
            Release();
        }

        await source.DisposeAsync().ConfigureAwait(false);
        GC.SuppressFinalize(this);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            if (use.Dispose())
            {
                Release();
            }

            source.Dispose();
        }

        base.Dispose(disposing);
    }

    private bool NeedsInput => start == end && !outputPending;

    private async ValueTask FillAsync(CancellationToken cancellationToken)
    {
        start = 0;
        end = await source.ReadAsync(input.Memory, cancellationToken).ConfigureAwait(false);
        sourceEnded = end == 0;
    }

    private int Step(Span<byte> output)
    {
        var available = input.GetSpan()[start..end];
        if (available.IsEmpty && !outputPending)
        {
            finished = frameEnded;
            return finished ? 0 : throw CorruptData.Truncated(decompressor.Method);
        }

        if (frameEnded && !decompressor.TakesManyFrames)
        {
            throw CorruptData.Damaged(decompressor.Method, "bytes follow the end of the data");
        }

        frameEnded = Decompress(available, output, out var consumed, out var written);
        if (consumed == 0 && written == 0 && !available.IsEmpty && !frameEnded)
        {
            throw CorruptData.Damaged(decompressor.Method, "it cannot be read any further");
        }

        start += consumed;
        outputPending = written == output.Length && !frameEnded;
        return written;
    }

    private bool Decompress(ReadOnlySpan<byte> available, Span<byte> output, out int consumed, out int written)
    {
        try
        {
            return decompressor.Decompress(available, output, out consumed, out written);
        }
        catch (WalRusException noFrame) when (frameEnded)
        {
            throw CorruptData.Damaged(decompressor.Method, "foreign bytes follow the end of the data", noFrame);
        }
    }

    private void Release()
    {
        input.Release();
        pool.Return(decompressor);
    }
}
