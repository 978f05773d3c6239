using WalRus.Compression;
using WalRus.Daemon;
using WalRus.Storage;
using WalRus.Tests.Faults;
using WalRus.Tests.Wal;
using WalRus.Wal;

namespace WalRus.Tests.Daemon;

public sealed class LookAheadFetcherTests : IAsyncDisposable
{
    private readonly WalArchiveFixture archive = new();
    private readonly ManualTime time = new();
    private readonly List<LookAheadFetcher> fetchers = [];
    private Action<StoreCall, string, long> script = (_, _, _) => { };

    public LookAheadFetcherTests() => Directory.CreateDirectory(archive.Folder["restore"]);

    private string Destination => archive.Folder["restore", "RECOVERYXLOG"];

    [Fact]
    public async Task A_replay_gets_every_segment_byte_by_byte_and_all_but_the_first_were_there_before_it_asked()
    {
        await StoreAsync(1, 24);
        var fetcher = Start();
        var taken = 0;
        for (var number = 1; number <= 24; number++)
        {
            // What is under way ends first, so that how fast this machine is does not matter.
            await PostgresCluster.UntilAsync(() => Task.FromResult(number == 1 || Ready().Contains(Name(number))));
            taken += await FetchAsync(fetcher, Name(number)) == WalFetchSource.Prefetched ? 1 : 0;
        }

        Assert.Equal(23, taken);
        var end = await Assert.ThrowsAsync<WalRusException>(() => FetchAsync(fetcher, Name(25)));
        Assert.Equal(ErrorCode.WalSegmentNotFound, end.Code);
        await PostgresCluster.UntilAsync(() => Task.FromResult(Waiting().Length == 0));
    }

    [Fact]
    public async Task Segments_that_wait_and_those_on_their_way_stay_within_the_number_and_the_disk_budget()
    {
        await StoreAsync(1, 12);
        var most = 0;
        script = (_, _, _) => most = Math.Max(most, Waiting().Length);
        var fetcher = Start(new WalFetchOptions { PrefetchBytes = (3 * SyntheticWal.Small.Bytes) + 17 });
        for (var number = 1; number <= 9; number++)
        {
            await FetchAsync(fetcher, Name(number));
            string[] expected = [Name(number + 1), Name(number + 2), Name(number + 3)];
            await PostgresCluster.UntilAsync(() => Task.FromResult(Ready().SequenceEqual(expected)));
        }

        Assert.InRange(most, 1, 4);
    }

    [Fact]
    public async Task Without_room_for_one_segment_or_with_a_concurrency_of_one_nothing_is_fetched_ahead()
    {
        await StoreAsync(1, 3);
        var fetcher = Start(new WalFetchOptions { PrefetchBytes = SyntheticWal.Small.Bytes - 1 });
        await FetchAsync(fetcher, Name(1));
        await FetchAsync(Start(new WalFetchOptions { DownloadConcurrency = 1 }), Name(1));
        Assert.False(Directory.Exists(archive.Folder["restore", ".wal-g", "prefetch", "running"]));
    }

    [Fact]
    public async Task A_replay_that_jumps_to_another_timeline_leaves_nothing_of_the_one_before()
    {
        await StoreAsync(1, 12);
        await StoreAsync(4, 12, timeline: 2);
        var fetcher = Start(new WalFetchOptions { DownloadConcurrency = 4 });
        await FetchAsync(fetcher, Name(1));
        await PostgresCluster.UntilAsync(() => Task.FromResult(Ready().Length == 4));
        await FetchAsync(fetcher, Name(4, 2));
        string[] expected = [Name(5, 2), Name(6, 2), Name(7, 2), Name(8, 2)];
        await PostgresCluster.UntilAsync(() => Task.FromResult(Waiting().SequenceEqual(expected)));
    }

    [Fact]
    public async Task A_segment_of_a_timeline_that_is_not_there_moves_nothing()
    {
        await StoreAsync(1, 5);
        var fetcher = Start();
        await FetchAsync(fetcher, Name(1));
        await PostgresCluster.UntilAsync(() => Task.FromResult(Ready().Length == 4));

        // PostgreSQL tries the newest timeline first.
        await Assert.ThrowsAsync<WalRusException>(() => FetchAsync(fetcher, Name(2, 2)));
        Assert.Equal(4, Ready().Length);
        Assert.Equal(WalFetchSource.Prefetched, await FetchAsync(fetcher, Name(2)));
    }

