using System.IO.Compression;
using WalRus.Streaming;

namespace WalRus.Compression;

/// <summary>Wraps .NET's gzip writer, which would write a trailer when it is merely disposed.</summary>
internal sealed class GzipCompressingStream : OutputStream
{
    private readonly Gate gate;
    private readonly GZipStream gzip;
    private bool whole = true;
    private bool completed;
    private bool disposed;

    public GzipCompressingStream(Stream destination, CompressionLevel level)
    {
        gate = new Gate(destination);
        gzip = new GZipStream(gate, level, leaveOpen: true);
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Begin();
        await gzip.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
        gate.AnyContent |= !buffer.IsEmpty;
        whole = true;
    }

    public override async ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        Begin();
        if (!gate.AnyContent)
        {
            // .NET writes nothing at all for no content, which is not a gzip member.
            await gate.WriteAsync(EmptyMember, cancellationToken).ConfigureAwait(false);
        }

        gate.Token = cancellationToken;
        await gzip.DisposeAsync().ConfigureAwait(false);
        await gate.FlushToDestinationAsync(cancellationToken).ConfigureAwait(false);
        (whole, completed) = (true, true);
    }

    public override async ValueTask DisposeAsync()
    {
        if (!disposed)
        {
            disposed = true;
            gate.Close();
            await gzip.DisposeAsync().ConfigureAwait(false);
        }

        GC.SuppressFinalize(this);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !disposed)
        {
            disposed = true;
            gate.Close();
            gzip.Dispose();
        }

        base.Dispose(disposing);
    }

    private static ReadOnlyMemory<byte> EmptyMember { get; } = new byte[]
    {
        0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF, 0x03, 0x00, 0, 0, 0, 0, 0, 0, 0, 0,
    };

    private void Begin()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (!whole || completed)
        {
            throw new InvalidOperationException(completed
                ? "The compressed stream was already completed."
                : "The compressed stream failed before; it can only be disposed.");
        }

        // Until the call has succeeded: a half-written stream must never be completed.
        whole = false;
    }

    /// <summary>Collects the writer's small pieces, and lets nothing through once closed.</summary>
    private sealed class Gate(Stream destination) : OutputStream
    {
        private readonly StreamBuffer buffer = StreamBuffer.Rent();
        private StreamUse use;
        private volatile bool closed;
        private int filled;

        public bool AnyContent { get; set; }

        /// <summary>For the writes of the writer's disposal, which takes no token.</summary>
        public CancellationToken Token { get; set; }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> piece, CancellationToken cancellationToken = default)
        {
            if (closed)
            {
                // The writer's trailer of an abandoned stream.
                return;
            }

            use.Enter(this);
            try
            {
                while (!piece.IsEmpty)
                {
                    if (filled == StreamBuffer.SizeBytes)
                    {
                        await EmptyAsync(cancellationToken.CanBeCanceled ? cancellationToken : Token).ConfigureAwait(false);
                    }

                    var taken = Math.Min(piece.Length, StreamBuffer.SizeBytes - filled);
                    piece[..taken].CopyTo(buffer.Memory[filled..]);
                    filled += taken;
                    piece = piece[taken..];
                }
            }
            finally
            {
                Exit();
            }
        }

        public override ValueTask CompleteAsync(CancellationToken cancellationToken) => default;

        public async ValueTask FlushToDestinationAsync(CancellationToken cancellationToken)
        {
            use.Enter(this);
            try
            {
                await EmptyAsync(cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                Exit();
            }
        }

        public new void Close()
        {
            closed = true;
            if (use.Dispose())
            {
                buffer.Release();
            }
        }

        private async ValueTask EmptyAsync(CancellationToken cancellationToken)
        {
            await destination.WriteAsync(buffer.Memory[..filled], cancellationToken).ConfigureAwait(false);
            filled = 0;
        }

        private void Exit()
        {
            if (use.Exit())
            {
                buffer.Release();
            }
        }
    }
}
