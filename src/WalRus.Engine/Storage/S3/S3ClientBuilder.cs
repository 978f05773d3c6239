using System.Diagnostics.CodeAnalysis;
using Amazon;
using Amazon.Runtime;
using Amazon.Runtime.CredentialManagement;
using Amazon.Runtime.Credentials;
using Amazon.S3;
using Amazon.S3.Model;
using Amazon.SecurityToken;
using Amazon.SecurityToken.Model;
using Amazon.SSO;
using Amazon.SSOOIDC;

namespace WalRus.Storage.S3;

/// <summary>Finds out how a bucket is reached: credentials, region, endpoint. Nothing here repeats or waits by itself.</summary>
internal static class S3ClientBuilder
{
    private const string DefaultRegion = "us-east-1";

    /// <param name="options">What is known.</param>
    /// <param name="cancellationToken">Ends the look-up of credentials and region.</param>
    public static async ValueTask<S3Access> BuildAsync(S3StoreOptions options, CancellationToken cancellationToken)
    {
        var connections = new S3HttpClientFactory(options);
        try
        {
            // Static keys are taken as they are: most archives have them, and then a WAL push needs nothing of the SDK.
            var found = options is { Keys: not null, RoleArn: null }
                ? null
                : await CredentialsAsync(options).WaitAsync(cancellationToken).ConfigureAwait(false);
            var region = options.Region ?? ProfileRegion(options);
            if (region is null && options.Endpoint is null)
            {
                using var anywhere = Create(options, DefaultRegion, found, connections);
                region = await AskRegionAsync(anywhere, options.Bucket, cancellationToken).ConfigureAwait(false);
            }

            return new S3Access(options, region ?? DefaultRegion, found, connections);
        }
        catch
        {
            connections.Dispose();
            throw;
        }
    }

    /// <summary>The region that a bucket lies in, as AWS tells any of its endpoints.</summary>
    internal static async ValueTask<string> AskRegionAsync(
        AmazonS3Client client, string bucket, CancellationToken cancellationToken)
    {
        var request = new GetBucketLocationRequest { BucketName = bucket };
        var answer = await client.GetBucketLocationAsync(request, cancellationToken).ConfigureAwait(false);

        // Two names from S3's first years: none for its first region, EU for its first in Europe.
        return answer.Location?.Value switch
        {
            null or "" or "US" => DefaultRegion,
            "EU" => "eu-west-1",
            var named => named,
        };
    }

    /// <param name="options">Where and how.</param>
    /// <param name="region">The bucket's.</param>
    /// <param name="credentials">Null: the options' keys.</param>
    /// <param name="connections">Stays the caller's.</param>
    internal static AmazonS3Client Create(
        S3StoreOptions options, string region, AWSCredentials? credentials, S3HttpClientFactory connections)
    {
        var config = new AmazonS3Config
        {
            ForcePathStyle = options.ForcePathStyle,
            UseDualstackEndpoint = options.DualStack,
            MaxErrorRetry = 0,
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
            HttpClientFactory = connections,
            HttpClientCacheSize = 1,
            BufferSize = 128 * 1024,
            AllowAutoRedirect = false,
        };
        if (options.EndpointUri is { } endpoint)
        {
            config.ServiceURL = endpoint.AbsoluteUri;
            config.AuthenticationRegion = region;
        }
        else
        {
            config.RegionEndpoint = RegionEndpoint.GetBySystemName(region);
        }

        var client = new AmazonS3Client(credentials ?? Static(options.Keys!), config);
        client.BeforeRequestEvent += (_, arguments) => Adjust(options, (WebServiceRequestEventArgs)arguments);
        return client;
    }

    /// <summary>Before signing, so that what is added is signed too.</summary>
    private static void Adjust(S3StoreOptions options, WebServiceRequestEventArgs request)
    {
        foreach (var (name, value) in options.AdditionalHeaders ?? new Dictionary<string, string>())
        {
            request.Headers[name] = value;
        }
    }

    private static async Task<AWSCredentials> CredentialsAsync(S3StoreOptions options)
    {
        var found = options.Keys is { } keys ? Static(keys)
            : options.Profile is { } profile ? OfProfile(profile, options.SharedCredentialsFile)
            : await OfAnySourceAsync().ConfigureAwait(false);
        return options.RoleArn is null
            ? found
            : new AssumedRoleCredentials(
                found,
                RegionEndpoint.GetBySystemName(options.Region ?? DefaultRegion),
                new AssumeRoleRequest { RoleArn = options.RoleArn, RoleSessionName = options.RoleSessionName });
    }

    private static AWSCredentials Static(S3Keys keys) => keys.SessionToken is { Length: > 0 } token
        ? new SessionAWSCredentials(keys.AccessKeyId, keys.SecretAccessKey, token)
        : new BasicAWSCredentials(keys.AccessKeyId, keys.SecretAccessKey);

    private static AWSCredentials OfProfile(string profile, string? file) =>
        new CredentialProfileStoreChain(file).TryGetAWSCredentials(profile, out var credentials)
            ? credentials
            : throw new WalRusException(
                ErrorCode.SettingInvalid,
                $"There is no AWS profile '{profile}' with credentials.",
                "Check AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE.");

    private static string? ProfileRegion(S3StoreOptions options) =>
        options is { Profile: { } profile, Endpoint: null }
        && new CredentialProfileStoreChain(options.SharedCredentialsFile).TryGetProfile(profile, out var found)
            ? found.Region?.SystemName
            : null;

    /// <summary>
    /// Environment, web identity, shared files (keys, roles, SSO, a process), container, instance. For some of these the
    /// SDK finds a client of another package by its name, which a trimmed program must be told to keep.
    /// </summary>
    [DynamicDependency(DynamicallyAccessedMemberTypes.PublicConstructors, typeof(AmazonSecurityTokenServiceClient))]
    [DynamicDependency(DynamicallyAccessedMemberTypes.PublicConstructors, typeof(AmazonSecurityTokenServiceConfig))]
    [DynamicDependency(DynamicallyAccessedMemberTypes.PublicConstructors, typeof(AmazonSSOClient))]
    [DynamicDependency(DynamicallyAccessedMemberTypes.PublicConstructors, typeof(AmazonSSOConfig))]
    [DynamicDependency(DynamicallyAccessedMemberTypes.PublicConstructors, typeof(AmazonSSOOIDCClient))]
    [DynamicDependency(DynamicallyAccessedMemberTypes.PublicConstructors, typeof(AmazonSSOOIDCConfig))]
    private static Task<AWSCredentials> OfAnySourceAsync() =>
        DefaultAWSCredentialsIdentityResolver.GetCredentialsAsync();
}
