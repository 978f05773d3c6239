using WalRus.Archiving;
using WalRus.Storage;
using WalRus.Tests.Contracts;
using WalRus.Tests.Faults;
using WalRus.Transfer;
using WalRus.WalG;

namespace WalRus.Tests.Transfer;

/// <summary>Moving between two stores of one archive: a full backup, two deltas and WAL that real wal-g wrote.</summary>
public sealed class StoreTransferTests
{
    private const string Full = "base_000000010000000000000003";
    private const string Delta = "base_000000010000000000000006_D_000000010000000000000003";

    private readonly RecordingLog log = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("folder", "bucket")]
    [InlineData("bucket", "folder")]
    public async Task All_of_an_archive_moves_and_nothing_is_lost(string from, string to)
    {
        await using var source = await TransferPlace.GoldenAsync(from);
        await using var reference = await TransferPlace.GoldenAsync("folder");
        await using var target = await TransferPlace.NewAsync(to);
        var keys = await source.KeysAsync();
        var result = await Transfer(source.Store, target).RunAsync(new StoreTransferRequest { Path = "" }, Token);
        Assert.Empty(await source.KeysAsync());
        Assert.Equal(keys, await target.KeysAsync());
        await target.AssertSameAsync(reference, keys);
        Assert.Equal((keys.Length, keys.Length, 3), (result.Copied, result.Deleted, result.Backups));
    }

    /// <summary>Every store call of the move fails once, at one or the other side: the stop of a kill, at the same places.</summary>
    [Fact]
    public async Task A_move_that_stops_anywhere_leaves_whole_backups_on_both_sides_and_the_next_one_finishes()
    {
        await using var reference = await TransferPlace.GoldenAsync("folder");
        await AddCatchupAsync(reference);
        var keys = await reference.KeysAsync();
        var stopped = 0;
        for (var failing = 1; stopped < failing; failing += 11)
        {
            await using var source = await TransferPlace.GoldenAsync("folder");
            await AddCatchupAsync(source);
            await using var target = await TransferPlace.NewAsync("folder");
            var calls = 0;
            void Stop(StoreCall call)
            {
                if (call is StoreCall.Complete or StoreCall.Delete && Interlocked.Increment(ref calls) >= failing)
                {
                    throw new InvalidOperationException("the process ends here");
                }
            }

            var here = new FaultyObjectStore(source.Store, (call, _, _) => Stop(call));
            var there = new FaultyObjectStore(target.Store, (call, _, _) => Stop(call));
            var request = new StoreTransferRequest { Path = "" };
            try
            {
                await new StoreTransfer(here, there, target.Buffers, log).RunAsync(request, Token);
                Assert.True(failing > keys.Length);
                return;
            }
            catch (InvalidOperationException)
            {
                stopped = failing;
            }

            await AssertWholeAsync(source, reference);
            await AssertWholeAsync(target, reference);
            Assert.Equal(keys, (await source.KeysAsync()).Union(await target.KeysAsync()).Order(StringComparer.Ordinal));

            await Transfer(source.Store, target).RunAsync(request, Token);
            Assert.Empty(await source.KeysAsync());
            Assert.Equal(keys, await target.KeysAsync());
            await target.AssertSameAsync(reference, keys);
        }
    }

    [Fact]
    public async Task A_parent_that_others_stand_on_is_copied_and_stays()
    {
        await using var source = await TransferPlace.GoldenAsync("folder");
        await using var target = await TransferPlace.NewAsync("folder");
        await Transfer(source.Store, target).RunAsync(new StoreTransferRequest { Backup = Delta }, Token);
        Assert.Equal(3, await CountAsync(source));
        Assert.Equal(2, await CountAsync(target));
        await AssertWholeAsync(target, source);
    }

    [Fact]
    public async Task What_differs_stays_on_both_sides_unless_it_is_to_be_overwritten()
    {
        await using var source = await TransferPlace.NewAsync("folder");
        await using var target = await TransferPlace.NewAsync("folder");
        await source.Store.PutAsync("wal_005/a", StoreExtensions.Bytes(100, 1));
        await source.Store.PutAsync("wal_005/b", StoreExtensions.Bytes(100, 2));
        await target.Store.PutAsync("wal_005/a", StoreExtensions.Bytes(100, 3));
        await target.Store.PutAsync("wal_005/b", StoreExtensions.Bytes(100, 2));
        var request = new StoreTransferRequest { Path = "wal_005/" };
        var result = await Transfer(source.Store, target).RunAsync(request, Token);
        Assert.Equal((0, 1, 1, 1), (result.Copied, result.AlreadyThere, result.Deleted, result.KeptBoth));
        Assert.Equal(["wal_005/a"], await source.KeysAsync());
        Assert.Equal(StoreExtensions.Bytes(100, 3), await target.Store.GetAsync("wal_005/a"));

        await Transfer(source.Store, target).RunAsync(request with { Overwrite = true }, Token);
        Assert.Empty(await source.KeysAsync());
        Assert.Equal(StoreExtensions.Bytes(100, 1), await target.Store.GetAsync("wal_005/a"));
    }

    [Fact]
    public async Task One_object_that_cannot_be_moved_keeps_no_other_back_and_is_told_at_the_end()
    {
        await using var source = await TransferPlace.NewAsync("folder");
        await using var target = await TransferPlace.NewAsync("folder");
        for (var i = 0; i < 20; i++)
        {
            await source.Store.PutAsync($"wal_005/{i:00}", StoreExtensions.Bytes(1000, i));
        }

        var faulty = new FaultyObjectStore(source.Store, (call, key, _) =>
        {
            if (call == StoreCall.OpenRead && key == "wal_005/07")
            {
                throw new WalRusException(ErrorCode.StoreFailed, "as the script says");
            }
        });
        var request = new StoreTransferRequest { Path = "wal_005" };
        await Transfer(faulty, target).RunAsync(request, Token).FailsAsync(ErrorCode.StoreFailed);
        Assert.Equal(["wal_005/07"], await source.KeysAsync());
        Assert.Equal(19, (await target.KeysAsync()).Length);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_object_that_the_source_keeps_is_told_once(bool failFast)
    {
        await using var source = await TransferPlace.NewAsync("folder");
        await using var target = await TransferPlace.NewAsync("folder");
        await source.Store.PutAsync("wal_005/a", StoreExtensions.Bytes(100, 1));
        var locked = new FaultyObjectStore(source.Store, (_, _, _) => { }) { Keeps = _ => true };
        var request = new StoreTransferRequest { Path = "wal_005", FailFast = failFast };
        await Transfer(locked, target).RunAsync(request, Token).FailsAsync(ErrorCode.ObjectNotDeletable);
        Assert.Equal(1, log.Count(nameof(LogEvents.TransferFailed)));
    }

    [Theory]
    [InlineData(Delta)]
    [InlineData(Full)]
    public async Task A_backup_whose_sentinel_the_source_keeps_stays_whole_and_what_it_stands_on(string kept)
    {
        await using var reference = await TransferPlace.GoldenAsync("folder");
        await using var source = await TransferPlace.GoldenAsync("folder");
        await using var target = await TransferPlace.NewAsync("folder");
        await AddCatchupAsync(source);
        var locked = new FaultyObjectStore(source.Store, (_, _, _) => { })
        {
            Keeps = key => key.EndsWith($"{kept}_backup_stop_sentinel.json", StringComparison.Ordinal),
        };
        await Transfer(locked, target).RunAsync(new StoreTransferRequest { Path = "" }, Token)
            .FailsAsync(kept == Full ? ErrorCode.StoreFailed : ErrorCode.ObjectNotDeletable);
        Assert.Equal(kept == Full ? 1 : 2, await CountAsync(source));
        await AssertWholeAsync(source, reference);
        await AssertWholeAsync(target, reference);
    }

    [Fact]
    public async Task A_backup_that_the_target_goes_on_listing_is_not_replaced()
    {
        await using var source = await TransferPlace.GoldenAsync("folder");
        await using var target = await TransferPlace.GoldenAsync("folder");
        var sentinel = $"basebackups_005/{Full}_backup_stop_sentinel.json";
        var part = (await target.KeysAsync($"basebackups_005/{Full}/tar_partitions"))[0];
        await target.Store.PutAsync(sentinel, "{}"u8.ToArray());
        await target.Store.PutAsync(part, "another backup's"u8.ToArray());
        var locked = new FaultyObjectStore(target.Store, (_, _, _) => { }) { Keeps = key => key == sentinel };
        await new StoreTransfer(source.Store, locked, target.Buffers, log)
            .RunAsync(new StoreTransferRequest { Overwrite = true }, Token).FailsAsync(ErrorCode.ObjectNotDeletable);
        Assert.Equal("another backup's"u8.ToArray(), await target.Store.GetAsync(part));
        Assert.Equal(3, await CountAsync(source));
    }

    [Fact]
    public async Task Limits_and_preserving_are_kept()
    {
        await using var source = await TransferPlace.GoldenAsync("folder");
        await using var target = await TransferPlace.NewAsync("folder");
        var before = await source.KeysAsync();
        await Transfer(source.Store, target).RunAsync(new StoreTransferRequest { Path = "wal_005", MaxObjects = 2, Preserve = true }, Token);
        Assert.Equal(2, (await target.KeysAsync()).Length);
        await Transfer(source.Store, target).RunAsync(new StoreTransferRequest { MaxBackups = 2, Preserve = true }, Token);
        await Transfer(source.Store, target).RunAsync(new StoreTransferRequest { MaxObjects = 5, Preserve = true }, Token);
        Assert.Equal(2, (await target.KeysAsync()).Length);
        Assert.Equal(before, await source.KeysAsync());
    }

    [Fact]
    public async Task Parts_of_a_listed_backup_do_not_move_alone_and_one_place_is_no_two()
    {
        await using var source = await TransferPlace.GoldenAsync("folder");
        await using var target = await TransferPlace.NewAsync("folder");
        var part = new StoreTransferRequest { Path = $"basebackups_005/{Full}/tar_partitions" };
        await Transfer(source.Store, target).RunAsync(part, Token).FailsAsync(ErrorCode.BackupNeeded);
        var inside = new WalRus.Storage.FileSystem.FileSystemObjectStore(source.Folder!["basebackups_005"]);
        await new StoreTransfer(source.Store, inside, target.Buffers, log).RunAsync(part, Token).FailsAsync(ErrorCode.InvalidArgument);
        Assert.Empty(await target.KeysAsync());
    }

    private static async Task AddCatchupAsync(TransferPlace place)
    {
        await place.Store.PutAsync($"catchup_005/{Full}/tar_partitions/part_001.tar.lz4", StoreExtensions.Bytes(1000));
        await place.Store.PutAsync($"catchup_005/{Full}_backup_stop_sentinel.json", "{}"u8.ToArray());
    }

    /// <summary>What is listed has all its objects, and its parents.</summary>
    private static async Task AssertWholeAsync(TransferPlace place, TransferPlace reference)
    {
        await foreach (var entry in new BackupCatalog(place.Archive()).ListAsync(Token))
        {
            var folder = WalGLayout.BackupObjects(entry.Name);
            Assert.Equal(await reference.KeysAsync(folder), await place.KeysAsync(folder));
            await new BackupCatalog(place.Archive()).GetChainAsync(entry.Detail!, Token);
        }

        Assert.True(!await place.Store.HasAsync($"catchup_005/{Full}_backup_stop_sentinel.json")
            || await place.Store.HasAsync($"catchup_005/{Full}/tar_partitions/part_001.tar.lz4"));
    }

    private static async Task<int> CountAsync(TransferPlace place) =>
        (await new BackupCatalog(place.Archive()).ListOrderedAsync(null, Token)).Count;

    private StoreTransfer Transfer(IObjectStore source, TransferPlace target) => new(source, target.Store, target.Buffers, log);
}
