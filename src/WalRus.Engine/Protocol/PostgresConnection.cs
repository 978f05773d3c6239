using System.Globalization;
using System.Net.Security;

namespace WalRus.Protocol;

/// <summary>What a session is for.</summary>
internal enum SessionKind
{
    /// <summary>SQL on a database.</summary>
    Sql,

    /// <summary>Replication commands; pg_hba.conf's "replication" entries decide who may.</summary>
    Replication,
}

/// <summary>
/// One session with a server, in PostgreSQL's own protocol: what a driver does not do (replication commands, COPY BOTH), in
/// bounded memory. One command at a time. A failure or cancellation in the middle of a command closes the connection; an error
/// of the server that ends a command does not. Disposing ends the session.
/// </summary>
internal sealed class PostgresConnection : IAsyncDisposable
{
    private static readonly TimeSpan TerminateLimit = TimeSpan.FromSeconds(2);

    private readonly Stream stream;
    private readonly MessageWriter writer = new();
    private readonly SemaphoreSlim sending = new(1, 1);
    private readonly Dictionary<string, string> parameters = new(StringComparer.Ordinal);
    private ReplyReader? running;
    private int isClosed;

    internal PostgresConnection(Stream stream, PostgresEndpoint endpoint)
    {
        this.stream = stream;
        Endpoint = endpoint;
        Messages = new MessageReader(stream, Close);
    }

    /// <summary>The one of the settings' endpoints that answered.</summary>
    public PostgresEndpoint Endpoint { get; }

    /// <summary>What the server has said about itself: server_version, in_hot_standby (14 and later), TimeZone ...</summary>
    public IReadOnlyDictionary<string, string> Parameters => parameters;

    /// <summary>As in server_version_num: 150004, 170000.</summary>
    public int ServerVersion { get; private set; }

    public bool IsEncrypted => stream is SslStream;

    /// <summary>The server's warnings and notices.</summary>
    public Action<ServerError>? OnNotice { get; set; }

    internal MessageReader Messages { get; }

    /// <summary>Connects to the first endpoint that answers; one that answers and refuses ends the search, as with libpq.</summary>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.PostgresUnreachable"/>, <see cref="ErrorCode.PostgresAuthenticationFailed"/>,
    /// <see cref="ErrorCode.PostgresPrivilegeMissing"/>, <see cref="ErrorCode.PostgresProtocolViolation"/>, or what is wrong
    /// with a file of the settings.
    /// </exception>
    public static Task<PostgresConnection> OpenAsync(
        PostgresConnectionSettings settings, SessionKind kind, CancellationToken cancellationToken) =>
        new PostgresConnector(settings, kind).OpenAsync(cancellationToken);

    /// <summary>Sends a command; the reply is read part by part and must be disposed before the next command.</summary>
    public async Task<ReplyReader> ExecuteAsync(PostgresCommand command, CancellationToken cancellationToken)
    {
        if (running is { IsFinished: false })
        {
            throw new InvalidOperationException("The reply to the command before has not been read to its end.");
        }

        Messages.Doing = command.Doing;
        Messages.SilenceLimit = command.SilenceLimit;
        running = new ReplyReader(this, command);
        await SendAsync(writer.Begin('Q').Text(command.Text), cancellationToken).ConfigureAwait(false);
        return running;
    }

    /// <summary>Runs a command and gives the rows of its last result that has any; they must fit into memory.</summary>
    /// <exception cref="WalRusException">
    /// <see cref="ServerErrorException"/> for what the server reports; <see cref="ErrorCode.PostgresConnectionLost"/>,
    /// <see cref="ErrorCode.DeadlineExceeded"/>, <see cref="ErrorCode.PostgresProtocolViolation"/>.
    /// </exception>
    public async Task<IReadOnlyList<PostgresRow>> QueryAsync(PostgresCommand command, CancellationToken cancellationToken)
    {
        var reply = await ExecuteAsync(command, cancellationToken).ConfigureAwait(false);
        await using (reply.ConfigureAwait(false))
        {
            IReadOnlyList<PostgresRow> rows = [];
            while (await reply.NextAsync(cancellationToken).ConfigureAwait(false) is not ReplyPart.End and var part)
            {
                rows = part switch
                {
                    ReplyPart.Rows => reply.Rows,
                    ReplyPart.Copy => throw Violated("it copies where rows were asked for"),
                    _ => rows,
                };
            }

            return rows;
        }
    }

    /// <summary>The same for a command that gives exactly one row.</summary>
    public async Task<PostgresRow> QueryRowAsync(PostgresCommand command, CancellationToken cancellationToken)
    {
        var rows = await QueryAsync(command, cancellationToken).ConfigureAwait(false);
        return rows.Count == 1
            ? rows[0]
            : throw new WalRusException(ErrorCode.PostgresQueryFailed, $"{command.Doing}: {rows.Count} rows came instead of one.");
    }