    [Fact]
    public async Task A_replay_that_begins_again_keeps_what_lies_in_its_new_window_only()
    {
        await StoreAsync(1, 12);
        var fetcher = Start(new WalFetchOptions { DownloadConcurrency = 4 });
        await FetchAsync(fetcher, Name(5));
        await PostgresCluster.UntilAsync(() => Task.FromResult(Ready().Length == 4));
        await FetchAsync(fetcher, Name(2));
        string[] expected = [Name(3), Name(4), Name(5), Name(6)];
        await PostgresCluster.UntilAsync(() => Task.FromResult(Waiting().SequenceEqual(expected)));
    }

    [Fact]
    public async Task A_standby_at_the_end_finds_the_next_segment_here_soon_after_it_was_archived()
    {
        await StoreAsync(1, 1);
        var finds = 0;
        script = (call, key, _) => finds += call == StoreCall.Head && key.Contains(Name(2), StringComparison.Ordinal) ? 1 : 0;
        var fetcher = Start();
        await FetchAsync(fetcher, Name(1));
        await Assert.ThrowsAsync<WalRusException>(() => FetchAsync(fetcher, Name(2)));
        await StoreAsync(2, 2);

        // Nobody asks; the next look brings it.
        time.Advance(TimeSpan.FromSeconds(6));
        await PostgresCluster.UntilAsync(() => Task.FromResult(Ready().SequenceEqual([Name(2)])));
        var before = finds;
        Assert.Equal(WalFetchSource.Prefetched, await FetchAsync(fetcher, Name(2)));
        Assert.Equal(before, finds);
    }

    [Fact]
    public async Task The_archive_is_not_asked_again_and_again_for_what_it_does_not_hold()
    {
        await StoreAsync(1, 1);
        var finds = 0;
        script = (call, _, _) => finds += call == StoreCall.Head ? 1 : 0;
        var fetcher = Start();
        await FetchAsync(fetcher, Name(1));
        await Assert.ThrowsAsync<WalRusException>(() => FetchAsync(fetcher, Name(2)));
        for (var minutes = 0; minutes < 10; minutes++)
        {
            time.Advance(TimeSpan.FromMinutes(1));
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }

        // One look is one HEAD a codec: for the first, the second, and as many ahead as there are lanes, when the first came,
        // when the second was asked for and when the first minute began. Looking at every tick would be forty looks more.
        Assert.InRange(finds, 2, (2 + (3 * WalPrefetch.MaxLanes)) * Codecs.ReadOrder.Count);
        await PostgresCluster.UntilAsync(() => Task.FromResult(Waiting().Length == 0));
    }

    [Fact]
    public async Task A_store_in_trouble_is_left_alone_until_the_next_look_and_then_the_prefetch_goes_on()
    {
        await StoreAsync(1, 6);
        var isDown = true;
        var opened = 0;
        script = (call, key, _) =>
        {
            if (call == StoreCall.OpenRead && !key.Contains(Name(1), StringComparison.Ordinal))
            {
                Interlocked.Increment(ref opened);
                if (Volatile.Read(ref isDown))
                {
                    throw FaultyObjectStore.Transient();
                }
            }
        };
        var fetcher = Start();
        await FetchAsync(fetcher, Name(1));
        await PostgresCluster.UntilAsync(() => Task.FromResult(Volatile.Read(ref opened) > 0));
        await Task.Delay(200, TestContext.Current.CancellationToken);
        Assert.InRange(opened, 1, WalPrefetch.MaxLanes);
        await PostgresCluster.UntilAsync(() => Task.FromResult(Waiting().Length == 0));

        Volatile.Write(ref isDown, false);
        time.Advance(TimeSpan.FromSeconds(6));
        await PostgresCluster.UntilAsync(() => Task.FromResult(Ready().Length == 5));
        Assert.Equal(WalFetchSource.Prefetched, await FetchAsync(fetcher, Name(2)));
    }

    [Fact]
    public async Task What_a_replay_never_asks_for_is_removed_after_a_while()
    {
        await StoreAsync(1, 4);
        var fetcher = Start();
        await FetchAsync(fetcher, Name(1));
        await PostgresCluster.UntilAsync(() => Task.FromResult(Ready().Length == 3));
        time.Advance(TimeSpan.FromMinutes(16));
        Assert.Empty(Waiting());

        // And it begins anew when it asks.
        Assert.Equal(WalFetchSource.Archive, await FetchAsync(fetcher, Name(2)));
        await PostgresCluster.UntilAsync(() => Task.FromResult(Ready().Length == 2));
    }

