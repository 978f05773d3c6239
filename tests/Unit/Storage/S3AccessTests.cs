using Amazon.S3.Model;
using WalRus.Storage.S3;

namespace WalRus.Tests.Storage;

/// <summary>Requests of ours go where the SDK's go.</summary>
public sealed class S3AccessTests
{
    [Theory]
    [InlineData("bucket", null, "eu-west-1", false, false, "https://bucket.s3.eu-west-1.amazonaws.com/")]
    [InlineData("bucket", null, "us-east-1", true, false, "https://s3.us-east-1.amazonaws.com/bucket/")]
    [InlineData("bucket", null, "eu-west-1", false, true, "https://bucket.s3.dualstack.eu-west-1.amazonaws.com/")]
    [InlineData("dotted.name", null, "eu-west-1", false, false, "https://s3.eu-west-1.amazonaws.com/dotted.name/")]
    [InlineData("bucket", "store.example", "any", false, false, "https://bucket.store.example/")]
    [InlineData("bucket", "http://store.example:9000", "any", false, false, "http://bucket.store.example:9000/")]
    [InlineData("bucket", "http://127.0.0.1:9000", "any", false, false, "http://127.0.0.1:9000/bucket/")]
    [InlineData("bucket", "http://127.0.0.1:9000/", "any", true, false, "http://127.0.0.1:9000/bucket/")]
    [InlineData("bucket", "https://store.example/s3", "any", true, false, "https://store.example/s3/bucket/")]
    public async Task A_buckets_address_follows_from_endpoint_region_and_style(
        string bucket, string? endpoint, string region, bool pathStyle, bool dualStack, string expected)
    {
        using var access = await S3ClientBuilder.BuildAsync(
            new S3StoreOptions
            {
                Bucket = bucket,
                Endpoint = endpoint,
                Region = region,
                ForcePathStyle = pathStyle,
                DualStack = dualStack,
                Keys = new S3Keys("AKID", "secret"),
            },
            TestContext.Current.CancellationToken);
        Assert.Equal(expected, access.BucketAddress().AbsoluteUri);
        var sdk = access.Client.DetermineServiceOperationEndpoint(new PutObjectRequest { BucketName = bucket, Key = "x" });
        Assert.Equal(expected, sdk.URL.TrimEnd('/') + "/");
    }
}
