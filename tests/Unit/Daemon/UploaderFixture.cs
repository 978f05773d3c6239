using System.Collections.Concurrent;
using WalRus.Archiving;
using WalRus.Daemon;
using WalRus.Storage;
using WalRus.Tests.Faults;
using WalRus.Tests.Wal;
using WalRus.Wal;

namespace WalRus.Tests.Daemon;

/// <summary>A look-ahead uploader over a folder of segments and a scripted store; uploads are seen as they begin.</summary>
internal sealed class UploaderFixture : IAsyncDisposable
{
    private readonly WalArchiveFixture archive = new();
    private readonly List<LookAheadUploader> uploaders = [];

    /// <summary>What the store does before a call; nothing unless set.</summary>
    public Func<StoreCall, string, long, ValueTask> Script { get; set; } = (_, _, _) => ValueTask.CompletedTask;

    /// <summary>The keys of uploads, in the order they began.</summary>
    public ConcurrentQueue<string> Begun { get; } = [];

    public RecordingLog Log { get; } = new();

    public DaemonFigures Figures { get; } = new(TimeProvider.System);

    public string WalFolder => archive.WalFolder;

    public string[] Objects => archive.Objects();

    public static string Name(int number, int timeline = 1) => $"{timeline:X8}00000000{number:X8}";

    public LookAheadUploader Start(int lanes = 4, LookAheadOptions? options = null, WalPushOptions? push = null)
    {
        var store = new FaultyObjectStore(archive.Archive.Store, async (call, key, position) =>
        {
            if (call == StoreCall.OpenWrite)
            {
                Begun.Enqueue(key);
            }

            await Script(call, key, position);
        });
        var uploader = new LookAheadUploader(
            new WalPush(
                archive.Archive with { Store = store },
                (push ?? new WalPushOptions()) with { UploadConcurrency = lanes },
                archive.Buffers,
                Log),
            options ?? new LookAheadOptions { ProbeInterval = TimeSpan.FromMilliseconds(20) },
            Figures,
            Log);
        uploaders.Add(uploader);
        return uploader;
    }

    /// <summary>Makes segments that PostgreSQL has finished.</summary>
    public void MakeReady(params string[] names) => Array.ForEach(names, name => SyntheticWal.Write(WalFolder, name, ready: true));

    public string PathOf(string name) => Path.Combine(WalFolder, name);

    /// <summary>Asks as PostgreSQL does, and as it does renames .ready to .done.</summary>
    public async Task AskAsync(LookAheadUploader uploader, string name)
    {
        await uploader.PushAsync(PathOf(name), TestContext.Current.CancellationToken);
        new ReadyFolder(WalFolder).MarkDone(name);
    }

    public static Task UntilAsync(Func<bool> condition) => PostgresCluster.UntilAsync(() => Task.FromResult(condition()));

    /// <summary>Fetches a segment from the archive.</summary>
    public async Task<byte[]> FetchAsync(string name)
    {
        var path = archive.Folder["fetched"];
        await archive.FetchAsync(name, path);
        return await File.ReadAllBytesAsync(path);
    }

    /// <summary>Every file of pg_wal is in the archive, byte by byte.</summary>
    public async Task AssertAllArchivedAsync(IEnumerable<string> names)
    {
        foreach (var name in names)
        {
            Assert.Equal(await File.ReadAllBytesAsync(PathOf(name)), await FetchAsync(name));
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var uploader in uploaders)
        {
            await uploader.DisposeAsync();
        }

        archive.Dispose();
    }
}
