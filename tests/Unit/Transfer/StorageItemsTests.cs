using System.Text;
using WalRus.Compression;
using WalRus.Encryption;
using WalRus.Storage;
using WalRus.Tests.Contracts;
using WalRus.Tests.Faults;
using WalRus.Transfer;

namespace WalRus.Tests.Transfer;

public sealed class StorageItemsTests
{
    private readonly RecordingLog log = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1100)] // no run: all are held
    [InlineData(250)]
    [InlineData(8)] // 137 runs, most of them merged
    [InlineData(1)] // and those merged again
    public async Task A_listing_of_more_than_is_held_at_once_is_whole_and_in_order(int held)
    {
        await using var place = await TransferPlace.NewAsync("folder");
        var folder = Directory.CreateDirectory(place.Folder!["wal_005"]).FullName;
        const int count = 1100;
        foreach (var i in Enumerable.Range(0, count))
        {
            // Numbers mixed up, so that the folder's own order is none.
            File.Create(Path.Combine(folder, $"{(i * 7919L) % count:X8}")).Dispose();
        }

        var request = new ListRequest { Folder = "wal_005" };
        var listed = await ListAsync(OrderedListing.ListAsync(place.Store, request, (_ => true, held), Token));
        Assert.Equal(Enumerable.Range(0, count).Select(i => $"wal_005/{i:X8}"), listed.Select(entry => entry.Key.ToString()));
    }

    [Theory]
    [InlineData("folder")]
    [InlineData("bucket")]
    public async Task Folders_come_first_and_patterns_match_segment_by_segment(string kind)
    {
        await using var place = await TransferPlace.NewAsync(kind);
        foreach (var key in new[] { "b/x/1.json", "b/x/2.tar", "b/y/1.json", "a", "c", "b/1.json" })
        {
            await place.Store.PutAsync(key, StoreExtensions.Bytes(3));
        }

        var items = Items(place);
        Assert.Equal(["b/", "a", "c"], await NamesAsync(items.ListAsync("", false, Token)));
        Assert.Equal(["b/x/", "b/y/", "b/1.json"], await NamesAsync(items.ListAsync("/b/", false, Token)));
        Assert.Equal(["b/x/1.json", "b/y/1.json"], await NamesAsync(items.GlobAsync("b/*/*.json", Token)));
        Assert.Equal(["b/x/", "b/y/"], await NamesAsync(items.GlobAsync("b/[xy]", Token)));
        Assert.Empty(await NamesAsync(items.ListAsync("none", true, Token)));
    }

    [Theory]
    [InlineData("folder")]
    [InlineData("bucket")]
    public async Task What_is_stored_comes_back_and_is_never_replaced_unasked(string kind)
    {
        await using var place = await TransferPlace.NewAsync(kind);
        using var files = new TemporaryFolder();
        using var crypter = new LibsodiumCrypter(LibsodiumKey.Parse(new string('7', 64), "hex"));
        var items = new StorageItems(place.Archive(new ZstdCodec(), crypter), place.Buffers, log);
        var content = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("content ", 1000)));
        var set = new StorageSetRequest { Content = new MemoryStream(content), Key = ObjectKey.Parse("some/file") };

        var stored = await items.SetAsync(set, Token);

        Assert.Equal(("some/file.zst", content.Length), (stored.Key.ToString(), stored.ContentBytes));
        Assert.True((await place.Store.GetAsync("some/file.zst")).Length < 500);
        await items.SetAsync(set with { Content = new MemoryStream(content) }, Token).FailsAsync(ErrorCode.ObjectExists);
        var plain = await items.SetAsync(set with { Content = new MemoryStream(content), Compress = false, Encrypt = false }, Token);
        Assert.Equal(content, await place.Store.GetAsync(plain.Key.ToString()));

        var save = new StorageSaveRequest { Key = stored.Key, Destination = files.FullName };
        var saved = await items.SaveAsync(save, Token);
        Assert.Equal(files["file.zst"], saved.Path);
        Assert.Equal(content, File.ReadAllBytes(files["file.zst"]));
        await items.SaveAsync(save, Token).FailsAsync(ErrorCode.FileExists);
        await items.SaveAsync(save with { Destination = files["raw"], Decrypt = false, Decompress = false }, Token);
        Assert.Equal(await place.Store.GetAsync("some/file.zst"), File.ReadAllBytes(files["raw"]));
        Assert.Equal(2, Directory.GetFiles(files.FullName).Length);
    }

    [Fact]
    public async Task A_file_whose_object_breaks_off_does_not_appear()
    {
        await using var place = await TransferPlace.NewAsync("folder");
        using var files = new TemporaryFolder();
        await place.Store.PutAsync("big", StoreExtensions.Bytes(3_000_000));
        var faulty = new FaultyObjectStore(place.Store, (call, _, position) =>
        {
            if (call == StoreCall.Read && position > 1_000_000)
            {
                throw new WalRusException(ErrorCode.StoreFailed, "as the script says");
            }
        });
        var items = new StorageItems(place.Archive(over: faulty), place.Buffers, log);
        await items.SaveAsync(new StorageSaveRequest { Key = ObjectKey.Parse("big"), Destination = files["big"], Decompress = false }, Token)
            .FailsAsync(ErrorCode.StoreFailed);
        Assert.Empty(Directory.GetFiles(files.FullName));
    }

    [Theory]
    [InlineData("../x")]
    [InlineData("a/../../x")]
    [InlineData("a//b")]
    [InlineData("a\\..\\b")]
    [InlineData("")]
    public void A_name_that_could_lead_elsewhere_is_refused(string path) =>
        Assert.Equal(ErrorCode.InvalidArgument, Assert.Throws<WalRusException>(() => StorageItems.KeyOf(path)).Code);

    [Theory]
    [InlineData("folder")]
    [InlineData("bucket")]
    public async Task Removing_spares_listed_backups_unless_insisted_on(string kind)
    {
        await using var place = await TransferPlace.GoldenAsync(kind);
        var removal = new StorageRemoval(place.Store, log);
        const string full = "basebackups_005/base_000000010000000000000003";
        foreach (var path in new[] { full, $"{full}/tar_partitions/", $"{full}/metadata.json", $"{full}_backup_stop_sentinel.json" })
        {
            await removal.PlanAsync(path, false, Token).FailsAsync(ErrorCode.BackupNeeded);
        }

        await removal.PlanAsync("wal_00", false, Token).FailsAsync(ErrorCode.ObjectNotFound);
        var last = await removal.PlanAsync(
            "basebackups_005/base_000000010000000000000009_D_000000010000000000000006_backup_stop_sentinel.json", false, Token);
        Assert.Equal((false, 1), (last.IsFolder, last.ObjectCount));
        Assert.Equal(1, await removal.RunAsync(last, Token));

        var all = await removal.PlanAsync("basebackups_005", false, Token);
        Assert.Equal((await place.KeysAsync("basebackups_005")).Length, all.ObjectCount);
        Assert.Equal(all.ObjectCount, await removal.RunAsync(all, Token));
        Assert.Empty(await place.KeysAsync("basebackups_005"));
        Assert.NotEmpty(await place.KeysAsync("wal_005"));
    }

    [Fact]
    public async Task Removing_all_backups_takes_the_sentinels_first_and_those_of_deltas_before_their_parents()
    {
        await using var place = await TransferPlace.GoldenAsync("folder");
        var deleted = new List<string>();
        var watched = new FaultyObjectStore(place.Store, (call, keys, _) =>
        {
            if (call == StoreCall.Delete)
            {
                deleted.AddRange(keys.Split(' '));
            }
        });
        var removal = new StorageRemoval(watched, log);
        await removal.RunAsync(await removal.PlanAsync("basebackups_005/", false, Token), Token);
        Assert.Equal(
            ["base_000000010000000000000009_D_", "base_000000010000000000000006_D_", "base_000000010000000000000003_ba"],
            deleted.Take(3).Select(key => key["basebackups_005/".Length..][..32]));
    }

    [Theory]
    [InlineData("folder")]
    [InlineData("bucket")]
    public async Task A_store_that_works_passes_every_step_and_keeps_nothing_of_the_probe(string kind)
    {
        await using var place = await TransferPlace.NewAsync(kind);
        await place.Store.PutAsync("here", StoreExtensions.Bytes(1));
        var request = new StorageTestRequest { MustExist = ["here"], ProbeBytes = 6_000_001 };
        var results = await ListAsync(new StorageTest(place.Store).RunAsync(request, Token));
        Assert.Equal(["List", "Exists", "Write", "Consistency", "Read", "Delete"], results.Select(result => result.Step));
        Assert.All(results, result => Assert.Null(result.Failure));
        Assert.True(results.Single(result => result.Step == "Write").BytesPerSecond > 1000);
        Assert.Equal(["here"], await place.KeysAsync());
        var missing = await ListAsync(new StorageTest(place.Store).RunAsync(request with { MustExist = ["a", "here", "b"], ReadOnly = true }, Token));
        Assert.Equal("files are missing: a, b", missing.Single(result => result.Failure is not null).Message);
    }

    [Theory]
    [InlineData("stale")]
    [InlineData("changed")]
    [InlineData("kept")]
    public async Task A_store_that_does_not_keep_its_word_is_found_out(string fault)
    {
        await using var place = await TransferPlace.NewAsync("folder");
        var faulty = new FaultyObjectStore(place.Store, (call, _, _) =>
        {
            if (fault == "kept" && call == StoreCall.Delete)
            {
                throw new WalRusException(ErrorCode.StoreAccessDenied, "as the script says");
            }

            foreach (var file in (fault, call) is ("stale", StoreCall.Head) or ("changed", StoreCall.OpenRead)
                ? Directory.GetFiles(place.Folder!.FullName) : [])
            {
                if (fault == "stale")
                {
                    File.Delete(file);
                    continue;
                }

                using var open = new FileStream(file, FileMode.Open);
                open.Position = 70_000;
                open.WriteByte(7);
                open.WriteByte(8);
            }
        });
        var results = await ListAsync(new StorageTest(faulty).RunAsync(new StorageTestRequest { ProbeBytes = 200_000 }, Token));
        Assert.Contains(results, result => result.Failure is not null);
    }

    private StorageItems Items(TransferPlace place) => new(place.Archive(), place.Buffers, log);

    private static async Task<List<T>> ListAsync<T>(IAsyncEnumerable<T> items)
    {
        var list = new List<T>();
        await foreach (var item in items)
        {
            list.Add(item);
        }

        return list;
    }

    private static async Task<string[]> NamesAsync(IAsyncEnumerable<ListEntry> entries) =>
        [.. (await ListAsync(entries)).Select(entry => entry.Key + (entry.IsFolder ? "/" : ""))];
}
