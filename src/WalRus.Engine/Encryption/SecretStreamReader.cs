using System.Runtime.CompilerServices;
using WalRus.Streaming;

namespace WalRus.Encryption;

/// <summary>
/// Decrypts chunk by chunk; ends only after a FINAL chunk that ends the source. wal-g takes a source that ends at a
/// chunk's boundary for whole: here it is an error, as it is in WAL-RUS.
/// </summary>
internal sealed class SecretStreamReader : InputStream
{
    private readonly Stream source;
    private readonly LibsodiumKey key;
    private readonly StreamBuffer input;
    private readonly StreamBuffer plain;
    private SecretStream? cipher;
    private StreamUse use;
    private int start;
    private int end;
    private int plainStart;
    private int plainEnd;
    private bool sourceEnded;
    private bool finished;
    private bool failed;

    public SecretStreamReader(Stream source, LibsodiumKey key)
    {
        this.source = source;
        this.key = key;
        plain = StreamBuffer.Rent();
        input = StreamBuffer.Rent();
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        use.Enter(this);
        try
        {
            if (failed)
            {
                throw Failed("it was found damaged before");
            }

            while (!buffer.IsEmpty)
            {
                if (plainStart < plainEnd)
                {
                    return GivePlain(buffer.Span);
                }

                if (finished)
                {
                    return 0;
                }

                await FillAsync(cancellationToken).ConfigureAwait(false);
                if (DecryptNext(buffer.Span) is var given and > 0)
                {
                    return given;
                }
            }

            return 0;
        }
        catch (WalRusException failure) when (failure.Code == ErrorCode.DecryptionFailed)
        {
            failed = true;
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

    private static WalRusException Failed(string reason) => new(
        ErrorCode.DecryptionFailed,
        $"The libsodium data cannot be decrypted: {reason}.",
        "Check that the key and its transform are those that the object was written with; otherwise use another copy of it.");

    /// <summary>Reads until a full chunk (at first: the header and a chunk) is there or the source has ended.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask FillAsync(CancellationToken cancellationToken)
    {
        var wanted = SecretStream.CipherChunkBytes + (cipher is null ? SodiumNative.HeaderBytes : 0);
        if (end - start < wanted && start > 0)
        {
            input.GetSpan()[start..end].CopyTo(input.GetSpan());
            (start, end) = (0, end - start);
        }

        while (end - start < wanted && !sourceEnded)
        {
            var read = await source.ReadAsync(input.Memory[end..], cancellationToken).ConfigureAwait(false);
            end += read;
            sourceEnded = read == 0;
        }
    }

    /// <summary>Decrypts a chunk, straight into the caller's buffer where that has room; returns how much went there.</summary>
    private int DecryptNext(Span<byte> output)
    {
        BeginCipher();
        var length = Math.Min(end - start, SecretStream.CipherChunkBytes);
        if (length < SodiumNative.ChunkOverheadBytes)
        {
            throw Failed(length == 0 ? "it is truncated, its last chunk is missing" : "it is truncated inside a chunk");
        }

        var plainLength = length - SodiumNative.ChunkOverheadBytes;
        var direct = output.Length >= plainLength;
        var isFinal = Decrypt(input.GetSpan().Slice(start, length), direct ? output : plain.GetSpan());
        start += length;
        if (isFinal != (length < SecretStream.CipherChunkBytes))
        {
            throw Failed(isFinal ? "its end comes inside a full chunk" : "it is truncated, its last chunk is missing");
        }

        finished = isFinal;
        if (!direct)
        {
            (plainStart, plainEnd) = (0, plainLength);
            return GivePlain(output);
        }

        return plainLength;
    }

    private bool Decrypt(ReadOnlySpan<byte> chunk, Span<byte> target)
    {
        if (!cipher!.TryDecrypt(chunk, target, out var isFinal))
        {
            throw Failed(sourceEnded && start + chunk.Length == end
                ? "its last chunk is damaged or truncated, or the key is another"
                : "a chunk is damaged, or the key is another");
        }

        return isFinal;
    }

    private void BeginCipher()
    {
        if (cipher is not null)
        {
            return;
        }

        if (end - start < SodiumNative.HeaderBytes)
        {
            throw Failed("it is truncated inside its header");
        }

        cipher = SecretStream.BeginWithHeader(key, input.GetSpan().Slice(start, SodiumNative.HeaderBytes));
        start += SodiumNative.HeaderBytes;
    }

    private int GivePlain(Span<byte> output)
    {
        var given = Math.Min(output.Length, plainEnd - plainStart);
        plain.GetSpan().Slice(plainStart, given).CopyTo(output);
        plainStart += given;
        return given;
    }

    private void Release()
    {
        cipher?.Dispose();
        plain.Release();
        input.Release();
    }
}
