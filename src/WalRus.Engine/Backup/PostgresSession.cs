using System.Data;
using Npgsql;
using WalRus.Protocol;

namespace WalRus.Backup;

/// <summary>
/// One session with a PostgreSQL server. Statements run one at a time, each with a deadline; failures come as
/// <see cref="WalRusException"/>. Every name in a statement must be schema-qualified, operators too: the database's own
/// search_path is not trusted. Disposing ends the session on the server.
/// </summary>
internal sealed class PostgresSession : IAsyncDisposable
{
    /// <summary>For statements that only look something up.</summary>
    public static readonly TimeSpan LookupLimit = TimeSpan.FromSeconds(60);

    private readonly NpgsqlDataSource source;
    private readonly NpgsqlConnection connection;
    private readonly string where;

    private PostgresSession(NpgsqlDataSource source, NpgsqlConnection connection, string where)
    {
        this.source = source;
        this.connection = connection;
        this.where = where;
        connection.Notice += (_, notice) => OnNotice?.Invoke(notice.Notice.Severity, notice.Notice.MessageText);
    }

    /// <summary>The server's warnings and notices: severity and text.</summary>
    public Action<string, string>? OnNotice { get; set; }

    /// <summary>Connects to the first endpoint that answers; one that answers and refuses ends the search, as with libpq.</summary>
    /// <param name="database">Instead of the settings' own database; null for that.</param>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.PostgresUnreachable"/>, <see cref="ErrorCode.PostgresAuthenticationFailed"/>,
    /// <see cref="ErrorCode.PostgresPrivilegeMissing"/>.
    /// </exception>
    public static async Task<PostgresSession> OpenAsync(
        PostgresConnectionSettings settings, string? database, CancellationToken cancellationToken)
    {
        WalRusException? last = null;
        foreach (var endpoint in settings.Endpoints)
        {
            try
            {
                return await OpenAsync(settings, endpoint, database, cancellationToken).ConfigureAwait(false);
            }
            catch (WalRusException failure) when (failure.Code == ErrorCode.PostgresUnreachable)
            {
                last = failure;
            }
        }

        throw last ?? new WalRusException(
            ErrorCode.SettingMissing, "No PostgreSQL server is named.", "Set PGHOST.");
    }

    /// <summary>Runs a statement that returns one row, and reads it.</summary>
    public async Task<T> QueryRowAsync<T>(
        PostgresStatement statement, Func<IDataRecord, T> read, CancellationToken cancellationToken)
    {
        var row = default(T);
        var count = await QueryAsync(statement, record => row = read(record), cancellationToken).ConfigureAwait(false);
        return count == 1
            ? row!
            : throw new WalRusException(ErrorCode.PostgresQueryFailed, $"{statement.Doing}: {count} rows came instead of one.");
    }

