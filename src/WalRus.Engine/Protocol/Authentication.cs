using System.Security.Cryptography;
using System.Text;

namespace WalRus.Protocol;

/// <summary>
/// Answers the server's requests for authentication. Source: PostgreSQL's manual, "Start-up" and "SASL Authentication".
/// </summary>
/// <param name="settings">Whose password, and whether the channel must be bound.</param>
/// <param name="findPassword">Asked at most once, only when a password is needed: the password, or why there is none.</param>
/// <param name="bindingData">The hash of the server's certificate; null without TLS or when it has none.</param>
/// <param name="send">Sends one message.</param>
internal sealed class Authentication(
    PostgresConnectionSettings settings,
    Func<(string? Password, string? Reason)> findPassword,
    byte[]? bindingData,
    Func<MessageWriter, CancellationToken, ValueTask> send)
{
    private const int Ok = 0, Cleartext = 3, Md5 = 5, Sasl = 10, SaslContinue = 11, SaslFinal = 12;

    private readonly MessageWriter writer = new();
    private ScramExchange? scram;
    private bool isProven;

    /// <summary>Answers one request.</summary>
    /// <returns>True when the server is content.</returns>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.PostgresAuthenticationFailed"/> or <see cref="ErrorCode.PostgresProtocolViolation"/>.
    /// </exception>
    public async ValueTask<bool> AnswerAsync(ReadOnlyMemory<byte> request, CancellationToken cancellationToken)
    {
        var kind = new BodyReader(request.Span).Int32();
        var data = request[4..];
        switch (kind)
        {
            case Ok:
                RequireDone();
                return true;
            case Cleartext:
                RequireUnbound();
                await SendAsync(writer.Begin('p').Text(Password()), cancellationToken).ConfigureAwait(false);
                return false;
            case Md5:
                RequireUnbound();
                await SendAsync(writer.Begin('p').Text(HashMd5(data.Span)), cancellationToken).ConfigureAwait(false);
                return false;
            case Sasl when scram is null:
                await SendAsync(Begin(data.Span), cancellationToken).ConfigureAwait(false);
                return false;
            case SaslContinue when scram is not null && !isProven:
                await SendAsync(writer.Begin('p').Bytes(scram.Final(data.Span)), cancellationToken).ConfigureAwait(false);
                return false;
            case SaslFinal when scram is not null && !isProven:
                scram.Verify(data.Span);
                isProven = true;
                return false;
            case Sasl or SaslContinue or SaslFinal:
                throw BodyReader.Violation("its messages of authentication come in a wrong order");
            default:
                throw Refused(
                    kind is 7 or 8 or 9 ? "it asks for GSSAPI or SSPI, which replication by WalRus does not speak"
                        : $"it asks for a method of authentication that is not known ({kind})",
                    "Let pg_hba.conf take scram-sha-256 or a client certificate from this machine.");
        }
    }

    private async ValueTask SendAsync(MessageWriter message, CancellationToken cancellationToken)
    {
        await send(message, cancellationToken).ConfigureAwait(false);
        writer.Clear();
    }

    private MessageWriter Begin(ReadOnlySpan<byte> data)
    {
        var mechanisms = new List<string>();
        for (var reader = new BodyReader(data); reader.Remaining > 1;)
        {
            mechanisms.Add(reader.String());
        }

        var wantsBinding = bindingData is not null && settings.ChannelBinding != PostgresChannelBinding.Disable;
        var binds = wantsBinding && mechanisms.Contains(ScramExchange.BoundMechanism);
        if (!binds)
        {
            RequireUnbound();
        }

        if (!binds && !mechanisms.Contains(ScramExchange.Mechanism))
        {
            throw Refused(
                $"it offers {string.Join(", ", mechanisms)} only", "Let pg_hba.conf take scram-sha-256 from this machine.");
        }

        scram = new ScramExchange(Password(), binds ? bindingData : null, wantsBinding);
        var first = scram.First();
        return writer.Begin('p').Text(binds ? ScramExchange.BoundMechanism : ScramExchange.Mechanism)
            .Int32(first.Length).Bytes(first);
    }

    private void RequireDone()
    {
        if (scram is not null && !isProven)
        {
            throw BodyReader.Violation("it ends the SCRAM exchange without its own proof");
        }

        if (scram is null)
        {
            RequireUnbound();
        }
    }

    private void RequireUnbound()
    {
        if (settings.ChannelBinding == PostgresChannelBinding.Require)
        {
            throw Refused(
                "channel binding is required, and this login would do without",
                "Channel binding takes TLS, scram-sha-256 in pg_hba.conf and a password stored as SCRAM; or set PGCHANNELBINDING=prefer.");
        }
    }

    private string Password()
    {
        var (password, reason) = settings.Password is { } given ? (given, null) : findPassword();
        return password ?? throw Refused(
            reason is null ? "it asks for a password, and none is set" : $"it asks for a password, and {reason}",
            "Set PGPASSWORD, or write a password file of mode 0600 and name it with PGPASSFILE.");
    }

    private string HashMd5(ReadOnlySpan<byte> salt)
    {
        if (salt.Length != 4)
        {
            throw BodyReader.Violation("its salt has another length than 4 bytes");
        }

        var inner = Hex(MD5.HashData(Encoding.UTF8.GetBytes(Password() + settings.User)));
        return "md5" + Hex(MD5.HashData([.. Encoding.ASCII.GetBytes(inner), .. salt]));
    }

    private static string Hex(byte[] bytes) => Convert.ToHexString(bytes).ToLowerInvariant();

    private static WalRusException Refused(string why, string hint) =>
        new(ErrorCode.PostgresAuthenticationFailed, $"The login is not possible: {why}.", hint);
}
