using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace WalRus.Protocol;

/// <summary>
/// TLS as libpq's sslmode has it: disable, allow, prefer and require trust any certificate (require checks it when a root
/// certificate is given), verify-ca wants one of a trusted authority, verify-full also the server's name in it. Authorities are
/// those of the root certificate file, else the system's. Source: PostgreSQL's manual, "SSL Support".
/// </summary>
internal static class TlsNegotiation
{
    /// <summary>SSLRequest's number in place of the protocol's version.</summary>
    public const int RequestCode = 80877103;

    private const string SystemRoots = "system";

    /// <summary>Turns a connection on which the server has agreed to TLS into an encrypted one; closes it on failure.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.PostgresUnreachable"/> or what is wrong with a file.</exception>
    public static async Task<SslStream> StartAsync(
        Stream stream, PostgresConnectionSettings settings, PostgresSslMode mode, string host, CancellationToken cancellationToken)
    {
        var roots = settings.SslRootCertificateFile is { } file && file != SystemRoots ? Roots(file) : null;
        var checksAuthority = mode >= PostgresSslMode.VerifyCa
            || (mode == PostgresSslMode.Require && settings.SslRootCertificateFile is not null);
        var checksName = mode == PostgresSslMode.VerifyFull;
        var errors = SslPolicyErrors.None;
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = host,
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            ClientCertificateContext = ClientCertificate.Read(settings),
            CertificateChainPolicy = Policy(roots),
            RemoteCertificateValidationCallback = (_, _, _, found) =>
            {
                errors = found;
                return !((checksAuthority && (found & ~SslPolicyErrors.RemoteCertificateNameMismatch) != 0)
                    || (checksName && found != SslPolicyErrors.None));
            },
        };
        var tls = new SslStream(stream);
        try
        {
            await tls.AuthenticateAsClientAsync(options, cancellationToken).ConfigureAwait(false);
            return tls;
        }
        catch (Exception failure)
        {
            await tls.DisposeAsync().ConfigureAwait(false);
            throw failure is AuthenticationException ? Failed(host, mode, errors, failure) : failure;
        }
    }

    /// <summary>tls-server-end-point: the certificate's hash by its own signature's algorithm; null when that has none.</summary>
    public static byte[]? BindingData(SslStream tls)
    {
        if (tls.RemoteCertificate is not { } certificate)
        {
            return null;
        }

        var raw = certificate.GetRawCertData();
        using var parsed = new X509Certificate2(raw);
        return SignatureHash.Of(parsed, raw);
    }

    private static X509ChainPolicy Policy(X509Certificate2Collection? roots)
    {
        var policy = new X509ChainPolicy
        {
            // libpq looks at revocation lists only where a file of them is given; asking over the network is not its way.
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        if (roots is not null)
        {
            policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            policy.CustomTrustStore.AddRange(roots);
        }

        return policy;
    }

    private static X509Certificate2Collection Roots(string file)
    {
        var roots = new X509Certificate2Collection();
        try
        {
            roots.ImportFromPemFile(file);
        }
        catch (Exception failure) when (failure is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw ClientCertificate.Unreadable("PGSSLROOTCERT", file, failure.Message, failure);
        }

        return roots.Count > 0 ? roots : throw ClientCertificate.Unreadable("PGSSLROOTCERT", file, "it holds no certificate", null);
    }

    private static WalRusException Failed(string host, PostgresSslMode mode, SslPolicyErrors errors, Exception failure)
    {
        var wasName = mode == PostgresSslMode.VerifyFull && errors == SslPolicyErrors.RemoteCertificateNameMismatch;
        var (what, hint) = errors == SslPolicyErrors.None
            ? (failure.GetBaseException().Message,
                "Check the client certificate (PGSSLCERT, PGSSLKEY), and ssl and pg_hba.conf of the server.")
            : wasName
                ? ("its certificate is for another name", "Set PGHOST to a name in the certificate, or PGSSLMODE=verify-ca.")
                : ("its certificate is not of an authority that is trusted here",
                    "Name the authority's certificate with PGSSLROOTCERT; PGSSLMODE=require encrypts without knowing who answers.");
        return new WalRusException(ErrorCode.PostgresUnreachable, $"TLS with PostgreSQL at {host} failed: {what}.", hint, failure);
    }
}
