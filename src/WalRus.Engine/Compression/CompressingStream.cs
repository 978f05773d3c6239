using System.Runtime.CompilerServices;
using WalRus.Streaming;

namespace WalRus.Compression;

/// <summary>Moves bytes through a <see cref="Compressor"/> into a destination, in writes of about 64 to 128 KiB.</summary>
internal sealed class CompressingStream : OutputStream
{
    // Between two looks at the cancellation token: a slow method takes long over a large write.
    private const int StepBytes = 256 * 1024;

    private readonly Stream destination;
    private readonly ContextPool<Compressor> pool;
    private readonly StreamBuffer output;
    private readonly Compressor compressor;
    private StreamUse use;
    private int filled;
    private State state;

    public CompressingStream(Stream destination, ContextPool<Compressor> pool)
    {
        this.destination = destination;
        this.pool = pool;
        compressor = pool.Rent();
        compressor.Begin();
        output = compressor.NeedsLargeOutput ? StreamBuffer.RentLarge() : StreamBuffer.Rent();
    }

    private enum State
    {
        Open,
        Failed,
        Completed,
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Enter();
        try
        {
            while (!buffer.IsEmpty)
            {
                cancellationToken.ThrowIfCancellationRequested();
                await MakeRoomAsync(cancellationToken).ConfigureAwait(false);
                buffer = buffer[Step(buffer)..];
            }

            state = State.Open;
        }
        finally
        {
            Exit();
        }
    }

    public override async ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        Enter();
        try
        {
            bool done;
            do
            {
                await MakeRoomAsync(cancellationToken).ConfigureAwait(false);
                done = compressor.Finish(output.GetSpan()[filled..], out var written);
                filled += written;
            }
            while (!done);

            await FlushOutputAsync(cancellationToken).ConfigureAwait(false);
            state = State.Completed;
        }
        finally
        {
            Exit();
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && use.Dispose())
        {
            Release();
        }

        base.Dispose(disposing);
    }

    private int Step(ReadOnlyMemory<byte> input)
    {
        var piece = input.Span[..Math.Min(input.Length, StepBytes)];
        compressor.Compress(piece, output.GetSpan()[filled..], out var consumed, out var written);
        filled += written;
        return consumed;
    }

    private ValueTask MakeRoomAsync(CancellationToken cancellationToken) =>
        output.GetSpan().Length - filled < compressor.OutputBytesNeeded ? FlushOutputAsync(cancellationToken) : default;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask FlushOutputAsync(CancellationToken cancellationToken)
    {
        await destination.WriteAsync(output.Memory[..filled], cancellationToken).ConfigureAwait(false);
        filled = 0;
    }

    private void Enter()
    {
        use.Enter(this);
        if (state != State.Open)
        {
            Exit();
            throw new InvalidOperationException(state == State.Completed
                ? "The compressed stream was already completed."
                : "The compressed stream failed before; it can only be disposed.");
        }

        // Stands until the call has succeeded: a half-written stream must never be completed.
        state = State.Failed;
    }

    private void Exit()
    {
        if (use.Exit())
        {
            Release();
        }
    }

    private void Release()
    {
        output.Release();
        pool.Return(compressor);
    }
}
