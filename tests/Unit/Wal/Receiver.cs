using WalRus.Postgres;
using WalRus.Protocol;
using WalRus.Tests.Faults;
using WalRus.Wal;

namespace WalRus.Tests.Wal;

/// <summary>Receives from a server into an archive in a folder, and compares with what the server archived itself.</summary>
internal sealed class Receiver : IAsyncDisposable
{
    private readonly WalArchiveFixture archive = new();
    private CancellationTokenSource stop = new();
    private Task<WalReceiveStatistics>? running;

    public RecordingLog Log { get; } = new();

    public List<ReceivedWal> Durable { get; } = [];

    public string Folder => archive.Folder["received"];

    /// <summary>No object can be written.</summary>
    public bool StoreIsAway { get; set; }

    public string? Slot { get; init; } = "walg";

    public bool RecordsDelta { get; init; }

    public int WaitingSegments { get; init; } = 64;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public WalReceive Create(PostgresConnectionSettings connection, IEventLog? log = null)
    {
        log ??= Log;
        var store = archive.Archive with
        {
            Store = new FaultyObjectStore(archive.Archive.Store, (call, _, _) =>
            {
                if (StoreIsAway && call == StoreCall.OpenWrite)
                {
                    throw FaultyObjectStore.Transient();
                }
            }),
        };
        return new WalReceive(
            store, new WalPush(store, new WalPushOptions { RecordsDelta = RecordsDelta }, archive.Buffers, log), connection,
            new WalReceiveOptions
            {
                Folder = Folder,
                SlotName = Slot,
                Lanes = 4,
                WaitingSegments = WaitingSegments,
                StatusInterval = TimeSpan.FromSeconds(1),
                DrainLimit = TimeSpan.FromSeconds(StoreIsAway ? 1 : 20),
            },
            archive.Buffers, log);
    }

    public void Start(PostgresConnectionSettings connection, WalReceiveRequest? request = null)
    {
        stop = new CancellationTokenSource();
        running = Create(connection).RunAsync(
            (request ?? new WalReceiveRequest()) with
            {
                Stop = stop.Token,
                OnDurable = (file, _) =>
                {
                    lock (Durable)
                    {
                        Durable.Add(file);
                    }

                    return ValueTask.CompletedTask;
                },
            },
            Token);
    }

    public async Task<WalReceiveStatistics> StopAsync()
    {
        await stop.CancelAsync();
        return await running!.WaitAsync(TimeSpan.FromSeconds(30), Token);
    }

    public Task<WalReceiveStatistics> EndAsync() => running!.WaitAsync(TimeSpan.FromSeconds(30), Token);

    /// <summary>Waits until the archive holds a file; fails at once when receiving has ended.</summary>
    public Task UntilArchivedAsync(string name) => PostgresCluster.UntilAsync(async () =>
    {
        if (running!.IsCompleted)
        {
            await running;
        }

        return Names().Contains(name);
    });

    /// <summary>The WAL files that the archive holds.</summary>
    public string[] Names() =>
        [.. archive.Objects().Select(key => key["wal_005/".Length..].Replace(".lz4", "", StringComparison.Ordinal))];

    public async Task<byte[]> ReadAsync(string name)
    {
        var path = archive.Folder[$"fetched-{Guid.NewGuid():N}"];
        await archive.FetchAsync(name, path);
        return await File.ReadAllBytesAsync(path, Token);
    }

    /// <summary>Every segment from the first received one to <paramref name="last"/> is there and is what the server archived.</summary>
    public async Task<int> AssertEqualToAsync(PostgresCluster cluster, string last, int megabytes = 16)
    {
        var size = WalSegmentSize.FromBytes(megabytes << 20);
        var name = WalFileName.Parse(Names().First(item => item.Length == 24));
        var count = 0;
        for (; name <= WalFileName.Parse(last); name = name.Next(size))
        {
            var own = await File.ReadAllBytesAsync(Path.Combine(cluster.ArchiveFolder, name.ToString()), Token);
            var received = await ReadAsync(name.ToString());
            Assert.True(own.AsSpan().SequenceEqual(received), $"{name} differs at {own.AsSpan().CommonPrefixLength(received)}");
            count++;
        }

        return count;
    }

    public static Task UntilStreamingAsync(PostgresCluster cluster, int count = 1) => PostgresCluster.UntilAsync(
        () => cluster.ScalarAsync<bool>($"SELECT count(*) >= {count} FROM pg_stat_replication WHERE state = 'streaming'"));

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        if (running is not null)
        {
            await ((Task)running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        stop.Dispose();
        archive.Dispose();
    }
}
