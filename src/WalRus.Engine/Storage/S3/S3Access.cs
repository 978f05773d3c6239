using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;

namespace WalRus.Storage.S3;

/// <summary>A bucket that can be reached: the SDK's client, made when it is first needed, and the wire beside it.</summary>
internal sealed class S3Access : IDisposable
{
    private readonly Lazy<AmazonS3Client> client;
    private readonly S3HttpClientFactory connections;
    private readonly AWSCredentials? credentials;
    private readonly S3StoreOptions options;

    /// <param name="options">Where and how.</param>
    /// <param name="region">The bucket's.</param>
    /// <param name="credentials">Null: the options' keys.</param>
    /// <param name="connections">Becomes this object's.</param>
    public S3Access(S3StoreOptions options, string region, AWSCredentials? credentials, S3HttpClientFactory connections)
    {
        this.options = options;
        this.credentials = credentials;
        this.connections = connections;
        client = new(() => S3ClientBuilder.Create(options, region, credentials, connections));
        Wire = new S3Wire(options, connections.CreateInvoker(), BucketAddress(), new S3Signature(region), KeysAsync);
    }

    public AmazonS3Client Client => client.Value;

    public S3Wire Wire { get; }

    /// <summary>Throws away temporary credentials that the server calls expired. False when there are no others to be had.</summary>
    public bool RenewCredentials()
    {
        if (credentials is not RefreshingAWSCredentials renewable)
        {
            return false;
        }

        renewable.ClearCredentials();
        return true;
    }

    public void Dispose()
    {
        if (client.IsValueCreated)
        {
            client.Value.Dispose();
        }

        connections.Dispose();
    }

    /// <summary>
    /// With '/' at its end. The rules of host names (virtual hosts, regions, dual stack, IP addresses) are the SDK's; only
    /// an endpoint that is told to have the bucket in its path needs none.
    /// </summary>
    internal Uri BucketAddress()
    {
        var address = options is { ForcePathStyle: true, EndpointUri: { } endpoint }
            ? $"{endpoint.AbsoluteUri.TrimEnd('/')}/{options.Bucket}"
            : Client.DetermineServiceOperationEndpoint(new PutObjectRequest { BucketName = options.Bucket, Key = "x" }).URL;
        return new Uri(address.TrimEnd('/') + "/");
    }

    private ValueTask<S3Keys> KeysAsync() => credentials is null ? new(options.Keys!) : AskKeysAsync(credentials);

    private static async ValueTask<S3Keys> AskKeysAsync(AWSCredentials source)
    {
        var current = await source.GetCredentialsAsync().ConfigureAwait(false);
        return new S3Keys(current.AccessKey, current.SecretKey, current.UseToken ? current.Token : null);
    }
}
