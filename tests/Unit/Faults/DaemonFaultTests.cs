using System.Diagnostics;
using WalRus.Archiving;
using WalRus.Compression;
using WalRus.Daemon;
using WalRus.Storage;
using WalRus.Storage.S3;
using WalRus.Streaming;
using WalRus.Wal;

namespace WalRus.Tests.Faults;

/// <summary>
/// The daemon's two halves over a bad link to a real S3 server: an error with its reason within the deadline, never a wrong
/// file, and afterwards everything is there, byte by byte and once.
/// </summary>
public sealed class DaemonFaultTests : IAsyncDisposable
{
    /// <summary>How late a deadline may be noticed on a busy machine.</summary>
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan PushTimeout = TimeSpan.FromSeconds(5);

    private readonly TemporaryFolder folder = new();
    private readonly NativeBufferPool buffers = new(128 << 20);
    private readonly List<IAsyncDisposable> opened = [];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        opened.Reverse();
        foreach (var one in opened)
        {
            await one.DisposeAsync();
        }

        Assert.Equal(0, buffers.RentedBytes);
        buffers.Dispose();
        folder.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_push_that_hangs_at_any_byte_of_any_request_ends_with_its_reason_and_frees_its_lane(bool isUp)
    {
        await using var bucket = await S3Server.NewBucketAsync();
        var direct = Open(bucket, S3Server.Endpoint.AbsoluteUri);
        var seed = Environment.TickCount;
        var offsets = Offsets(await MeasureAsync(bucket, isUp), seed);
        await Parallel.ForEachAsync(offsets.Index(), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (one, _) =>
        {
            var (index, offset) = one;
            LinkFault? fault = isUp ? new LinkFault { UpBytes = offset } : new LinkFault { DownBytes = offset };
            await using var link = new FaultyLink(S3Server.Endpoint, () => fault ?? new LinkFault());
            var name = Name(index + 1);
            var path = SyntheticWal.Write(folder[$"{index}", "pg_wal"], name, ready: true);
            var uploader = Uploader(Open(bucket, link.Endpoint), lanes: 2);
            var watch = Stopwatch.StartNew();
            var failure = await Record.ExceptionAsync(() => uploader.PushAsync(path, Cancel));
            Assert.True(watch.Elapsed < PushTimeout + Slack, $"seed {seed}: byte {offset} took {watch.Elapsed}");
            if (failure is not null)
            {
                // Where the hang came after the answer that counts, there is none.
                var known = Assert.IsType<WalRusException>(failure);
                Assert.True(known.Code is ErrorCode.DeadlineExceeded or ErrorCode.StoreUnreachable, $"seed {seed}: byte {offset}: {known}");
                Assert.True(known.IsTransient && known.Message.Length > 20, known.ToString());
                await PostgresCluster.UntilAsync(() => Task.FromResult(uploader.Look().Busy == 0));
                fault = null;
                await UntilDoneAsync(() => uploader.PushAsync(path, Cancel));
            }

            await AssertArchivedAsync(direct, path);
        });
        Assert.Equal(offsets.Length, await CountObjectsAsync(direct) - 1);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_fetch_that_hangs_at_any_byte_of_any_request_gives_the_right_file_or_none_within_the_deadline(bool isUp)
    {
        await using var bucket = await S3Server.NewBucketAsync();
        var direct = Open(bucket, S3Server.Endpoint.AbsoluteUri);
        var path = SyntheticWal.Write(folder["pg_wal"], Name(1));
        await Uploader(direct, lanes: 1).PushAsync(path, Cancel);
        var seed = Environment.TickCount;
        await using var whole = new FaultyLink(S3Server.Endpoint, () => new LinkFault());
        await Fetcher(Open(bucket, whole.Endpoint), 1).FetchAsync(Name(1), folder["whole"], Cancel);
        var offsets = Offsets(isUp ? whole.Most.Up : whole.Most.Down, seed);
        await Parallel.ForEachAsync(offsets, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (offset, _) =>
        {
            await using var link = new FaultyLink(
                S3Server.Endpoint, () => isUp ? new LinkFault { UpBytes = offset } : new LinkFault { DownBytes = offset });
            Directory.CreateDirectory(folder[$"{offset}"]);
            var destination = folder[$"{offset}", "RECOVERYXLOG"];
            var watch = Stopwatch.StartNew();
            var failure = await Record.ExceptionAsync(
                () => Fetcher(Open(bucket, link.Endpoint), 1).FetchAsync(Name(1), destination, Cancel));
            Assert.True(watch.Elapsed < PushTimeout + Slack, $"seed {seed}: byte {offset} took {watch.Elapsed}");
            if (failure is null)
            {
                await AssertSameAsync(path, destination);
                return;
            }

            var known = Assert.IsType<WalRusException>(failure);
            Assert.True(known.Code is ErrorCode.DeadlineExceeded or ErrorCode.StoreUnreachable, $"seed {seed}: byte {offset}: {known}");
            Assert.Empty(Directory.EnumerateFileSystemEntries(folder[$"{offset}"]));
        });
    }

    [Fact]
    public async Task Resets_silence_and_slowness_at_random_lose_duplicate_and_damage_nothing()
    {
        await using var bucket = await S3Server.NewBucketAsync();
        var direct = Open(bucket, S3Server.Endpoint.AbsoluteUri);
        var seed = Environment.TickCount;
        TestContext.Current.SendDiagnosticMessage($"seed {seed}");
        var random = new Random(seed);
        await using var link = new FaultyLink(S3Server.Endpoint, () => RandomFault(random));
        var paths = Enumerable.Range(1, 25).Select(number => SyntheticWal.Write(folder["pg_wal"], Name(number), ready: true)).ToList();
        var uploader = Uploader(Open(bucket, link.Endpoint), lanes: 4);
        foreach (var path in paths)
        {
            await UntilDoneAsync(() => uploader.PushAsync(path, Cancel));
            new ReadyFolder(folder["pg_wal"]).MarkDone(Path.GetFileName(path));

            // What the server believes archived is, now.
            await AssertArchivedAsync(direct, path);
        }

        Assert.Equal(paths.Count, await CountObjectsAsync(direct));
        Assert.Empty(await bucket.UnfinishedUploadsAsync());

        Directory.CreateDirectory(folder["restore"]);
        var fetcher = Fetcher(Open(bucket, link.Endpoint), 6);
        foreach (var path in paths)
        {
            var destination = folder["restore", "RECOVERYXLOG"];
            await UntilDoneAsync(() => fetcher.FetchAsync(Path.GetFileName(path), destination, Cancel));
            await AssertSameAsync(path, destination);
        }

        await fetcher.DisposeAsync();
        Assert.Equal(["RECOVERYXLOG"], Directory.EnumerateFiles(folder["restore"], "*", SearchOption.AllDirectories).Select(Path.GetFileName));
    }

    [Fact]
    public async Task A_wall_clock_that_jumps_by_hours_changes_nothing()
    {
        await using var bucket = await S3Server.NewBucketAsync();
        var archive = Open(bucket, S3Server.Endpoint.AbsoluteUri);
        var time = new JumpingClock();
        var uploader = Uploader(archive, lanes: 4, time);
        var paths = Enumerable.Range(1, 12).Select(number => SyntheticWal.Write(folder["pg_wal"], Name(number), ready: true)).ToList();
        Directory.CreateDirectory(folder["restore"]);
        foreach (var path in paths)
        {
            await uploader.PushAsync(path, Cancel);
        }

        var fetcher = Fetcher(archive, 5, time);
        foreach (var path in paths)
        {
            await fetcher.FetchAsync(Path.GetFileName(path), folder["restore", "x"], Cancel);
            await AssertSameAsync(path, folder["restore", "x"]);
        }
    }

    [Fact]
    public async Task A_full_disk_keeps_what_was_fetched_ahead_from_no_segment_that_is_asked_for()
    {
        using var disk = SmallDisk.Mount(8);
        await using var bucket = await S3Server.NewBucketAsync();
        var archive = Open(bucket, S3Server.Endpoint.AbsoluteUri);
        var uploader = Uploader(archive, lanes: 4);
        var paths = Enumerable.Range(1, 12).Select(number => SyntheticWal.Write(folder["pg_wal"], Name(number), ready: true)).ToList();
        foreach (var path in paths)
        {
            await uploader.PushAsync(path, Cancel);
        }

        // Room for the segment asked for and for the one before it that it replaces, and little more.
        disk.Fill(leave: (3 << 20) + (1 << 19));
        var fetcher = Fetcher(archive, 10);
        foreach (var path in paths)
        {
            var destination = Path.Combine(disk.Path, "RECOVERYXLOG");
            await fetcher.FetchAsync(Path.GetFileName(path), destination, Cancel);
            await AssertSameAsync(path, destination);
        }

        // And where there is none at all, the reason is told and what was there stays.
        disk.Free();
        disk.Fill(leave: 0);
        var full = await Assert.ThrowsAsync<WalRusException>(
            () => fetcher.FetchAsync(Name(1), Path.Combine(disk.Path, "RECOVERYXLOG"), Cancel));
        Assert.Equal(ErrorCode.DiskFull, full.Code);
        await AssertSameAsync(paths[^1], Path.Combine(disk.Path, "RECOVERYXLOG"));
    }

    private static string Name(int number) => $"0000000100000000{number:X8}";

    /// <summary>The first bytes, the last ones, and some between.</summary>
    private static long[] Offsets(long total, int seed)
    {
        var random = new Random(seed);
        var between = Enumerable.Range(0, 12).Select(_ => random.NextInt64(2, total - 1));
        var heads = Enumerable.Range(0, 6).Select(_ => random.NextInt64(2, Math.Min(total, 2500)));
        return [.. between.Concat(heads).Concat([0, 1, total - 1]).Distinct()];
    }

    private static LinkFault RandomFault(Random random)
    {
        lock (random)
        {
            var bytes = (long)Math.Pow(10, 1 + (random.NextDouble() * 5));
            return random.Next(6) switch
            {
                0 => new LinkFault { UpBytes = bytes },
                1 => new LinkFault { DownBytes = bytes },
                2 => new LinkFault { UpBytes = bytes, Resets = true },
                3 => new LinkFault { DownBytes = bytes, Resets = true },
                4 => new LinkFault { BytesPerSecond = 2 << 20 },
                _ => new LinkFault(),
            };
        }
    }

    /// <summary>Asks again as PostgreSQL does, after the failures that pass.</summary>
    private static async Task UntilDoneAsync(Func<Task> ask)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await ask();
                return;
            }
            catch (WalRusException failure) when (failure.IsTransient && attempt < 60)
            {
                await Task.Delay(20, Cancel);
            }
        }
    }

    /// <summary>What one push carries each way.</summary>
    private async Task<long> MeasureAsync(S3Bucket bucket, bool isUp)
    {
        await using var link = new FaultyLink(S3Server.Endpoint, () => new LinkFault());
        var path = SyntheticWal.Write(folder["measured", "pg_wal"], Name(1000));
        await Uploader(Open(bucket, link.Endpoint), lanes: 1).PushAsync(path, Cancel);
        return isUp ? link.Most.Up : link.Most.Down;
    }

    private Archive Open(S3Bucket bucket, string endpoint)
    {
        var store = new S3ObjectStore(
            bucket.Options("cluster") with
            {
                Endpoint = endpoint,
                RequestTimeout = TimeSpan.FromMilliseconds(endpoint == S3Server.Endpoint.AbsoluteUri ? 20_000 : 500),
                Retry = new RetryPolicy { MaxRetries = 1, BaseDelay = TimeSpan.FromMilliseconds(20) },
            },
            buffers);
        lock (opened)
        {
            opened.Add(store);
        }

        return new Archive(store, Codecs.Create("lz4"), Codecs.ReadOrder, Crypter: null);
    }

    private LookAheadUploader Uploader(Archive archive, int lanes, TimeProvider? time = null)
    {
        var options = new LookAheadOptions
        {
            PushTimeout = PushTimeout, ProbeInterval = TimeSpan.FromMilliseconds(50), Time = time ?? TimeProvider.System,
        };
        var uploader = new LookAheadUploader(
            new WalPush(archive, new WalPushOptions { UploadConcurrency = lanes }, buffers, NullEventLog.Instance),
            options,
            new DaemonFigures(options.Time),
            NullEventLog.Instance);
        lock (opened)
        {
            opened.Add(uploader);
        }

        return uploader;
    }

    private LookAheadFetcher Fetcher(Archive archive, int concurrency, TimeProvider? time = null)
    {
        var options = new WalFetchOptions { DownloadConcurrency = concurrency, Deadline = PushTimeout };
        var fetcher = new LookAheadFetcher(
            new WalFetch(archive, options, buffers, NullEventLog.Instance),
            new WalPrefetch(archive, options, buffers, NullEventLog.Instance),
            options,
            new LookAheadFetchOptions { PollInterval = TimeSpan.FromMilliseconds(200), Time = time ?? TimeProvider.System },
            NullEventLog.Instance);
        lock (opened)
        {
            opened.Add(fetcher);
        }

        return fetcher;
    }

    private async Task AssertArchivedAsync(Archive archive, string path)
    {
        var copy = path + ".fetched";
        await new WalFetch(archive, new WalFetchOptions(), buffers, NullEventLog.Instance)
            .RunAsync(new WalFetchRequest { Name = Path.GetFileName(path), Destination = copy }, Cancel);
        await AssertSameAsync(path, copy);
        File.Delete(copy);
    }

    private static async Task AssertSameAsync(string path, string copy)
    {
        var (expected, actual) = (await File.ReadAllBytesAsync(path, Cancel), await File.ReadAllBytesAsync(copy, Cancel));
        Assert.True(expected.AsSpan().SequenceEqual(actual), $"{copy} is not {path}");
    }

    private static async Task<int> CountObjectsAsync(Archive archive)
    {
        var count = 0;
        await foreach (var _ in archive.Store.ListAsync(new ListRequest { Folder = "wal_005" }, Cancel))
        {
            count++;
        }

        return count;
    }

    /// <summary>Runs at the right speed and tells another hour of another day each time it is asked.</summary>
    private sealed class JumpingClock : TimeProvider
    {
        private int asked;

        public override DateTimeOffset GetUtcNow() =>
            System.GetUtcNow().AddHours((Interlocked.Increment(ref asked) % 7 * 30) - 90);
    }
}
