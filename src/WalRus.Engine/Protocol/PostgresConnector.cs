using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using WalRus.Streaming;

namespace WalRus.Protocol;

/// <summary>Opens sessions: socket, TLS, start-up, authentication. Source: PostgreSQL's manual, "Message Flow: Start-up".</summary>
internal sealed class PostgresConnector(PostgresConnectionSettings settings, SessionKind kind)
{
    private const int ProtocolVersion = 3 << 16;

    public async Task<PostgresConnection> OpenAsync(CancellationToken cancellationToken)
    {
        WalRusException? last = null;
        foreach (var endpoint in settings.Endpoints)
        {
            try
            {
                return await OpenAsync(endpoint, cancellationToken).ConfigureAwait(false);
            }
            catch (WalRusException failure) when (failure.Code == ErrorCode.PostgresUnreachable)
            {
                last = failure;
            }
        }

        throw last ?? new WalRusException(ErrorCode.SettingMissing, "No PostgreSQL server is named.", "Set PGHOST.");
    }

    /// <summary>As libpq: allow tries TLS when the server does not take the session without, prefer the other way round.</summary>
    private async Task<PostgresConnection> OpenAsync(PostgresEndpoint endpoint, CancellationToken cancellationToken)
    {
        var mode = endpoint.IsSocketFolder ? PostgresSslMode.Disable : settings.SslMode ?? Untold;
        try
        {
            return await AttemptAsync(endpoint, mode, mode > PostgresSslMode.Allow, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException failure)
            when (mode is PostgresSslMode.Allow or PostgresSslMode.Prefer && MayDiffer(failure))
        {
            return await AttemptAsync(endpoint, mode, mode == PostgresSslMode.Allow, cancellationToken).ConfigureAwait(false);
        }
    }

    private PostgresSslMode Untold => kind == SessionKind.Sql ? PostgresSslMode.Prefer : PostgresSslMode.VerifyFull;

    private static bool MayDiffer(WalRusException failure) =>
        failure is ServerErrorException { SqlState: "28000" } || failure.InnerException is System.Security.Authentication.AuthenticationException;

    private async Task<PostgresConnection> AttemptAsync(
        PostgresEndpoint endpoint, PostgresSslMode mode, bool asksTls, CancellationToken cancellationToken)
    {
        var where = $"PostgreSQL at {endpoint}";
        using var limit = new Deadline(settings.ConnectTimeout, cancellationToken);
        Stream? stream = null;
        try
        {
            stream = await ConnectAsync(endpoint, limit.Token).ConfigureAwait(false);
            if (asksTls)
            {
                stream = await EncryptAsync(stream, endpoint, mode, limit.Token).ConfigureAwait(false);
            }

            var connection = new PostgresConnection(stream, endpoint);
            connection.Messages.SilenceLimit = settings.ConnectTimeout;
            await StartAsync(connection, stream, where, limit.Token).ConfigureAwait(false);
            return connection;
        }
        catch (Exception failure)
        {
            if (stream is not null)
            {
                await stream.DisposeAsync().ConfigureAwait(false);
            }

            cancellationToken.ThrowIfCancellationRequested();
            throw Translate(failure, where, limit.HasPassed);
        }
    }

    private Exception Translate(Exception failure, string where, bool hasPassed) => failure switch
    {
        WalRusException { Code: ErrorCode.DeadlineExceeded } => Unreachable(failure.Message, failure),
        OperationCanceledException when hasPassed => Unreachable(
            $"{where} did not answer within {settings.ConnectTimeout.TotalSeconds:0} s.", failure),
        WalRusException { Code: ErrorCode.PostgresConnectionLost } => Unreachable($"{where} cannot be reached: {failure.Message}", failure),
        SocketException or IOException => Unreachable($"{where} cannot be reached: {failure.GetBaseException().Message}", failure),
        _ => failure,
    };

    private static WalRusException Unreachable(string message, Exception failure) =>
        new(ErrorCode.PostgresUnreachable, message, ServerFailure.ReachHint, failure) { IsTransient = true };

    private static async Task<Stream> ConnectAsync(PostgresEndpoint endpoint, CancellationToken cancellationToken)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $".s.PGSQL.{endpoint.Port}");
        var (socket, address) = endpoint.IsSocketFolder
            ? (new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified),
                (EndPoint)new UnixDomainSocketEndPoint(Path.Combine(endpoint.Host, name)))
            : (new Socket(SocketType.Stream, ProtocolType.Tcp), new DnsEndPoint(endpoint.Host, endpoint.Port));
        try
        {
            if (!endpoint.IsSocketFolder)
            {
                socket.NoDelay = true;
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            }

            await socket.ConnectAsync(address, cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private async Task<Stream> EncryptAsync(
        Stream stream, PostgresEndpoint endpoint, PostgresSslMode mode, CancellationToken cancellationToken)
    {
        var request = new MessageWriter().Begin('\0').Int32(TlsNegotiation.RequestCode).Message;
        await stream.WriteAsync(request, cancellationToken).ConfigureAwait(false);

        // One byte and no more: what came behind it unencrypted would otherwise be taken for the encrypted session's.
        var answer = new byte[1];
        await stream.ReadExactlyAsync(answer, cancellationToken).ConfigureAwait(false);
        return answer[0] switch
        {
            (byte)'S' => await TlsNegotiation.StartAsync(stream, settings, mode, endpoint.Host, cancellationToken).ConfigureAwait(false),
            (byte)'N' when mode == PostgresSslMode.Prefer => stream,
            (byte)'N' => throw new WalRusException(
                ErrorCode.PostgresUnreachable,
                $"PostgreSQL at {endpoint} does not offer TLS, and sslmode is {ModeName(mode)}.",
                "Turn ssl on in the server, or set PGSSLMODE (prefer or disable) when the network is trusted."),
            _ => throw BodyReader.Violation("it answers a request for TLS with neither yes nor no"),
        };
    }

    private string ModeName(PostgresSslMode mode)
    {
        var name = mode switch
        {
            PostgresSslMode.VerifyCa => "verify-ca",
            PostgresSslMode.VerifyFull => "verify-full",
            _ => "require",
        };
        return settings.SslMode is null ? $"{name}, as it is for replication over TCP unless PGSSLMODE says otherwise" : name;
    }

    private async Task StartAsync(
        PostgresConnection connection, Stream stream, string where, CancellationToken cancellationToken)
    {
        await connection.SendAsync(StartUp(), cancellationToken).ConfigureAwait(false);
        var binding = stream is SslStream tls ? TlsNegotiation.BindingData(tls) : null;
        var authentication = new Authentication(settings, () => FindPassword(connection.Endpoint), binding, connection.SendAsync);
        var isAuthenticated = false;
        while (true)
        {
            var head = await connection.NextAsync(cancellationToken).ConfigureAwait(false);
            var body = await connection.Messages.WholeAsync(cancellationToken).ConfigureAwait(false);
            switch (head.Type)
            {
                case (byte)'R' when !isAuthenticated:
                    isAuthenticated = await authentication.AnswerAsync(body, cancellationToken).ConfigureAwait(false);
                    break;
                case (byte)'E':
                    throw ServerFailure.WhileConnecting(ServerError.Parse(body.Span), where);
                case (byte)'K' or (byte)'v':
                    // The key to cancel with, which closing does as well; the options of the protocol, of which none is asked for.
                    break;
                case (byte)'Z' when isAuthenticated:
                    return;
                default:
                    throw BodyReader.Violation($"a message of type {head.Type} came at the start");
            }
        }
    }

    private MessageWriter StartUp()
    {
        var message = new MessageWriter().Begin('\0').Int32(ProtocolVersion)
            .Text("user").Text(settings.User)
            .Text("client_encoding").Text("UTF8")
            .Text("application_name").Text(settings.ApplicationName);
        if (settings.Options is { } options)
        {
            message.Text("options").Text(options);
        }

        message = kind == SessionKind.Replication
            ? message.Text("replication").Text("true")
            : message.Text("database").Text(settings.Database);
        return message.Byte(0);
    }

    private (string? Password, string? Reason) FindPassword(PostgresEndpoint endpoint) => PasswordFile.Find(
        settings.PassFile, endpoint, kind == SessionKind.Replication ? "replication" : settings.Database, settings.User);
}