    /// <summary>Runs a statement and hands each row to <paramref name="read"/> as it comes.</summary>
    /// <returns>How many rows there were.</returns>
    public async Task<long> QueryAsync(
        PostgresStatement statement, Action<IDataRecord> read, CancellationToken cancellationToken)
    {
        try
        {
            var command = CreateCommand(statement);
            await using (command.ConfigureAwait(false))
            {
                var reader = await command
                    .ExecuteReaderAsync(CommandBehavior.Default, cancellationToken).ConfigureAwait(false);
                await using (reader.ConfigureAwait(false))
                {
                    long count = 0;
                    for (; await reader.ReadAsync(cancellationToken).ConfigureAwait(false); count++)
                    {
                        read(reader);
                    }

                    return count;
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception failure) when (PostgresFailure.IsOfServer(failure))
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw PostgresFailure.WhileQuerying(failure, statement.Doing, statement.Grants);
        }
    }

    /// <summary>Runs a statement whose rows, if any, do not matter.</summary>
    public Task ExecuteAsync(PostgresStatement statement, CancellationToken cancellationToken) =>
        QueryAsync(statement, static _ => { }, cancellationToken);

    /// <summary>Runs somebody else's SQL, any number of statements, and gives the last result that has columns, as text.</summary>
    /// <param name="maxRows">Rows kept; the others are only counted.</param>
    /// <param name="maxChars">Characters of a value kept.</param>
    public async Task<PostgresText> QueryTextAsync(
        PostgresStatement statement, int maxRows, int maxChars, CancellationToken cancellationToken)
    {
        try
        {
            var command = CreateCommand(statement);
            await using (command.ConfigureAwait(false))
            {
                // The server's own text form of every type, known to the driver or not.
                command.AllResultTypesAreUnknown = true;
                var reader = await command
                    .ExecuteReaderAsync(CommandBehavior.SequentialAccess, cancellationToken).ConfigureAwait(false);
                await using (reader.ConfigureAwait(false))
                {
                    var last = new PostgresText([], [], 0);
                    do
                    {
                        if (reader.FieldCount > 0)
                        {
                            last = await ReadTextAsync(reader, maxRows, maxChars, cancellationToken).ConfigureAwait(false);
                        }
                    }
                    while (await reader.NextResultAsync(cancellationToken).ConfigureAwait(false));
                    return last;
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception failure) when (PostgresFailure.IsOfServer(failure))
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw PostgresFailure.WhileQuerying(failure, statement.Doing, statement.Grants);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await connection.DisposeAsync().ConfigureAwait(false);
        await source.DisposeAsync().ConfigureAwait(false);
    }

    public override string ToString() => where;

    private static async Task<PostgresText> ReadTextAsync(
        NpgsqlDataReader reader, int maxRows, int maxChars, CancellationToken cancellationToken)
    {
        var rows = new List<string?[]>();
        long count = 0;
        for (; await reader.ReadAsync(cancellationToken).ConfigureAwait(false); count++)
        {
            if (count < maxRows)
            {
                var row = new string?[reader.FieldCount];
                for (var column = 0; column < row.Length; column++)
                {
                    row[column] = await reader.IsDBNullAsync(column, cancellationToken).ConfigureAwait(false)
                        ? null : ReadText(reader, column, maxChars);
                }

                rows.Add(row);
            }
        }

        return new PostgresText([.. Enumerable.Range(0, reader.FieldCount).Select(reader.GetName)], rows, count);
    }

    private static string ReadText(NpgsqlDataReader reader, int column, int maxChars)
    {
        using var text = reader.GetTextReader(column);
        var buffer = System.Buffers.ArrayPool<char>.Shared.Rent(maxChars);
        try
        {
            return new string(buffer, 0, text.ReadBlock(buffer, 0, maxChars));
        }
        finally
        {
            System.Buffers.ArrayPool<char>.Shared.Return(buffer);
        }
    }

    private static async Task<PostgresSession> OpenAsync(
        PostgresConnectionSettings settings, PostgresEndpoint endpoint, string? database, CancellationToken cancellationToken)
    {
        var where = $"PostgreSQL at {endpoint}";
        NpgsqlDataSource? source = null;
        NpgsqlConnection? connection = null;
        var opening = Task.CompletedTask;
        try
        {
            source = CreateSource(settings, endpoint, database ?? settings.Database);
            connection = source.CreateConnection();
            opening = connection.OpenAsync(cancellationToken);

            // The driver does not look at the token while it waits for the answer to its request for TLS.
            await opening.WaitAsync(cancellationToken).ConfigureAwait(false);
            return new PostgresSession(source, connection, where);
        }
        catch (OperationCanceledException) when (!opening.IsCompleted)
        {
            // It ends by its own deadline; nobody waits for that.
            _ = AbandonAsync(opening, connection!, source!);
            throw;
        }
        catch (Exception failure)
        {
            if (connection is not null)
            {
                await connection.DisposeAsync().ConfigureAwait(false);
            }

            if (source is not null)
            {
                await source.DisposeAsync().ConfigureAwait(false);
            }

            cancellationToken.ThrowIfCancellationRequested();
            throw PostgresFailure.IsOfServer(failure) ? PostgresFailure.WhileConnecting(failure, where) : failure;
        }
    }

    private static async Task AbandonAsync(Task opening, NpgsqlConnection connection, NpgsqlDataSource source)
    {
        await opening.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await connection.DisposeAsync().ConfigureAwait(false);
        await source.DisposeAsync().ConfigureAwait(false);
    }

    private static NpgsqlDataSource CreateSource(
        PostgresConnectionSettings settings, PostgresEndpoint endpoint, string database)
    {
        var text = new NpgsqlConnectionStringBuilder
        {
            Host = endpoint.Host,
            Port = endpoint.Port,
            Username = settings.User,
            Password = settings.Password,
            Passfile = settings.PassFile,
            Database = database,
            ApplicationName = settings.ApplicationName,
            Options = settings.Options,
            Timeout = (int)Math.Clamp(Math.Ceiling(settings.ConnectTimeout.TotalSeconds), 1, 1024),
            SslMode = settings.SslMode switch
            {
                PostgresSslMode.Disable => SslMode.Disable,
                PostgresSslMode.Allow => SslMode.Allow,
                PostgresSslMode.Require => SslMode.Require,
                PostgresSslMode.VerifyCa => SslMode.VerifyCA,
                PostgresSslMode.VerifyFull => SslMode.VerifyFull,
                _ => SslMode.Prefer,
            },
            SslCertificate = settings.SslCertificateFile,
            SslKey = settings.SslKeyFile,
            SslPassword = settings.SslKeyPassword,
            RootCertificate = settings.SslRootCertificateFile is "system" ? null : settings.SslRootCertificateFile,

            // A session is what a backup is tied to: never a pooled one that lives on after it was closed.
            Pooling = false,
            Multiplexing = false,
            Enlist = false,
            TcpKeepAlive = !endpoint.IsSocketFolder,
        };
        var builder = new NpgsqlSlimDataSourceBuilder(text.ConnectionString);
        builder.EnableTransportSecurity();
        if (OperatingSystem.IsWindows())
        {
            builder.EnableIntegratedSecurity();
        }

        // The driver's own catalog queries are not needed for text and numbers.
        builder.ConfigureTypeLoading(types => types.EnableTypeLoading(false));
        return builder.Build();
    }

    private NpgsqlCommand CreateCommand(PostgresStatement statement)
    {
        var command = new NpgsqlCommand(statement.Sql, connection)
        {
            CommandTimeout = statement.Limit is { } limit ? Math.Max(1, (int)Math.Ceiling(limit.TotalSeconds)) : 0,
        };
        if (statement.Text is { } value)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text });
        }

        return command;
    }
}

/// <summary>A result as text.</summary>
/// <param name="Columns">Their names.</param>
/// <param name="Rows">The first rows; null for NULL.</param>
/// <param name="RowCount">How many there were.</param>
internal sealed record PostgresText(IReadOnlyList<string> Columns, IReadOnlyList<string?[]> Rows, long RowCount);

/// <summary>One SQL statement and how it may fail.</summary>
/// <param name="Doing">For error messages: "Reading the server's settings".</param>
/// <param name="Sql">Schema-qualified throughout.</param>
internal sealed record PostgresStatement(string Doing, string Sql)
{
    /// <summary>The value of $1, or null when there is no parameter.</summary>
    public string? Text { get; init; }

    /// <summary>How long the server may take; null for as long as it needs (then only cancelling ends it).</summary>
    public TimeSpan? Limit { get; init; } = PostgresSession.LookupLimit;

    /// <summary>The SQL to offer when a privilege is missing, or null.</summary>
    public string? Grants { get; init; }
}
