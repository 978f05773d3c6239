using System.Security.Cryptography;
using WalRus.Storage;
using WalRus.Streaming;
using static WalRus.Tests.Contracts.StoreExtensions;

namespace WalRus.Tests.Contracts;

/// <summary>What every object store must keep; a subclass for each runs all of it on a real one.</summary>
public abstract class ObjectStoreContract : IAsyncLifetime
{
    protected IObjectStore Store { get; private set; } = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>The sizes around which this store changes how it writes.</summary>
    protected virtual int[] BoundarySizes => [4095, 4096, 4097];

    public async ValueTask InitializeAsync() => Store = await CreateStoreAsync();

    public async ValueTask DisposeAsync()
    {
        if (Store is not null)
        {
            await Store.DisposeAsync();
            await RemoveStoreAsync();
        }

        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task An_object_reads_back_as_written()
    {
        foreach (var size in BoundarySizes.Concat([0, 1, 100, 100_001]))
        {
            var content = Bytes(size, size);
            await Store.PutAsync($"folder/object-{size}", content);
            Assert.Equal(content, await Store.GetAsync($"folder/object-{size}"));
        }
    }

    [Fact]
    public async Task An_object_of_64_MiB_reads_back_as_written()
    {
        var content = Bytes(64 << 20);
        await Store.PutAsync("big", content);
        await using var stream = await Store.OpenReadAsync(ObjectKey.Parse("big"), null, Token);
        Assert.Equal(SHA256.HashData(content), await SHA256.HashDataAsync(stream, Token));
        var info = await Store.HeadAsync(ObjectKey.Parse("big"), Token);
        Assert.Equal(content.Length, info?.SizeBytes);
    }

    [Fact]
    public async Task An_object_is_visible_only_after_its_write_completes()
    {
        var key = ObjectKey.Parse("a/b/late");
        var stream = await Store.OpenWriteAsync(key, WriteCondition.None, Token);
        await using (stream)
        {
            await stream.WriteAsync(Bytes(6_000_000), Token);
            Assert.False(await Store.HasAsync("a/b/late"));
            await Store.GetAsync("a/b/late").FailsAsync(ErrorCode.ObjectNotFound);
            Assert.Empty(await Store.NamesAsync(new ListRequest { Folder = "", Recursive = true }));
            Assert.Empty(await Store.NamesAsync(new ListRequest { Folder = "" }));
            await stream.CompleteAsync(Token);
        }

        Assert.Equal(["a/b/late"], await Store.NamesAsync(new ListRequest { Folder = "", Recursive = true }));
    }

    [Fact]
    public async Task An_abandoned_write_leaves_nothing()
    {
        foreach (var size in BoundarySizes.Concat([0, 1, 13_000_000]))
        {
            var stream = await Store.OpenWriteAsync(ObjectKey.Parse($"x/y/{size}"), WriteCondition.None, Token);
            await stream.WriteAsync(Bytes(size), Token);
            await stream.DisposeAsync();
        }

        Assert.Empty(await Store.NamesAsync(new ListRequest { Folder = "", Recursive = true }));
        Assert.Empty(await GarbageAsync());
    }

    [Fact]
    public async Task An_abandoned_write_keeps_the_object_it_would_have_replaced()
    {
        await Store.PutAsync("kept", Bytes(10));
        var stream = await Store.OpenWriteAsync(ObjectKey.Parse("kept"), WriteCondition.None, Token);
        await stream.WriteAsync(Bytes(7_000_000, 2), Token);
        await stream.DisposeAsync();
        Assert.Equal(Bytes(10), await Store.GetAsync("kept"));
    }

    [Fact]
    public async Task A_cancelled_write_leaves_nothing()
    {
        using var cancel = new CancellationTokenSource();
        var stream = await Store.OpenWriteAsync(ObjectKey.Parse("cancelled/object"), WriteCondition.None, cancel.Token);
        await using (stream)
        {
            await stream.WriteAsync(Bytes(12_000_000), cancel.Token);
            await cancel.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(
                async () => await stream.WriteAsync(Bytes(100), cancel.Token));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(
                async () => await stream.CompleteAsync(cancel.Token));
        }

        Assert.Empty(await Store.NamesAsync(new ListRequest { Folder = "", Recursive = true }));
        Assert.Empty(await GarbageAsync());
    }

    [Fact]
    public async Task A_read_can_be_cancelled_and_disposed_early()
    {
        await Store.PutAsync("long", Bytes(8_000_000));
        using var cancel = new CancellationTokenSource();
        await using (var stream = await Store.OpenReadAsync(ObjectKey.Parse("long"), null, cancel.Token))
        {
            await stream.ReadExactlyAsync(new byte[1000], cancel.Token);
            await cancel.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(
                async () => await stream.ReadExactlyAsync(new byte[1000], cancel.Token));
        }

        await using (var stream = await Store.OpenReadAsync(ObjectKey.Parse("long"), null, Token))
        {
            await stream.ReadExactlyAsync(new byte[1000], Token);
        }

        Assert.Equal(8_000_000, (await Store.GetAsync("long")).Length);
    }

    [Fact]
    public async Task Replacing_shows_the_old_or_the_new_bytes_to_concurrent_readers()
    {
        var versions = Enumerable.Range(0, 4).Select(version => Bytes(300_000, version)).ToArray();
        await Store.PutAsync("replaced", versions[0]);
        using var done = new CancellationTokenSource();
        var readers = Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
        {
            var reads = 0;
            while (!done.IsCancellationRequested)
            {
                var read = await Store.GetAsync("replaced");
                Assert.Contains(versions, version => version.AsSpan().SequenceEqual(read));
                reads++;
            }

            return reads;
        })).ToArray();
        for (var round = 1; round <= 20; round++)
        {
            await Store.PutAsync("replaced", versions[round % versions.Length]);
        }

