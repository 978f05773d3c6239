using System.Buffers.Binary;
using System.Net.Sockets;
using WalRus.Streaming;

namespace WalRus.Protocol;

/// <summary>The head of one message from the server.</summary>
/// <param name="Type">Its letter.</param>
/// <param name="BodyBytes">Bytes that follow the head.</param>
internal readonly record struct MessageHead(byte Type, int BodyBytes);

/// <summary>
/// Frames what the server sends: a letter, a length that counts itself, a body. Holds one buffer; a body is either taken whole,
/// up to a bound, or read piece by piece. Each read waits <see cref="SilenceLimit"/> at most; one that fails or is cancelled
/// closes the connection, since nobody could say where the next message begins.
/// </summary>
internal sealed class MessageReader(Stream source, Action onBroken)
{
    /// <summary>The largest body taken whole.</summary>
    public const int MaxWholeBytes = 1 << 20;

    private const int HeadBytes = 5;
    private readonly byte[] buffer = GC.AllocateUninitializedArray<byte>(64 * 1024);
    private int start;
    private int end;

    /// <summary>How long the server may be silent.</summary>
    public TimeSpan SilenceLimit { get; set; }

    /// <summary>For errors: what is being done.</summary>
    public string Doing { get; set; } = "Connecting";

    /// <summary>Bytes of the current body not read yet.</summary>
    public int Remaining { get; private set; }

    /// <summary>True when bytes behind the current message are here already.</summary>
    public bool HasMore => end - start > Remaining;

    /// <summary>Passes over what is left of the current message and reads the next one's head.</summary>
    public async ValueTask<MessageHead> NextAsync(CancellationToken cancellationToken)
    {
        while (Remaining > 0)
        {
            var here = Math.Min(Remaining, end - start);
            start += here;
            Remaining -= here;
            if (Remaining > 0)
            {
                await FillAsync(1, cancellationToken).ConfigureAwait(false);
            }
        }

        await FillAsync(HeadBytes, cancellationToken).ConfigureAwait(false);
        var length = BinaryPrimitives.ReadInt32BigEndian(buffer.AsSpan(start + 1));
        if (length < 4)
        {
            onBroken();
            throw BodyReader.Violation("a message is shorter than its own length");
        }

        var head = new MessageHead(buffer[start], length - 4);
        start += HeadBytes;
        Remaining = head.BodyBytes;
        return head;
    }

    /// <summary>The rest of the current body, whole; valid until the next call.</summary>
    public async ValueTask<ReadOnlyMemory<byte>> WholeAsync(CancellationToken cancellationToken)
    {
        if (Remaining > MaxWholeBytes)
        {
            onBroken();
            throw BodyReader.Violation($"a message of {Remaining} bytes came where none is so long");
        }

        var count = Remaining;
        if (count <= buffer.Length)
        {
            await FillAsync(count, cancellationToken).ConfigureAwait(false);
            start += count;
            Remaining = 0;
            return buffer.AsMemory(start - count, count);
        }

        var whole = new byte[count];
        for (var filled = 0; filled < count;)
        {
            filled += await ReadAsync(whole.AsMemory(filled), cancellationToken).ConfigureAwait(false);
        }

        return whole;
    }

    /// <summary>The next bytes of the current body; 0 at its end.</summary>
    public async ValueTask<int> ReadAsync(Memory<byte> destination, CancellationToken cancellationToken)
    {
        var wanted = Math.Min(destination.Length, Remaining);
        if (wanted == 0)
        {
            return 0;
        }

        int count;
        if (start == end && wanted >= buffer.Length)
        {
            count = await ReceiveAsync(destination[..wanted], cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await FillAsync(1, cancellationToken).ConfigureAwait(false);
            count = Math.Min(wanted, end - start);
            buffer.AsSpan(start, count).CopyTo(destination.Span);
            start += count;
        }

        Remaining -= count;
        return count;
    }

    /// <summary>Has at least so many bytes in the buffer.</summary>
    private async ValueTask FillAsync(int count, CancellationToken cancellationToken)
    {
        if (end - start >= count)
        {
            return;
        }

        if (start == end)
        {
            start = end = 0;
        }
        else if (start + count > buffer.Length)
        {
            buffer.AsSpan(start, end - start).CopyTo(buffer);
            (start, end) = (0, end - start);
        }

        while (end - start < count)
        {
            end += await ReceiveAsync(buffer.AsMemory(end), cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<int> ReceiveAsync(Memory<byte> destination, CancellationToken cancellationToken)
    {
        using var limit = new Deadline(SilenceLimit, cancellationToken);
        try
        {
            var count = await source.ReadAsync(destination, limit.Token).ConfigureAwait(false);
            return count > 0 ? count : throw new EndOfStreamException("the server closed the connection");
        }
        catch (OperationCanceledException) when (limit.HasPassed)
        {
            onBroken();
            throw ServerFailure.Silent(Doing, SilenceLimit);
        }
        catch (Exception failure) when (failure is IOException or SocketException or ObjectDisposedException)
        {
            onBroken();
            cancellationToken.ThrowIfCancellationRequested();
            throw ServerFailure.Lost(Doing, failure.GetBaseException().Message, failure);
        }
        catch
        {
            onBroken();
            throw;
        }
    }
}
