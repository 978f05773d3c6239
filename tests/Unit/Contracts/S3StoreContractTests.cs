using WalRus.Storage;
using WalRus.Storage.S3;
using WalRus.Streaming;

namespace WalRus.Tests.Contracts;

/// <summary>The contract on a real server, below a prefix.</summary>
public class S3StoreContractTests : ObjectStoreContract
{
    private readonly NativeBufferPool buffers = new(40 << 20);
    private S3Bucket? bucket;

    protected override int[] BoundarySizes =>
    [
        65_535, 65_536, 65_537,
        S3StoreOptions.SmallestPartBytes - 1, S3StoreOptions.SmallestPartBytes, S3StoreOptions.SmallestPartBytes + 1,
        (2 * S3StoreOptions.SmallestPartBytes) - 1, 2 * S3StoreOptions.SmallestPartBytes,
    ];

    [Fact]
    public async Task A_listing_comes_in_the_order_of_keys()
    {
        Assert.True(Store.Features.HasFlag(StoreFeatures.OrderedListing));
        foreach (var key in new[] { "b/2", "a-b", "a/1", "c", "B", "a/0", "é" })
        {
            await Store.PutAsync(key, StoreExtensions.Bytes(1));
        }

        var listed = (await Store.ListAsync(new ListRequest { Folder = "", Recursive = true })).Select(entry => entry.Key.ToString()).ToList();
        Assert.Equal(listed.Order(StringComparer.Ordinal), listed);
    }

    protected override async ValueTask<IObjectStore> CreateStoreAsync()
    {
        bucket = await S3Server.NewBucketAsync();
        return new S3ObjectStore(OptionsOf(bucket), buffers);
    }

    private protected virtual S3StoreOptions OptionsOf(S3Bucket from) => from.Options("some/prefix");

    protected override async ValueTask RemoveStoreAsync()
    {
        Assert.Equal(0, buffers.RentedBytes);
        buffers.Dispose();
        await bucket!.DisposeAsync();
    }

    protected override async ValueTask<IReadOnlyList<string>> GarbageAsync() => await bucket!.UnfinishedUploadsAsync();
}

/// <summary>The contract over TLS, with the older listing, small deletes, no prefix and no parallel parts.</summary>
public sealed class S3StoreOldProtocolContractTests : S3StoreContractTests
{
    private protected override S3StoreOptions OptionsOf(S3Bucket from) => from.Options() with
    {
        Endpoint = S3Server.TlsEndpoint.AbsoluteUri,
        CaCertificateFile = S3Server.CaFile,
        ListV1 = true,
        DeleteBatchSize = 100,
        Disable100Continue = true,
        UploadConcurrency = 1,
    };
}
