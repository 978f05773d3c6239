using Amazon.Runtime;
using Amazon.SecurityToken;
using Amazon.SecurityToken.Model;

namespace WalRus.Storage.S3;

/// <summary>
/// Credentials of a role, taken on with others and renewed before they end. The SDK's own class finds its client by
/// reflection, which a trimmed program does not keep.
/// </summary>
internal sealed class AssumedRoleCredentials : RefreshingAWSCredentials
{
    private readonly AWSCredentials source;
    private readonly Amazon.RegionEndpoint region;
    private readonly AssumeRoleRequest request;

    public AssumedRoleCredentials(AWSCredentials source, Amazon.RegionEndpoint region, AssumeRoleRequest request)
    {
        this.source = source;
        this.region = region;
        this.request = request;
        PreemptExpiryTime = TimeSpan.FromMinutes(5);
    }

    protected override async Task<CredentialsRefreshState> GenerateNewCredentialsAsync()
    {
        using var client = new AmazonSecurityTokenServiceClient(source, region);
        var answer = await client.AssumeRoleAsync(request).ConfigureAwait(false);
        var given = answer.Credentials;
        return new CredentialsRefreshState(
            new ImmutableCredentials(given.AccessKeyId, given.SecretAccessKey, given.SessionToken),
            given.Expiration ?? DateTime.UtcNow.AddMinutes(30));
    }

    /// <summary>The engine asks asynchronously only; the SDK's base class wants both.</summary>
    protected override CredentialsRefreshState GenerateNewCredentials() =>
        GenerateNewCredentialsAsync().GetAwaiter().GetResult();
}
