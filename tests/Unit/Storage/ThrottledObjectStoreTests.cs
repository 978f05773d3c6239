using WalRus.Storage;
using WalRus.Storage.FileSystem;
using WalRus.Streaming;
using WalRus.Tests.Contracts;

namespace WalRus.Tests.Storage;

/// <summary>A throttled store keeps the contract, and its rate.</summary>
public sealed class ThrottledObjectStoreTests : ObjectStoreContract
{
    private readonly DirectoryInfo root = Directory.CreateTempSubdirectory("walrus-throttled-");

    [Fact]
    public async Task Writing_and_reading_share_the_rate()
    {
        var time = new ManualTime { AutoAdvance = true };
        await using var throttled = new ThrottledObjectStore(
            new FileSystemObjectStore(root.FullName), new RateLimiter(1_000_000, time));
        var start = time.GetUtcNow();
        await throttled.PutAsync("x", new byte[3_000_000]);
        await throttled.GetAsync("x", new ByteRange(0, 2_000_000));
        Assert.InRange((time.GetUtcNow() - start).TotalSeconds, 4.8, 5.1);
    }

    protected override ValueTask<IObjectStore> CreateStoreAsync() => new(new ThrottledObjectStore(
        new FileSystemObjectStore(root.FullName), new RateLimiter(10L << 30)));

    protected override ValueTask RemoveStoreAsync()
    {
        root.Delete(recursive: true);
        return ValueTask.CompletedTask;
    }

    protected override ValueTask<IReadOnlyList<string>> GarbageAsync() => new([]);
}
