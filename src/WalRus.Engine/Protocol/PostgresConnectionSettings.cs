using System.Globalization;

namespace WalRus.Protocol;

/// <summary>libpq's sslmode.</summary>
public enum PostgresSslMode
{
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// <summary>Where one server may be.</summary>
/// <param name="Host">A host name or address, or the folder of a Unix socket (then it begins with '/').</param>
/// <param name="Port">TCP port, or the number in the socket's name.</param>
public readonly record struct PostgresEndpoint(string Host, int Port)
{
    public bool IsSocketFolder => Host.StartsWith('/');

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Host}:{Port}");
}

/// <summary>libpq's channel_binding.</summary>
public enum PostgresChannelBinding
{
    Disable,

    /// <summary>Used where server, TLS and password allow it.</summary>
    Prefer,

    /// <summary>A login without it is refused.</summary>
    Require,
}

/// <summary>How to reach the server that is backed up: libpq's settings, resolved.</summary>
public sealed record PostgresConnectionSettings
{
    /// <summary>Tried in this order; at least one.</summary>
    public required IReadOnlyList<PostgresEndpoint> Endpoints { get; init; }

    public required string User { get; init; }

    /// <summary>The user's name when no database was given.</summary>
    public required string Database { get; init; }

    /// <summary>Null to look into <see cref="PassFile"/>, or to need none.</summary>
    public string? Password { get; init; }

    /// <summary>libpq's password file; null for none.</summary>
    public string? PassFile { get; init; }

    /// <summary>
    /// Null when nobody said: libpq's prefer for SQL; verify-full over TCP for replication, which carries every byte of the cluster.
    /// </summary>
    public PostgresSslMode? SslMode { get; init; }

    public PostgresChannelBinding ChannelBinding { get; init; } = PostgresChannelBinding.Prefer;

    public string? SslCertificateFile { get; init; }

    public string? SslKeyFile { get; init; }

    public string? SslKeyPassword { get; init; }

    /// <summary>A file of certificates, "system" for those the system trusts, or null (the system's, too).</summary>
    public string? SslRootCertificateFile { get; init; }

    public string ApplicationName { get; init; } = "walrus";

    /// <summary>Command-line options for the session (PGOPTIONS), or null.</summary>
    public string? Options { get; init; }

    /// <summary>How long one attempt to connect may take.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Where, as whom, to which database: never a password.</summary>
    public override string ToString() => $"{User}@{string.Join(',', Endpoints)}/{Database}";
}