    [Fact]
    public async Task The_end_of_the_daemon_cancels_what_is_under_way_and_leaves_nothing()
    {
        await StoreAsync(1, 6);
        using var release = new SemaphoreSlim(0);
        var reads = 0;
        script = (call, key, position) =>
        {
            if (call == StoreCall.Read && position > 0 && !key.Contains(Name(1), StringComparison.Ordinal))
            {
                Interlocked.Increment(ref reads);
                release.Wait(TimeSpan.FromSeconds(30));
            }
        };
        var fetcher = Start();
        await FetchAsync(fetcher, Name(1));
        await PostgresCluster.UntilAsync(() => Task.FromResult(Volatile.Read(ref reads) == WalPrefetch.MaxLanes));
        Assert.Equal(WalPrefetch.MaxLanes, Waiting().Length);
        var ending = fetcher.DisposeAsync();
        release.Release(100);
        await ending;
        Assert.Equal(["RECOVERYXLOG"], Directory.EnumerateFileSystemEntries(archive.Folder["restore"]).Select(Path.GetFileName));
    }

    [Fact]
    public async Task What_a_killed_daemon_left_outside_the_window_goes_and_a_damaged_file_inside_is_fetched_again()
    {
        await StoreAsync(5, 8);
        var folder = archive.Folder["restore", ".wal-g", "prefetch"];
        Directory.CreateDirectory(Path.Combine(folder, "running"));
        await File.WriteAllTextAsync(Path.Combine(folder, Name(2)), "passed", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(folder, "running", Name(200)), "far", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(folder, Name(6)), "half", TestContext.Current.CancellationToken);
        var fetcher = Start();
        await FetchAsync(fetcher, Name(5));
        await PostgresCluster.UntilAsync(() => Task.FromResult(Waiting().SequenceEqual([Name(6), Name(7), Name(8)])));
        Assert.Equal(WalFetchSource.Archive, await FetchAsync(fetcher, Name(6)));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var fetcher in fetchers)
        {
            await fetcher.DisposeAsync();
        }

        archive.Dispose();
    }

    private static string Name(int number, int timeline = 1) => $"{timeline:X8}00000000{number:X8}";

    private string[] Ready() => Names("prefetch");

    /// <summary>Complete ones and those on their way.</summary>
    private string[] Waiting() => [.. Ready().Concat(Names("prefetch", "running")).Order(StringComparer.Ordinal)];

    private string[] Names(params string[] parts)
    {
        var folder = archive.Folder[["restore", ".wal-g", .. parts]];
        return Directory.Exists(folder)
            ? [.. Directory.EnumerateFiles(folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)] : [];
    }

    private LookAheadFetcher Start(WalFetchOptions? options = null)
    {
        options ??= new WalFetchOptions();
        var store = new FaultyObjectStore(archive.Archive.Store, (call, key, position) => script(call, key, position));
        var faulty = archive.Archive with { Store = store };
        var fetcher = new LookAheadFetcher(
            new WalFetch(faulty, options, archive.Buffers, NullEventLog.Instance),
            new WalPrefetch(faulty, options, archive.Buffers, NullEventLog.Instance),
            options,
            new LookAheadFetchOptions { Time = time },
            NullEventLog.Instance);
        fetchers.Add(fetcher);
        return fetcher;
    }

    private async Task StoreAsync(int first, int last, int timeline = 1)
    {
        for (var number = first; number <= last; number++)
        {
            await archive.PushAsync(
                SyntheticWal.Write(archive.WalFolder, Name(number, timeline)), new WalPushOptions { UploadConcurrency = 1 });
        }
    }

    private async Task<WalFetchSource> FetchAsync(LookAheadFetcher fetcher, string name)
    {
        var result = await fetcher.FetchAsync(name, Destination, TestContext.Current.CancellationToken);
        Assert.Equal(
            await File.ReadAllBytesAsync(Path.Combine(archive.WalFolder, name), TestContext.Current.CancellationToken),
            await File.ReadAllBytesAsync(Destination, TestContext.Current.CancellationToken));
        return result.Source;
    }
}
