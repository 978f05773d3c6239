using System.Security.Cryptography;
using Amazon.S3;
using Amazon.S3.Model;
using WalRus.Storage;
using WalRus.Storage.S3;
using WalRus.Streaming;
using WalRus.Tests.Contracts;
using static WalRus.Tests.Contracts.StoreExtensions;
using ByteRange = WalRus.Storage.ByteRange;

namespace WalRus.Tests.Storage;

/// <summary>What the S3 store does beyond the contract, on the real server.</summary>
public sealed class S3ObjectStoreTests : IAsyncLifetime
{
    private const int Part = S3StoreOptions.SmallestPartBytes;

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

        Assert.Equal(0, buffers.RentedBytes);
        buffers.Dispose();
    }

    [Theory]
    [InlineData(100)]
    [InlineData(Part + 100)]
    public async Task An_object_under_the_customers_key_is_read_only_with_that_key(int size)
    {
        var key = RandomNumberGenerator.GetBytes(32);
        await using var store = Store(options => options with { ServerSideEncryption = "AES256", CustomerKey = key });
        await store.PutAsync("sse-c", Bytes(size));
        Assert.Equal(Bytes(size), await store.GetAsync("sse-c"));
        Assert.Equal(size, (await store.HeadAsync(ObjectKey.Parse("sse-c"), Cancel))?.SizeBytes);
        await using var keyless = Store();
        await keyless.GetAsync("sse-c").FailsAsync(ErrorCode.StoreFailed);
    }

    [Theory]
    [InlineData(100)]
    [InlineData(Part + 100)]
    public async Task An_object_under_a_kms_key_says_so(int size)
    {
        await using var store = Store(options => options with { ServerSideEncryption = "aws:kms", KmsKeyId = "testkey-1" });
        await store.PutAsync("sse-kms", Bytes(size));
        Assert.Equal(Bytes(size), await store.GetAsync("sse-kms"));
        var facts = await S3Server.Client.GetObjectMetadataAsync(bucket!.Name, "sse-kms", Cancel);
        Assert.Equal(ServerSideEncryptionMethod.AWSKMS, facts.ServerSideEncryptionMethod);
        Assert.Equal("testkey-1", facts.ServerSideEncryptionKeyManagementServiceKeyId);
    }

    [Fact]
    public async Task An_unknown_storage_class_is_refused_and_a_known_one_taken()
    {
        await using var standard = Store(options => options with { StorageClass = "STANDARD" });
        await standard.PutAsync("standard", Bytes(10));
        await using var unknown = Store(options => options with { StorageClass = "NO_SUCH_CLASS" });
        await unknown.PutAsync("unknown", Bytes(10)).FailsAsync(ErrorCode.StoreFailed);
        await unknown.PutAsync("unknown", Bytes(Part + 10)).FailsAsync(ErrorCode.StoreFailed);
    }

    [Fact]
    public async Task Nothing_outside_the_prefix_is_seen()
    {
        await using var outside = Store();
        await using var inside = Store(options => options with { Prefix = "a/b" });
        await outside.PutAsync("a/bc/x", Bytes(1));
        await outside.PutAsync("a/b-x", Bytes(1));
        await outside.PutAsync("a/b/inside", Bytes(1));
        Assert.Equal(["inside"], await inside.NamesAsync(new ListRequest { Folder = "", Recursive = true }));
        Assert.Equal("s3://" + bucket!.Name + "/a/b", inside.Location);
        await S3Server.Client.PutObjectAsync(new PutObjectRequest { BucketName = bucket.Name, Key = "a/b/", ContentBody = "" }, Cancel);
        Assert.Equal(["inside"], await inside.NamesAsync(new ListRequest { Folder = "" }));
    }

    [Theory]
    [InlineData(null, 0)]
    [InlineData(true, 0)]
    [InlineData(false, 4)]
    public async Task Deleting_in_a_versioned_bucket_removes_every_version_unless_told_not_to(bool? deleteVersions, int left)
    {
        await S3Server.Client.PutBucketVersioningAsync(
            new PutBucketVersioningRequest
            {
                BucketName = bucket!.Name,
                VersioningConfig = new S3BucketVersioningConfig { Status = VersionStatus.Enabled },
            },
            Cancel);
        await using var store = Store(options => options with { DeleteVersions = deleteVersions, DeleteBatchSize = 2 });
        for (var version = 0; version < 3; version++)
        {
            await store.PutAsync("kept/x", Bytes(10, version));
        }

        await store.PutAsync("kept/x.lz4", Bytes(10));
        Assert.Empty((await store.DeleteAsync([ObjectKey.Parse("kept/x")], Cancel)).Failed);
        Assert.Equal(["kept/x.lz4"], await store.NamesAsync(new ListRequest { Folder = "", Recursive = true }));
        var versions = await S3Server.Client.ListVersionsAsync(bucket.Name, "kept/x", Cancel);
        Assert.Equal(left, versions.Versions.Count(version => version.Key == "kept/x"));
    }

    [Fact]
    public async Task Single_deletes_work_too()
    {
        await using var store = Store(options => options with { DeleteBatchSize = 1 });
        await store.PutAsync("one", Bytes(1));
        await store.PutAsync("two", Bytes(1));
        var result = await store.DeleteAsync([.. new[] { "one", "none" }.Select(ObjectKey.Parse)], Cancel);
        Assert.Equal(2, result.DeletedCount);
        Assert.Empty(result.Failed);
        Assert.Equal(["two"], await store.NamesAsync(new ListRequest { Folder = "" }));
    }

    [Fact]
    public async Task A_bucket_that_is_not_there_is_StoreNotFound_for_every_call()
    {
        await using var store = Store(options => options with { Bucket = "walrus-no-such-bucket" });
        await store.GetAsync("x").FailsAsync(ErrorCode.StoreNotFound);
        await store.HasAsync("x").FailsAsync(ErrorCode.StoreNotFound);
        await store.PutAsync("x", Bytes(1)).FailsAsync(ErrorCode.StoreNotFound);
        await store.NamesAsync(new ListRequest { Folder = "" }).FailsAsync(ErrorCode.StoreNotFound);
        await store.DeleteAsync([ObjectKey.Parse("x")], Cancel).AsTask().FailsAsync(ErrorCode.StoreNotFound);
    }

    [Fact]
    public async Task Wrong_keys_are_StoreAccessDenied()
    {
        await using var wrongSecret = Store(options => options with { Keys = new S3Keys("testaccesskey", "wrong") });
        var failure = await wrongSecret.GetAsync("x").FailsAsync(ErrorCode.StoreAccessDenied);
        Assert.Contains("AWS_SECRET_ACCESS_KEY", failure.Hint, StringComparison.Ordinal);
        await using var nobody = Store(options => options with { Keys = new S3Keys("nobody", "wrong") });
        await nobody.HasAsync("x").FailsAsync(ErrorCode.StoreAccessDenied);
    }

    [Fact]
    public async Task Many_large_objects_at_once_stay_within_the_pool()
    {
        using var small = new NativeBufferPool(11 << 20);
        await using var store = new S3ObjectStore(bucket!.Options(), small);
        await Parallel.ForEachAsync(
            Enumerable.Range(0, 6),
            new ParallelOptions { MaxDegreeOfParallelism = 6, CancellationToken = Cancel },
            async (writer, _) =>
            {
                await store.PutAsync($"large/{writer}", Bytes((2 * Part) + (writer * 1000), writer));
                Assert.InRange(small.RentedBytes, 0, small.BudgetBytes);
            });
        for (var writer = 0; writer < 6; writer++)
        {
            Assert.Equal(Bytes((2 * Part) + (writer * 1000), writer), await store.GetAsync($"large/{writer}"));
        }

        Assert.Equal(0, small.RentedBytes);
    }

    [Theory]
    [InlineData(WriteCondition.None)]
    [InlineData(WriteCondition.IfAbsent)]
    public async Task Many_lanes_with_the_smallest_budget_wait_for_each_other_and_all_end(WriteCondition condition)
    {
        using var small = new NativeBufferPool(8 << 20);
        await using var store = new S3ObjectStore(bucket!.Options(), small);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        limit.CancelAfter(TimeSpan.FromMinutes(1));
        await Parallel.ForEachAsync(
            Enumerable.Range(0, 32),
            new ParallelOptions { MaxDegreeOfParallelism = 32, CancellationToken = limit.Token },
            async (writer, cancel) =>
            {
                await using var stream = await store.OpenWriteAsync(ObjectKey.Parse($"lane/{writer}"), condition, cancel);
                var bytes = Bytes(Part + (writer * 1000), writer);
                foreach (var piece in bytes.Chunk(100_000))
                {
                    await stream.WriteAsync(piece, cancel);
                    await Task.Yield();
                }

                await stream.CompleteAsync(cancel);
            });
        Assert.Equal(Bytes(Part + 31_000, 31), await store.GetAsync("lane/31"));
        Assert.Equal(0, small.RentedBytes);
    }

    [Fact]
    public async Task A_profile_of_a_shared_file_gives_the_keys_and_a_missing_one_is_named()
    {
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(
            file, "[walrus]\naws_access_key_id=testaccesskey\naws_secret_access_key=testsecretkey\n", Cancel);
        await using var store = Store(
            options => options with { Keys = null, Profile = "walrus", SharedCredentialsFile = file });
        await store.PutAsync("x", Bytes(10));
        await using var missing = Store(
            options => options with { Keys = null, Profile = "another", SharedCredentialsFile = file });
        var failure = await missing.GetAsync("x").FailsAsync(ErrorCode.SettingInvalid);
        Assert.Contains("another", failure.Message, StringComparison.Ordinal);
        File.Delete(file);
    }

    private S3ObjectStore Store(Func<S3StoreOptions, S3StoreOptions>? change = null)
    {
        var options = bucket!.Options();
        return new S3ObjectStore(change is null ? options : change(options), buffers);
    }
}
