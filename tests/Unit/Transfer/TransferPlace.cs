using WalRus.Archiving;
using WalRus.Compression;
using WalRus.Encryption;
using WalRus.Storage;
using WalRus.Storage.FileSystem;
using WalRus.Storage.S3;
using WalRus.Streaming;
using WalRus.Tests.Contracts;
using WalRus.Tests.EndToEnd;

namespace WalRus.Tests.Transfer;

/// <summary>A real store of one test's own: a folder or a bucket.</summary>
internal sealed class TransferPlace : IAsyncDisposable
{
    private readonly S3Bucket? bucket;

    private TransferPlace(TemporaryFolder? folder, S3Bucket? bucket)
    {
        Folder = folder;
        this.bucket = bucket;
        Store = folder is not null
            ? new FileSystemObjectStore(folder.FullName) : new S3ObjectStore(bucket!.Options("cluster"), Buffers);
    }

    public NativeBufferPool Buffers { get; } = new(40 << 20);

    /// <summary>Null for a bucket.</summary>
    public TemporaryFolder? Folder { get; }

    public IObjectStore Store { get; }

    /// <summary>The settings that name this place.</summary>
    public Dictionary<string, string> Settings => bucket is null
        ? new() { ["WALG_FILE_PREFIX"] = Folder!.FullName } : ArchivedCluster.SettingsOf(bucket);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <param name="kind">"folder" or "bucket".</param>
    public static async Task<TransferPlace> NewAsync(string kind) =>
        kind == "bucket" ? new TransferPlace(null, await S3Server.NewBucketAsync()) : new TransferPlace(new TemporaryFolder(), null);

    /// <summary>A place that holds a golden archive: a full backup and two deltas, lzma.</summary>
    public static async Task<TransferPlace> GoldenAsync(string kind)
    {
        var golden = GoldenArchive.InRepository().Single(archive => archive.Name == "walg-pg18-lzma-walmap");
        var place = await NewAsync(kind);
        if (place.Folder is not null)
        {
            golden.Unpack(place.Folder.FullName);
            return place;
        }

        // Sentinels oldest first and a second apart: their times are the order of backups.
        var sentinels = new List<(string Key, byte[] Content)>();
        foreach (var (key, content, _) in golden.Objects(_ => true))
        {
            using var copy = new MemoryStream();
            await content.CopyToAsync(copy, Token);
            if (key.EndsWith("_sentinel.json", StringComparison.Ordinal))
            {
                sentinels.Add((key, copy.ToArray()));
            }
            else
            {
                await place.Store.PutAsync(key, copy.ToArray());
            }
        }

        foreach (var (key, content) in sentinels.OrderBy(one => one.Key, StringComparer.Ordinal))
        {
            await place.Store.PutAsync(key, content);
        }

        return place;
    }

    public Archive Archive(Codec? codec = null, Crypter? crypter = null, IObjectStore? over = null) =>
        new(over ?? Store, codec ?? new Lz4Codec(), Codecs.ReadOrder, crypter);

    /// <summary>Every key in order.</summary>
    public Task<string[]> KeysAsync(string folder = "") => Store.NamesAsync(new ListRequest { Folder = folder, Recursive = true });

    /// <summary>Fails unless these keys hold the same bytes here and there.</summary>
    public async Task AssertSameAsync(TransferPlace other, IEnumerable<string> keys)
    {
        foreach (var key in keys)
        {
            var (here, there) = (await Store.GetAsync(key), await other.Store.GetAsync(key));
            Assert.True(here.AsSpan().SequenceEqual(there), $"{key} differs");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync();
        Assert.Equal(0, Buffers.RentedBytes);
        Buffers.Dispose();
        Folder?.Dispose();
        if (bucket is not null)
        {
            await bucket.DisposeAsync();
        }
    }
}