    /// <summary>Closes the connection at once; a call that waits on it fails.</summary>
    public void Close()
    {
        if (Interlocked.Exchange(ref isClosed, 1) == 0)
        {
            stream.Dispose();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Volatile.Read(ref isClosed) == 0 && running is null or { IsFinished: true })
        {
            using var limit = new CancellationTokenSource(TerminateLimit);
            try
            {
                await SendAsync(writer.Begin('X'), limit.Token).ConfigureAwait(false);
            }
            catch (Exception failure) when (failure is WalRusException or OperationCanceledException)
            {
                // The server notices a closed socket as well.
            }
        }

        Close();
    }

    public override string ToString() => $"PostgreSQL at {Endpoint}";

    /// <summary>Sends one message; several callers may at the same time.</summary>
    internal async ValueTask SendAsync(MessageWriter message, CancellationToken cancellationToken)
    {
        await sending.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            using var limit = new Streaming.Deadline(Messages.SilenceLimit, cancellationToken);
            try
            {
                await stream.WriteAsync(message.Message, limit.Token).ConfigureAwait(false);
                await stream.FlushAsync(limit.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (limit.HasPassed)
            {
                Close();
                throw ServerFailure.Silent(Messages.Doing, Messages.SilenceLimit);
            }
        }
        catch (Exception failure) when (failure is IOException or ObjectDisposedException)
        {
            Close();
            cancellationToken.ThrowIfCancellationRequested();
            throw ServerFailure.Lost(Messages.Doing, failure.GetBaseException().Message, failure);
        }
        catch (OperationCanceledException)
        {
            Close();
            throw;
        }
        finally
        {
            sending.Release();
        }
    }

    /// <summary>The next message that is part of a reply; what the server says in between is taken care of.</summary>
    internal async ValueTask<MessageHead> NextAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var head = await Messages.NextAsync(cancellationToken).ConfigureAwait(false);
            switch (head.Type)
            {
                case (byte)'S':
                    await TakeParameterAsync(cancellationToken).ConfigureAwait(false);
                    break;
                case (byte)'N':
                    var notice = await Messages.WholeAsync(cancellationToken).ConfigureAwait(false);
                    OnNotice?.Invoke(Parse(notice, static body => ServerError.Parse(body.Span)));
                    break;
                case (byte)'A':
                    break;
                default:
                    return head;
            }
        }
    }

    /// <summary>Parses a body; one that cannot be parsed ends the connection.</summary>
    internal T Parse<T>(ReadOnlyMemory<byte> body, Func<ReadOnlyMemory<byte>, T> parse)
    {
        try
        {
            return parse(body);
        }
        catch (WalRusException)
        {
            Close();
            throw;
        }
    }

    internal WalRusException Violated(string what)
    {
        Close();
        return BodyReader.Violation(what);
    }

    private async ValueTask TakeParameterAsync(CancellationToken cancellationToken)
    {
        var body = await Messages.WholeAsync(cancellationToken).ConfigureAwait(false);
        var (name, value) = Parse(body, static body =>
        {
            var reader = new BodyReader(body.Span);
            return (reader.String(), reader.String());
        });
        if (parameters.Count < 1000 || parameters.ContainsKey(name))
        {
            parameters[name] = value;
        }

        if (name == "server_version")
        {
            ServerVersion = VersionNumber(value);
        }
    }

    /// <summary>"15.4 (Debian ...)", "18beta1", "17devel" as server_version_num has it.</summary>
    private static int VersionNumber(string version)
    {
        var digits = version.AsSpan();
        var end = digits.IndexOfAnyExceptInRange('0', '9');
        var major = end < 0 ? digits : digits[..end];
        var rest = end >= 0 && digits[end] == '.' ? digits[(end + 1)..] : [];
        end = rest.IndexOfAnyExceptInRange('0', '9');
        var minor = end < 0 ? rest : rest[..end];
        return int.TryParse(major, NumberStyles.None, CultureInfo.InvariantCulture, out var first) && first < 10_000
            ? (first * 10_000)
                + (int.TryParse(minor, NumberStyles.None, CultureInfo.InvariantCulture, out var second) && second < 10_000 ? second : 0)
            : 0;
    }
}

/// <summary>One command in simple query mode and how it may fail.</summary>
/// <param name="Doing">For error messages: "Reading the system's identity".</param>
/// <param name="Text">SQL, or a replication command.</param>
internal sealed record PostgresCommand(string Doing, string Text)
{
    /// <summary>How long the server may be silent, from one byte to the next.</summary>
    public TimeSpan SilenceLimit { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The SQL to offer when a privilege is missing, or null.</summary>
    public string? Grants { get; init; }

    /// <summary>A name as an identifier in a command.</summary>
    public static string Identifier(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    /// <summary>A text as a literal in a command.</summary>
    public static string Literal(string text) => $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";
}

/// <summary>One row; values in the server's text form.</summary>
internal sealed class PostgresRow(IReadOnlyList<string> columns, byte[]?[] values)
{
    public IReadOnlyList<string> Columns => columns;

    public int Count => values.Length;

    /// <summary>A value as text; null for NULL.</summary>
    public string? this[int column] => values[column] is { } bytes ? System.Text.Encoding.UTF8.GetString(bytes) : null;

    /// <summary>A value as it came; null for NULL.</summary>
    public byte[]? Bytes(int column) => values[column];
}
