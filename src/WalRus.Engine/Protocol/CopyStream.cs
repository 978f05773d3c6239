namespace WalRus.Protocol;

/// <summary>
/// COPY OUT; COPY BOTH or COPY IN when it may be written. Messages come one after the other; each is read in pieces of the
/// reader's choice, so that none has to fit into memory. Reading and writing may happen at the same time.
/// </summary>
internal sealed class CopyStream(PostgresConnection connection, ReplyReader reply, bool mayWrite) : ICopyOut
{
    private readonly MessageWriter writer = new();
    private readonly SemaphoreSlim writing = new(1, 1);

    /// <summary>True once the server has ended the copy.</summary>
    public bool IsAtEnd { get; private set; }

    /// <summary>True when the server ended the copy and with it the command, as one does that is shut down while it streams.</summary>
    public bool IsCommandEnded { get; private set; }

    /// <summary>Bytes of the current message not read yet.</summary>
    public int Remaining => IsAtEnd ? 0 : connection.Messages.Remaining;

    /// <summary>True when more has come from the server than was read.</summary>
    public bool HasMore => connection.Messages.HasMore;

    /// <summary>Goes to the next message, passing over what is left of the current one.</summary>
    /// <returns>False when the copy has ended; go on with the reply then.</returns>
    /// <exception cref="WalRusException">As <see cref="ReplyReader.NextAsync"/>.</exception>
    public async ValueTask<bool> NextAsync(CancellationToken cancellationToken)
    {
        if (IsAtEnd)
        {
            return false;
        }

        var head = await connection.NextAsync(cancellationToken).ConfigureAwait(false);
        switch (head.Type)
        {
            case (byte)'d':
                return true;
            case (byte)'c':
                End();
                return false;
            case (byte)'C':
                IsCommandEnded = true;
                End();
                return false;
            case (byte)'E':
                var body = await connection.Messages.WholeAsync(cancellationToken).ConfigureAwait(false);
                End();
                throw await reply.FailAsync(body, cancellationToken).ConfigureAwait(false);
            default:
                throw connection.Violated($"a message of type {head.Type} came in a copy");
        }
    }

    /// <summary>The next bytes of the current message; 0 at its end.</summary>
    public ValueTask<int> ReadAsync(Memory<byte> destination, CancellationToken cancellationToken) =>
        IsAtEnd ? ValueTask.FromResult(0) : connection.Messages.ReadAsync(destination, cancellationToken);

    /// <summary>Exactly these bytes of the current message; a message that is too short is a violation of the protocol.</summary>
    public async ValueTask ReadExactlyAsync(Memory<byte> destination, CancellationToken cancellationToken)
    {
        while (!destination.IsEmpty)
        {
            var count = await ReadAsync(destination, cancellationToken).ConfigureAwait(false);
            if (count == 0)
            {
                throw connection.Violated("a message of a copy is shorter than its fields");
            }

            destination = destination[count..];
        }
    }

    /// <summary>Sends one message of COPY BOTH or COPY IN.</summary>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> message, CancellationToken cancellationToken) =>
        SendAsync('d', message, cancellationToken);

    /// <summary>Tells the server that this side has ended.</summary>
    public ValueTask CompleteAsync(CancellationToken cancellationToken) => SendAsync('c', default, cancellationToken);

    /// <summary>Tells the server that this side gives up; the next part of the reply is the server's error about it.</summary>
    public ValueTask FailAsync(CancellationToken cancellationToken) => SendAsync('f', "given up\0"u8.ToArray(), cancellationToken);

    internal void End() => IsAtEnd = true;

    private async ValueTask SendAsync(char type, ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        if (!mayWrite)
        {
            throw new InvalidOperationException("A COPY OUT cannot be written.");
        }

        await writing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await connection.SendAsync(writer.Begin(type).Bytes(body.Span), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            writing.Release();
        }
    }
}
