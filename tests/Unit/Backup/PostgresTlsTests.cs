using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using WalRus.Backup;
using WalRus.Protocol;
using WalRus.Tests.Contracts;

namespace WalRus.Tests.Backup;

/// <summary>libpq's sslmode against a server that takes TLS connections only.</summary>
public sealed class PostgresTlsTests : IAsyncLifetime
{
    private readonly TemporaryFolder folder = new();
    private PostgresCluster cluster = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        cluster = await PostgresCluster.CreateAsync(new()
        {
            ListenOnLoopback = true,
            Archiving = false,
            Settings = new Dictionary<string, string> { ["ssl"] = "on" },
        });
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = Certificate(key, "127.0.0.1");
        await WriteAsync(Path.Combine(cluster.DataDirectory, "server.crt"), certificate.ExportCertificatePem());
        await WriteAsync(Path.Combine(cluster.DataDirectory, "server.key"), key.ExportPkcs8PrivateKeyPem());
        await WriteAsync(Path.Combine(cluster.DataDirectory, "pg_hba.conf"), "hostssl all all 127.0.0.1/32 trust\n");
        await WriteAsync(folder["ca.crt"], certificate.ExportCertificatePem());
        using var stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var foreign = Certificate(stranger, "127.0.0.1");
        await WriteAsync(folder["foreign.crt"], foreign.ExportCertificatePem());
        await cluster.TakeOwnershipAsync();
        await cluster.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await cluster.DisposeAsync();
        folder.Dispose();
    }

    [Theory]
    [InlineData(PostgresSslMode.Prefer, null)]
    [InlineData(PostgresSslMode.Require, null)]
    [InlineData(PostgresSslMode.VerifyCa, "ca.crt")]
    [InlineData(PostgresSslMode.VerifyFull, "ca.crt")]
    public async Task A_session_is_encrypted_and_its_server_is_who_the_mode_asks_for(PostgresSslMode mode, string? root)
    {
        await using var session = await PostgresSession.OpenAsync(Settings(mode, root), null, Token);
        Assert.True(await session.QueryRowAsync(
            new PostgresStatement("Asking", "SELECT s.ssl FROM pg_catalog.pg_stat_ssl AS s WHERE s.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()"),
            row => row.GetBoolean(0),
            Token));
    }

    [Theory]
    [InlineData(PostgresSslMode.VerifyCa, "foreign.crt", "127.0.0.1", ErrorCode.PostgresUnreachable)]
    [InlineData(PostgresSslMode.VerifyFull, "ca.crt", "localhost", ErrorCode.PostgresUnreachable)]
    [InlineData(PostgresSslMode.Disable, null, "127.0.0.1", ErrorCode.PostgresAuthenticationFailed)]
    public async Task A_server_that_is_not_who_the_mode_asks_for_is_refused(
        PostgresSslMode mode, string? root, string host, ErrorCode code)
    {
        var failure = await PostgresSession.OpenAsync(Settings(mode, root, host), null, Token).FailsAsync(code);
        Assert.NotNull(failure.Hint);
    }

    private static X509Certificate2 Certificate(ECDsa key, string address)
    {
        var request = new CertificateRequest("CN=test", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Parse(address));
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    private static async Task WriteAsync(string path, string text)
    {
        await File.WriteAllTextAsync(path, text, Token);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
    }

    private PostgresConnectionSettings Settings(PostgresSslMode mode, string? root, string host = "127.0.0.1") =>
        cluster.Settings() with
        {
            Endpoints = [new PostgresEndpoint(host, cluster.Port)],
            SslMode = mode,
            SslRootCertificateFile = root is null ? null : folder[root],
        };
}
