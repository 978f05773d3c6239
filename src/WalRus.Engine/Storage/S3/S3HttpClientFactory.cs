using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Amazon.Runtime;

namespace WalRus.Storage.S3;

/// <summary>
/// The HTTP connections of one store, under the SDK's requests and under ours: time-outs, trust, and what the SDK leaves
/// no setting for.
/// </summary>
internal sealed class S3HttpClientFactory : HttpClientFactory, IDisposable
{
    private readonly X509Certificate2Collection? authorities;
    private readonly RequestAdjuster adjuster;

    /// <exception cref="WalRusException"><see cref="ErrorCode.SettingInvalid"/>: the authorities cannot be read.</exception>
    public S3HttpClientFactory(S3StoreOptions options)
    {
        authorities = ReadAuthorities(options.CaCertificateFile);
        adjuster = new RequestAdjuster(Connections(options), options);
    }

    /// <summary>Sends requests that the SDK does not make.</summary>
    public HttpMessageInvoker CreateInvoker() => new(adjuster, disposeHandler: false);

    // Each request has its own guard; a time-out of the client as a whole would end long uploads.
    public override HttpClient CreateHttpClient(IClientConfig clientConfig) =>
        new(adjuster, disposeHandler: false) { Timeout = Timeout.InfiniteTimeSpan };

    /// <summary>One client for each store, so that its connections end with it.</summary>
    public override string? GetConfigUniqueString(IClientConfig clientConfig) => null;

    public void Dispose() => adjuster.Dispose();

    private SocketsHttpHandler Connections(S3StoreOptions options)
    {
        var connections = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = options.ConnectTimeout,
            UseCookies = false,
            ActivityHeadersPropagator = null,
            // A store behind several addresses: look its name up again now and then.
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(50),
            // What a caller no longer wants is cut off rather than read to its end.
            MaxResponseDrainSize = 64 * 1024,
        };
        if (authorities is not null)
        {
            connections.SslOptions.RemoteCertificateValidationCallback = Trusts;
        }

        return connections;
    }

    private static X509Certificate2Collection? ReadAuthorities(string? file)
    {
        if (file is null)
        {
            return null;
        }

        var authorities = new X509Certificate2Collection();
        try
        {
            authorities.ImportFromPemFile(file);
        }
        catch (Exception unreadable) when (unreadable
            is IOException or UnauthorizedAccessException or System.Security.Cryptography.CryptographicException)
        {
            throw Invalid(file, unreadable);
        }

        return authorities.Count > 0 ? authorities : throw Invalid(file, null);
    }

    private static WalRusException Invalid(string file, Exception? inner) => new(
        ErrorCode.SettingInvalid,
        $"S3_CA_CERT_FILE '{file}' holds no certificates that can be read.",
        "Give a PEM file with the authority's certificate.",
        inner);

    /// <summary>Trusts what the system trusts, and what the given authorities have signed for this host.</summary>
    private bool Trusts(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (errors == SslPolicyErrors.None)
        {
            return true;
        }

        if (errors != SslPolicyErrors.RemoteCertificateChainErrors || certificate is not X509Certificate2 server)
        {
            return false;
        }

        using var own = new X509Chain();
        own.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        own.ChainPolicy.CustomTrustStore.AddRange(authorities!);
        own.ChainPolicy.ExtraStore.AddRange(authorities!);
        own.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        foreach (var sent in chain?.ChainElements.AsEnumerable() ?? [])
        {
            own.ChainPolicy.ExtraStore.Add(sent.Certificate);
        }

        return own.Build(server);
    }

    /// <summary>Last changes to a request before it leaves.</summary>
    private sealed class RequestAdjuster(HttpMessageHandler connections, S3StoreOptions options) : DelegatingHandler(connections)
    {
        private volatile bool accepted = options.Disable100Continue;

        protected override async Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request, CancellationToken cancellationToken)
        {
            // Asking before each body costs a round trip each; it is worth it until the server has taken one, to hear of
            // wrong credentials or a redirect instead of a connection closed in the middle of a body.
            if (request.Headers.ExpectContinue == true && accepted)
            {
                request.Headers.ExpectContinue = false;
            }

            if (IsBatchDelete(request))
            {
                await AddContentMd5Async(request.Content!, cancellationToken).ConfigureAwait(false);
            }

            var response = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
            accepted |= response.IsSuccessStatusCode;
            return response;
        }

        private static bool IsBatchDelete(HttpRequestMessage request) =>
            request.Method == HttpMethod.Post && request.Content is not null
            && request.RequestUri!.Query is "?delete" or "?delete=";

        /// <summary>The SDK sends a CRC32, which newer servers take; others insist on the MD5 that S3 once did.</summary>
        private static async Task AddContentMd5Async(HttpContent content, CancellationToken cancellationToken)
        {
            var body = await content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
#pragma warning disable CA5351 // A checksum that the protocol names, no protection.
            content.Headers.ContentMD5 ??= System.Security.Cryptography.MD5.HashData(body);
#pragma warning restore CA5351
        }
    }
}
