using WalRus.Archiving;
using WalRus.Compression;
using WalRus.Storage.FileSystem;
using WalRus.Streaming;
using WalRus.Wal;

namespace WalRus.Tests.Wal;

/// <summary>An archive in a folder and a server's pg_wal beside it.</summary>
internal sealed class WalArchiveFixture : IDisposable
{
    public WalArchiveFixture(string method = "lz4")
    {
        Directory.CreateDirectory(ArchiveFolder);
        Directory.CreateDirectory(WalFolder);
        Archive = new Archive(
            new FileSystemObjectStore(ArchiveFolder), Codecs.Create(method), Codecs.ReadOrder, Crypter: null);
    }

    public TemporaryFolder Folder { get; } = new();

    public string ArchiveFolder => Folder["archive"];

    public string WalFolder => Folder["pg_wal"];

    public Archive Archive { get; }

    public NativeBufferPool Buffers { get; } = new(64 << 20);

    public WalPush Push(WalPushOptions? options = null) =>
        new(Archive, options ?? new WalPushOptions(), Buffers, NullEventLog.Instance);

    public WalFetch Fetch(WalFetchOptions? options = null) =>
        new(Archive, options ?? new WalFetchOptions(), Buffers, NullEventLog.Instance);

    public WalPrefetch Prefetch(WalFetchOptions? options = null) =>
        new(Archive, options ?? new WalFetchOptions(), Buffers, NullEventLog.Instance);

    public Task<WalPushResult> PushAsync(string path, WalPushOptions? options = null) =>
        Push(options).RunAsync(new WalPushRequest { Path = path }, TestContext.Current.CancellationToken);

    public Task<WalFetchResult> FetchAsync(string name, string destination, WalFetchOptions? options = null) =>
        Fetch(options).RunAsync(
            new WalFetchRequest { Name = name, Destination = destination }, TestContext.Current.CancellationToken);

    /// <summary>Everything the archive's folder holds, as keys.</summary>
    public string[] Objects() =>
        [.. Directory.EnumerateFiles(ArchiveFolder, "*", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(ArchiveFolder, path).Replace('\\', '/')).Order(StringComparer.Ordinal)];

    public void Dispose()
    {
        Buffers.Dispose();
        Folder.Dispose();
    }
}
