using WalRus.Storage;
using WalRus.Storage.S3;
using WalRus.Streaming;
using WalRus.Tests.Contracts;
using static WalRus.Tests.Contracts.StoreExtensions;

namespace WalRus.Tests.Storage;

/// <summary>What the process allocates while objects go by, when nothing else runs.</summary>
[Collection(AloneCollection.Name)]
public sealed class S3MemoryTests : IAsyncLifetime
{
    private readonly NativeBufferPool buffers = new(40 << 20);
    private S3Bucket? bucket;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => bucket = await S3Server.NewBucketAsync();

    public async ValueTask DisposeAsync()
    {
        if (bucket is not null)
        {
            await bucket.DisposeAsync();
        }

        buffers.Dispose();
    }

    [Fact]
    public async Task A_download_allocates_little_beside_the_callers_buffer()
    {
        await using var store = new S3ObjectStore(bucket!.Options(), buffers);
        await store.PutAsync("x", Bytes(16 << 20));
        var buffer = new byte[128 * 1024];
        await ReadAsync();
        var before = GC.GetTotalAllocatedBytes(precise: true);
        await ReadAsync();
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 1 << 20);

        async Task ReadAsync()
        {
            await using var stream = await store.OpenReadAsync(ObjectKey.Parse("x"), new ByteRange(0, null), Cancel);
            while (await stream.ReadAsync(buffer, Cancel) > 0)
            {
            }
        }
    }

    [Fact]
    public async Task An_upload_allocates_little_and_takes_its_memory_from_the_pool()
    {
        await using var store = new S3ObjectStore(bucket!.Options(), buffers);
        var content = Bytes(7 << 20);
        await store.PutAsync("x", content);
        var before = GC.GetTotalAllocatedBytes(precise: true);
        await store.PutAsync("x", content);
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 100_000);
        Assert.Equal(0, buffers.RentedBytes);
    }
}
