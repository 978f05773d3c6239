using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using WalRus.Protocol;

namespace WalRus.Tests.Protocol;

/// <summary>
/// A server with a certificate of an authority of its own, and one user for each way to log in: scram, hashed (MD5), plain
/// (cleartext), certified (client certificate), over TLS on 127.0.0.1, and local (trust) on its socket.
/// </summary>
public sealed class TlsServer : IAsyncLifetime
{
    internal const string Password = "pass:wörd\\";

    internal PostgresCluster Cluster { get; private set; } = null!;

    internal TemporaryFolder Files { get; } = new();

    public async ValueTask InitializeAsync()
    {
        Cluster = await PostgresCluster.CreateAsync(new()
        {
            ListenOnLoopback = true,
            Archiving = false,
            Settings = new Dictionary<string, string> { ["ssl"] = "on", ["ssl_ca_file"] = "ca.crt" },
        });
        await WriteCertificatesAsync();
        await WriteAsync(Path.Combine(Cluster.DataDirectory, "pg_hba.conf"), """
            local all all trust
            local replication all trust
            hostssl all,replication scram 127.0.0.1/32 scram-sha-256
            hostssl all,replication hashed 127.0.0.1/32 md5
            hostssl all,replication plain 127.0.0.1/32 password
            hostssl all,replication certified 127.0.0.1/32 cert
            hostnossl all,replication open 127.0.0.1/32 scram-sha-256
            """);
        await Cluster.TakeOwnershipAsync();
        await Cluster.StartAsync();
        await Cluster.ExecuteAsync($"""
            SET password_encryption = 'md5';
            CREATE ROLE hashed LOGIN REPLICATION PASSWORD '{Password}';
            SET password_encryption = 'scram-sha-256';
            CREATE ROLE scram LOGIN REPLICATION PASSWORD '{Password}';
            CREATE ROLE plain LOGIN REPLICATION PASSWORD '{Password}';
            CREATE ROLE open LOGIN REPLICATION PASSWORD '{Password}';
            CREATE ROLE certified LOGIN REPLICATION;
            CREATE ROLE powerless LOGIN;
            """);
    }

    public async ValueTask DisposeAsync()
    {
        await Cluster.DisposeAsync();
        Files.Dispose();
    }

    /// <summary>Over TCP as a user, the mode left to the session's default, the authority known.</summary>
    internal PostgresConnectionSettings Settings(string user, string? password = Password) => new()
    {
        Endpoints = [new PostgresEndpoint("127.0.0.1", Cluster.Port)],
        User = user,
        Database = "postgres",
        Password = password,
        SslRootCertificateFile = Files["ca.crt"],
    };

    /// <summary>Over the socket, without a password.</summary>
    internal PostgresConnectionSettings LocalSettings(string user = "postgres") =>
        Settings(user, null) with { Endpoints = [new PostgresEndpoint(Cluster.Host, Cluster.Port)] };

    internal async Task WriteAsync(string path, string text)
    {
        await File.WriteAllTextAsync(path, text);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
    }

    private async Task WriteCertificatesAsync()
    {
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var authority = Authority("CN=test authority", authorityKey);
        using var strangerKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var stranger = Authority("CN=another authority", strangerKey);
        using var serverKey = RSA.Create(2048);
        var server = new CertificateRequest("CN=server", serverKey, HashAlgorithmName.SHA384, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        server.CertificateExtensions.Add(names.Build());
        using var clientKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var client = new CertificateRequest("CN=certified", clientKey, HashAlgorithmName.SHA256);
        var data = Cluster.DataDirectory;
        await WriteAsync(Path.Combine(data, "server.crt"), Sign(server.SubjectName, server.PublicKey, server.CertificateExtensions, authority, authorityKey));
        await WriteAsync(Path.Combine(data, "server.key"), serverKey.ExportPkcs8PrivateKeyPem());
        await WriteAsync(Path.Combine(data, "ca.crt"), authority.ExportCertificatePem());
        await WriteAsync(Files["ca.crt"], authority.ExportCertificatePem());
        await WriteAsync(Files["stranger.crt"], stranger.ExportCertificatePem());
        await WriteAsync(Files["client.crt"], Sign(client.SubjectName, client.PublicKey, client.CertificateExtensions, authority, authorityKey));
        await WriteAsync(Files["client.key"], clientKey.ExportPkcs8PrivateKeyPem());
        var encryption = new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000);
        await WriteAsync(Files["locked.key"], clientKey.ExportEncryptedPkcs8PrivateKeyPem("key", encryption));
    }

    private static X509Certificate2 Authority(string name, ECDsa key)
    {
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    /// <summary>Signed with SHA-384: channel binding takes the hash of the certificate's own signature.</summary>
    private static string Sign(
        X500DistinguishedName subject, PublicKey key, IEnumerable<X509Extension> extensions, X509Certificate2 authority, ECDsa authorityKey)
    {
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA384);
        foreach (var extension in extensions)
        {
            request.CertificateExtensions.Add(extension);
        }

        using var signed = request.Create(
            authority.SubjectName, X509SignatureGenerator.CreateForECDsa(authorityKey),
            DateTimeOffset.UtcNow.AddDays(-1).AddMinutes(1), DateTimeOffset.UtcNow.AddHours(23), RandomNumberGenerator.GetBytes(8));
        return signed.ExportCertificatePem();
    }
}
