namespace WalRus.Protocol;

/// <summary>What comes next in a reply.</summary>
internal enum ReplyPart
{
    /// <summary>Nothing: the server is ready for the next command.</summary>
    End,

    /// <summary>A result with columns, all its rows read.</summary>
    Rows,

    /// <summary>A stream to read, and to write for COPY BOTH; read it to its end before going on.</summary>
    Copy,

    /// <summary>A command of the query has been completed; also behind rows and copies.</summary>
    Completed,
}

/// <summary>
/// The reply to one command, part by part, in the order the server sends it. An error of the server is thrown when it is met;
/// the connection can be used again then.
/// </summary>
internal sealed class ReplyReader(PostgresConnection connection, PostgresCommand command) : IAsyncDisposable
{
    /// <summary>All rows of one result together.</summary>
    private const int MaxRowsBytes = 8 << 20;

    /// <summary>True once the server is ready for the next command.</summary>
    public bool IsFinished { get; private set; }

    /// <summary>The rows of the last part that was <see cref="ReplyPart.Rows"/>.</summary>
    public IReadOnlyList<PostgresRow> Rows { get; private set; } = [];

    /// <summary>The names of the columns of <see cref="Rows"/>.</summary>
    public IReadOnlyList<string> Columns { get; private set; } = [];

    /// <summary>The stream of the last part that was <see cref="ReplyPart.Copy"/>.</summary>
    public CopyStream? Copy { get; private set; }

    /// <summary>The tag of the last command that was completed: "SELECT", "COPY 0".</summary>
    public string Tag { get; private set; } = "";

    /// <exception cref="WalRusException">
    /// <see cref="ServerErrorException"/> for what the server reports; <see cref="ErrorCode.PostgresConnectionLost"/>,
    /// <see cref="ErrorCode.DeadlineExceeded"/>, <see cref="ErrorCode.PostgresProtocolViolation"/>.
    /// </exception>
    public async Task<ReplyPart> NextAsync(CancellationToken cancellationToken)
    {
        if (IsFinished)
        {
            return ReplyPart.End;
        }

        if (Copy is { IsAtEnd: false })
        {
            throw new InvalidOperationException("The copy has not been read to its end.");
        }

        var head = await connection.NextAsync(cancellationToken).ConfigureAwait(false);
        var body = await connection.Messages.WholeAsync(cancellationToken).ConfigureAwait(false);
        switch (head.Type)
        {
            case (byte)'T':
                await ReadRowsAsync(body, cancellationToken).ConfigureAwait(false);
                return ReplyPart.Rows;
            case (byte)'G' or (byte)'H' or (byte)'W':
                Copy = new CopyStream(connection, this, mayWrite: head.Type != 'H');
                return ReplyPart.Copy;
            case (byte)'C':
                Complete(body);
                return ReplyPart.Completed;
            case (byte)'I':
                return ReplyPart.Completed;
            case (byte)'Z':
                IsFinished = true;
                return ReplyPart.End;
            case (byte)'E':
                throw await FailAsync(body, cancellationToken).ConfigureAwait(false);
            default:
                throw connection.Violated($"a message of type {head.Type} came where none is expected");
        }
    }

    /// <summary>Closes the connection when the reply has not been read to its end.</summary>
    public ValueTask DisposeAsync()
    {
        if (!IsFinished)
        {
            connection.Close();
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>The server's error as an exception, the connection made ready for the next command where it goes on.</summary>
    internal async Task<WalRusException> FailAsync(ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        var error = connection.Parse(body, static body => ServerError.Parse(body.Span));
        Copy?.End();
        if (error.Severity is "FATAL" or "PANIC")
        {
            connection.Close();
        }
        else
        {
            await DrainAsync(cancellationToken).ConfigureAwait(false);
        }

        return ServerFailure.WhileQuerying(error, command.Doing, command.Grants);
    }

    private void Complete(ReadOnlyMemory<byte> body)
    {
        Tag = connection.Parse(body, static body => new BodyReader(body.Span).String());
        Copy = null;
    }

    /// <summary>Up to the server's being ready.</summary>
    private async Task DrainAsync(CancellationToken cancellationToken)
    {
        try
        {
            while ((await connection.NextAsync(cancellationToken).ConfigureAwait(false)).Type != 'Z')
            {
                // Whatever was on its way before the error.
            }

            IsFinished = true;
        }
        catch (WalRusException)
        {
            // The error that was met matters more than that the connection, now closed, ended behind it.
        }
    }

    private async Task ReadRowsAsync(ReadOnlyMemory<byte> description, CancellationToken cancellationToken)
    {
        Columns = connection.Parse(description, ReadColumns);
        var rows = new List<PostgresRow>();
        var bytes = 0L;
        while (true)
        {
            var head = await connection.NextAsync(cancellationToken).ConfigureAwait(false);
            var body = await connection.Messages.WholeAsync(cancellationToken).ConfigureAwait(false);
            switch (head.Type)
            {
                case (byte)'D' when (bytes += body.Length) <= MaxRowsBytes:
                    rows.Add(connection.Parse(body, ReadRow));
                    break;
                case (byte)'D':
                    throw connection.Violated($"a result of more than {MaxRowsBytes >> 20} MiB came where none is so large");
                case (byte)'C':
                    Complete(body);
                    Rows = rows;
                    return;
                case (byte)'E':
                    throw await FailAsync(body, cancellationToken).ConfigureAwait(false);
                default:
                    throw connection.Violated($"a message of type {head.Type} came among rows");
            }
        }
    }

    private static List<string> ReadColumns(ReadOnlyMemory<byte> body)
    {
        var reader = new BodyReader(body.Span);
        var columns = new List<string>();
        for (var left = reader.Int16(); left > 0; left--)
        {
            columns.Add(reader.String());

            // Table, attribute, type, its length and modifier, and the format, which is text in simple query mode.
            reader.Take(4 + 2 + 4 + 2 + 4 + 2);
        }

        return columns;
    }

    private PostgresRow ReadRow(ReadOnlyMemory<byte> body)
    {
        var reader = new BodyReader(body.Span);
        if (reader.Int16() != Columns.Count)
        {
            throw BodyReader.Violation("a row has another number of values than its result has columns");
        }

        var values = new byte[]?[Columns.Count];
        for (var column = 0; column < values.Length; column++)
        {
            var length = reader.Int32();
            values[column] = length == -1 ? null : reader.Take(length).ToArray();
        }

        return new PostgresRow(Columns, values);
    }
}
