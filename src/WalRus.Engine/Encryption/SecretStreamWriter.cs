using System.Runtime.CompilerServices;
using WalRus.Streaming;

namespace WalRus.Encryption;

/// <summary>Cuts what is written into chunks and encrypts them, in writes of about 128 KiB.</summary>
internal sealed class SecretStreamWriter : OutputStream
{
    private readonly Stream destination;
    private readonly SecretStream cipher;
    private readonly StreamBuffer output;
    private readonly StreamBuffer pending;
    private StreamUse use;
    private int pendingBytes;
    private int filled;
    private bool unusable;

    public SecretStreamWriter(Stream destination, LibsodiumKey key)
    {
        this.destination = destination;
        output = StreamBuffer.Rent();
        cipher = SecretStream.BeginEncrypt(key, output.GetSpan());
        filled = SodiumNative.HeaderBytes;
        pending = StreamBuffer.Rent();
    }

    /// <summary>For known vectors only: see <see cref="SecretStream.BeginWithHeader"/>.</summary>
    internal SecretStreamWriter(Stream destination, LibsodiumKey key, ReadOnlySpan<byte> header)
    {
        this.destination = destination;
        output = StreamBuffer.Rent();
        cipher = SecretStream.BeginWithHeader(key, header);
        header.CopyTo(output.GetSpan());
        filled = SodiumNative.HeaderBytes;
        pending = StreamBuffer.Rent();
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
                buffer = buffer[TakeSome(buffer.Span)..];
            }

            unusable = false;
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
            await MakeRoomAsync(cancellationToken).ConfigureAwait(false);
            filled += cipher.Encrypt(pending.GetSpan()[..pendingBytes], output.GetSpan()[filled..], isLast: true);
            await EmptyAsync(cancellationToken).ConfigureAwait(false);
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

    /// <summary>Encrypts a chunk if there is a whole one, or keeps what there is; returns how much of the input it took.</summary>
    private int TakeSome(ReadOnlySpan<byte> input)
    {
        if (pendingBytes == 0 && input.Length >= SecretStream.PlainChunkBytes)
        {
            filled += cipher.Encrypt(input[..SecretStream.PlainChunkBytes], output.GetSpan()[filled..], isLast: false);
            return SecretStream.PlainChunkBytes;
        }

        var taken = Math.Min(input.Length, SecretStream.PlainChunkBytes - pendingBytes);
        input[..taken].CopyTo(pending.GetSpan()[pendingBytes..]);
        pendingBytes += taken;
        if (pendingBytes == SecretStream.PlainChunkBytes)
        {
            filled += cipher.Encrypt(pending.GetSpan()[..pendingBytes], output.GetSpan()[filled..], isLast: false);
            pendingBytes = 0;
        }

        return taken;
    }

    private ValueTask MakeRoomAsync(CancellationToken cancellationToken) =>
        StreamBuffer.SizeBytes - filled < SecretStream.CipherChunkBytes ? EmptyAsync(cancellationToken) : default;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask EmptyAsync(CancellationToken cancellationToken)
    {
        await destination.WriteAsync(output.Memory[..filled], cancellationToken).ConfigureAwait(false);
        filled = 0;
    }

    private void Enter()
    {
        use.Enter(this);
        if (unusable)
        {
            Exit();
            throw new InvalidOperationException("The encrypted stream was completed or failed; it can only be disposed.");
        }

        // Until a write has succeeded: a half-written stream must never be completed, a completed one never go on.
        unusable = true;
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
        cipher.Dispose();
        pending.Release();
        output.Release();
    }
}