        await done.CancelAsync();
        Assert.All(await Task.WhenAll(readers), reads => Assert.True(reads > 0));
    }

    [Theory]
    [InlineData(20, 50_000)]
    [InlineData(4, 6_000_000)]
    public async Task Of_writers_that_want_a_key_to_be_absent_exactly_one_wins(int count, int size)
    {
        Assert.True(Store.Features.HasFlag(StoreFeatures.AtomicPutIfAbsent));
        var start = new TaskCompletionSource();
        var writers = Enumerable.Range(0, count).Select(writer => Task.Run(async () =>
        {
            await start.Task;
            try
            {
                await Store.PutAsync("race/one", Bytes(size, writer), WriteCondition.IfAbsent);
                return writer;
            }
            catch (WalRusException lost) when (lost.Code == ErrorCode.ObjectExists)
            {
                return -1;
            }
        })).ToArray();
        start.SetResult();
        var winner = Assert.Single(await Task.WhenAll(writers), outcome => outcome >= 0);
        Assert.Equal(Bytes(size, winner), await Store.GetAsync("race/one"));
        Assert.Empty(await GarbageAsync());
    }

    [Fact]
    public async Task A_key_that_is_taken_stays_as_it_is_when_it_must_be_absent()
    {
        foreach (var size in new[] { 0, 10, 12_000_000, 22_000_000 })
        {
            await Store.PutAsync($"taken-{size}", Bytes(5));
            await Store.PutAsync($"taken-{size}", Bytes(size, 2), WriteCondition.IfAbsent).FailsAsync(ErrorCode.ObjectExists);
            Assert.Equal(Bytes(5), await Store.GetAsync($"taken-{size}"));
            await Store.PutAsync($"free-{size}", Bytes(size, 2), WriteCondition.IfAbsent);
            Assert.Equal(Bytes(size, 2), await Store.GetAsync($"free-{size}"));
        }

        Assert.Empty(await GarbageAsync());
    }

    [Fact]
    public async Task A_range_gives_its_bytes_or_what_there_is()
    {
        var content = Bytes(1000);
        await Store.PutAsync("ranged", content);
        Assert.Equal(content[10..20], await Store.GetAsync("ranged", new ByteRange(10, 10)));
        Assert.Equal(content[..1], await Store.GetAsync("ranged", new ByteRange(0, 1)));
        Assert.Equal(content[990..], await Store.GetAsync("ranged", new ByteRange(990, null)));
        Assert.Equal(content[990..], await Store.GetAsync("ranged", new ByteRange(990, 100)));
        Assert.Equal(content, await Store.GetAsync("ranged", new ByteRange(0, null)));
        Assert.Empty(await Store.GetAsync("ranged", new ByteRange(1000, null)));
        Assert.Empty(await Store.GetAsync("ranged", new ByteRange(5000, 10)));
        Assert.Empty(await Store.GetAsync("ranged", new ByteRange(5, 0)));
        await Store.PutAsync("empty", default);
        Assert.Empty(await Store.GetAsync("empty", new ByteRange(0, null)));
        await Store.GetAsync("absent", new ByteRange(5, 0)).FailsAsync(ErrorCode.ObjectNotFound);
    }

    [Fact]
    public async Task Head_gives_size_and_time_or_null()
    {
        var before = DateTimeOffset.UtcNow.AddSeconds(-5);
        await Store.PutAsync("some/object", Bytes(12345));
        var info = await Store.HeadAsync(ObjectKey.Parse("some/object"), Token);
        Assert.NotNull(info);
        Assert.Equal("some/object", info.Key.ToString());
        Assert.Equal(12345, info.SizeBytes);
        Assert.InRange(info.LastModified, before, DateTimeOffset.UtcNow.AddSeconds(5));
        Assert.Null(await Store.HeadAsync(ObjectKey.Parse("some/other"), Token));
        Assert.Null(await Store.HeadAsync(ObjectKey.Parse("other/folder/object"), Token));
        Assert.Null(await Store.HeadAsync(ObjectKey.Parse("some"), Token));
        await Store.GetAsync("some").FailsAsync(ErrorCode.ObjectNotFound);
    }

    [Fact]
    public async Task Listing_gives_what_is_below_a_folder_shallow_or_deep()
    {
        string[] keys = ["wal_005/a", "wal_005/b.lz4", "wal_0051/x", "wal_005/sub/c", "wal_005/sub/deep/d", "top"];
        foreach (var key in keys)
        {
            await Store.PutAsync(key, Bytes(key.Length));
        }

        Assert.Equal(
            ["wal_005/a", "wal_005/b.lz4", "wal_005/sub/"], await Store.NamesAsync(new ListRequest { Folder = "wal_005" }));
        Assert.Equal(
            ["wal_005/a", "wal_005/b.lz4", "wal_005/sub/c", "wal_005/sub/deep/d"],
            await Store.NamesAsync(new ListRequest { Folder = "wal_005", Recursive = true }));
        Assert.Equal(["top", "wal_005/", "wal_0051/"], await Store.NamesAsync(new ListRequest { Folder = "" }));
        Assert.Equal(
            keys.Order(StringComparer.Ordinal), await Store.NamesAsync(new ListRequest { Folder = "", Recursive = true }));
        Assert.Empty(await Store.NamesAsync(new ListRequest { Folder = "nothing/here", Recursive = true }));
        Assert.Empty(await Store.NamesAsync(new ListRequest { Folder = "wal" }));
        Assert.Empty(await Store.NamesAsync(new ListRequest { Folder = "top" }));
        var entry = (await Store.ListAsync(new ListRequest { Folder = "wal_005" })).Single(e => e.Key.Name == "b.lz4");
        Assert.Equal("wal_005/b.lz4".Length, entry.SizeBytes);
        Assert.InRange(entry.LastModified, DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow.AddSeconds(5));
    }

    [Fact]
    public async Task Listing_can_be_narrowed_by_name_and_by_a_key_to_start_after()
    {
        foreach (var key in new[] { "f/aa", "f/ab", "f/b", "f/ac/1", "f/ac/2", "f/bc/1" })
        {
            await Store.PutAsync(key, Bytes(1));
        }

        var deep = new ListRequest { Folder = "f", Recursive = true };
        var flat = new ListRequest { Folder = "f" };
        Assert.Equal(["f/aa", "f/ab", "f/ac/1", "f/ac/2"], await Store.NamesAsync(deep with { NamePrefix = "a" }));
        Assert.Equal(["f/aa", "f/ab", "f/ac/"], await Store.NamesAsync(flat with { NamePrefix = "a" }));
        Assert.Equal(["f/ac/1", "f/ac/2"], await Store.NamesAsync(deep with { NamePrefix = "ac" }));
        Assert.Equal(["f/ac/"], await Store.NamesAsync(flat with { NamePrefix = "ac" }));
        Assert.Empty(await Store.NamesAsync(deep with { NamePrefix = "z" }));
        Assert.Equal(
            ["f/ac/2", "f/b", "f/bc/1"], await Store.NamesAsync(deep with { StartAfter = ObjectKey.Parse("f/ac/1") }));
        Assert.Equal(["f/b", "f/bc/"], await Store.NamesAsync(flat with { StartAfter = ObjectKey.Parse("f/ac") }));
        Assert.Equal(
            ["f/ab", "f/ac/"],
            await Store.NamesAsync(flat with { NamePrefix = "a", StartAfter = ObjectKey.Parse("f/aa") }));
        Assert.Empty(await Store.NamesAsync(deep with { StartAfter = ObjectKey.Parse("g") }));
        Assert.Equal(6, (await Store.NamesAsync(deep with { StartAfter = ObjectKey.Parse("a") })).Length);
    }

    [Fact]
    public async Task Listing_and_deleting_2500_objects_takes_them_all()
    {
        var keys = Enumerable.Range(0, 2500).Select(number => $"many/{number % 7}/{number:D5}").ToArray();
        await Parallel.ForEachAsync(
            keys,
            new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = Token },
            async (key, _) => await Store.PutAsync(key, new byte[1]));
        var listed = await Store.NamesAsync(new ListRequest { Folder = "many", Recursive = true });
        Assert.Equal(keys.Order(StringComparer.Ordinal), listed);
        Assert.Equal(7, (await Store.NamesAsync(new ListRequest { Folder = "many" })).Length);
        Assert.Equal(
            listed[1200..],
            await Store.NamesAsync(new ListRequest
            {
                Folder = "many", Recursive = true, StartAfter = ObjectKey.Parse(listed[1199]),
            }));
        var result = await Store.DeleteAsync([.. keys.Select(ObjectKey.Parse)], Token);
        Assert.Equal(2500, result.DeletedCount);
        Assert.Empty(result.Failed);
        Assert.Empty(await Store.NamesAsync(new ListRequest { Folder = "", Recursive = true }));
        Assert.Empty(await GarbageAsync());
    }

    [Fact]
    public async Task Deleting_is_idempotent_and_touches_nothing_else()
    {
        await Store.PutAsync("d/one", Bytes(1));
        await Store.PutAsync("d/two", Bytes(1));
        ObjectKey[] keys = [ObjectKey.Parse("d/one"), ObjectKey.Parse("d/never"), ObjectKey.Parse("e/f/never")];
        for (var round = 0; round < 2; round++)
        {
            var result = await Store.DeleteAsync(keys, Token);
            Assert.Equal(3, result.DeletedCount);
            Assert.Empty(result.Failed);
        }

        // "d" holds an object but is none itself.
        Assert.Empty((await Store.DeleteAsync([ObjectKey.Parse("d")], Token)).Failed);
        Assert.Equal(["d/two"], await Store.NamesAsync(new ListRequest { Folder = "", Recursive = true }));
        Assert.Equal(0, (await Store.DeleteAsync([], Token)).DeletedCount);
    }

    [Theory]
    [InlineData("odd/with space and  two")]
    [InlineData("odd/plus+sign")]
    [InlineData("odd/percent%41%2F%")]
    [InlineData("odd/überraschung-日本語-😀")]
    [InlineData("odd/a&b=c;d,e$f@g!h'i(j)")]
    [InlineData("odd/~tilde^caret`[x]{y}#hash")]
    [InlineData("odd.folder/..hidden/.dot")]
    [InlineData("odd/x.tmp.20240101T000000Z-short")]
    public async Task An_odd_key_is_written_read_listed_and_deleted_as_it_is(string key)
    {
        await Store.PutAsync(key, Bytes(77));
        Assert.Equal(Bytes(77), await Store.GetAsync(key));
        Assert.True(await Store.HasAsync(key));
        Assert.Equal([key], await Store.NamesAsync(new ListRequest { Folder = "", Recursive = true }));
        var folder = key[..key.IndexOf('/')];
        Assert.Equal([key], await Store.NamesAsync(new ListRequest { Folder = folder, Recursive = true }));
        Assert.Empty((await Store.DeleteAsync([ObjectKey.Parse(key)], Token)).Failed);
        Assert.Empty(await Store.NamesAsync(new ListRequest { Folder = "", Recursive = true }));
    }

    [Fact]
    public async Task Sixteen_writers_and_readers_work_side_by_side()
    {
        await Parallel.ForEachAsync(
            Enumerable.Range(0, 16),
            new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = Token },
            async (writer, _) =>
            {
                var content = Bytes(1_000_000 + (writer * 400_000), writer);
                await Store.PutAsync($"side/{writer}/object", content);
                Assert.Equal(content, await Store.GetAsync($"side/{writer}/object"));
                await Store.DeleteAsync([ObjectKey.Parse($"side/{writer}/object")], Token);
            });
        Assert.Empty(await Store.NamesAsync(new ListRequest { Folder = "", Recursive = true }));
        Assert.Empty(await GarbageAsync());
    }

    [Fact]
    public async Task What_is_not_there_is_said_with_its_name()
    {
        var failure = await Store.GetAsync("no/such/object").FailsAsync(ErrorCode.ObjectNotFound);
        Assert.Contains("no/such/object", failure.Message, StringComparison.Ordinal);
        Assert.False(failure.IsTransient);
    }

    [Fact]
    public async Task A_stream_written_in_small_and_odd_pieces_is_whole()
    {
        var content = Bytes(1_234_567);
        await using (var stream = await Store.OpenWriteAsync(ObjectKey.Parse("pieces"), WriteCondition.None, Token))
        {
            for (int at = 0, piece = 1; at < content.Length; at += piece, piece = (piece * 3 % 50_021) + 1)
            {
                await stream.WriteAsync(content.AsMemory(at, Math.Min(piece, content.Length - at)), Token);
                piece = Math.Min(piece, content.Length - at);
            }

            await stream.CompleteAsync(Token);
        }

        Assert.Equal(content, await Store.GetAsync("pieces"));
    }

    [Fact]
    public async Task A_copy_by_the_server_is_whole_or_declined()
    {
        foreach (var key in new[] { "from/object", "odd/ space+plus%41=&ü😀" })
        {
            await Store.PutAsync(key, Bytes(6_000_000));
            await Store.PutAsync("to/object", Bytes(10, 2));
            var copied = await Store.TryCopyFromAsync(Store, ObjectKey.Parse(key), ObjectKey.Parse("to/object"), Token);
            Assert.Equal(Store.Features.HasFlag(StoreFeatures.ServerSideCopy), copied);
            Assert.Equal(copied ? Bytes(6_000_000) : Bytes(10, 2), await Store.GetAsync("to/object"));
        }
    }

    [Fact]
    public async Task Copying_what_is_not_there_is_not_found()
    {
        var copying = Store.TryCopyFromAsync(Store, ObjectKey.Parse("none"), ObjectKey.Parse("to"), Token).AsTask();
        if (Store.Features.HasFlag(StoreFeatures.ServerSideCopy))
        {
            await copying.FailsAsync(ErrorCode.ObjectNotFound);
        }
        else
        {
            Assert.False(await copying);
        }

        Assert.False(await Store.HasAsync("to"));
    }

    [Fact]
    public async Task The_checksum_of_the_bytes_is_what_the_store_states()
    {
        foreach (var size in BoundarySizes.Concat([0, 1, 100_001, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, 21_000_000]))
        {
            using var checksum = Store.BeginChecksum();
            using var other = Store.BeginChecksum();
            if (checksum is null || other is null)
            {
                return;
            }

            var content = Bytes(size);
            await Store.PutAsync("summed", content);
            for (var at = 0; at < size; at += 100_000)
            {
                checksum.Append(content.AsSpan(at, Math.Min(100_000, size - at)));
            }

            var info = await Store.HeadAsync(ObjectKey.Parse("summed"), Token);
            Assert.True(checksum.Proves(info!), $"{size} bytes: {info}");
            other.Append(Bytes(size, 2));
            Assert.Equal(size == 0, other.Proves(info!));
        }
    }

    protected abstract ValueTask<IObjectStore> CreateStoreAsync();

    protected abstract ValueTask RemoveStoreAsync();

    /// <summary>What lies in the store beside visible objects: temporary files, empty folders, unfinished uploads.</summary>
    protected abstract ValueTask<IReadOnlyList<string>> GarbageAsync();
}
