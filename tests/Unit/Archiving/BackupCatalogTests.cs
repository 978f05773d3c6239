using System.Text;
using System.Text.Json;
using WalRus.Archiving;
using WalRus.Compression;
using WalRus.Postgres;
using WalRus.Storage.FileSystem;
using WalRus.WalG;

namespace WalRus.Tests.Archiving;

public sealed class BackupCatalogTests : IDisposable
{
    private const string Root = "base_000000010000000000000004";
    private const string Child = "base_000000010000000000000006_D_000000010000000000000004";
    private readonly TemporaryFolder folder = new();
    private int age;

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task The_golden_archives_are_listed_as_their_writers_list_them()
    {
        foreach (var archive in GoldenArchive.All())
        {
            archive.Unpack(folder[archive.Name], key => key.EndsWith("sentinel.json", StringComparison.Ordinal)
                || key.EndsWith("/metadata.json", StringComparison.Ordinal));
            var catalog = Catalog(folder[archive.Name]);
            var expected = archive.Facts.GetProperty("backups").EnumerateArray()
                .Select(backup => backup.GetProperty("backup").GetString()!).ToArray();

            var listed = await catalog.ListOrderedAsync(
                entry => Assert.Fail($"{archive.Name}: {entry.Error}"), TestContext.Current.CancellationToken);
            Assert.Equal(expected, listed.Select(backup => backup.Name.ToString()));
            Assert.Equal(
                expected[^1], (await catalog.FindAsync("LATEST", TestContext.Current.CancellationToken)).Name.ToString());
            Assert.All(listed, backup => Assert.Equal(
                archive.Facts.GetProperty("system_identifier").GetString(), $"{backup.SystemIdentifier}"));

            foreach (var backup in listed)
            {
                var chain = await catalog.GetChainAsync(backup, TestContext.Current.CancellationToken);
                Assert.Equal(backup.DeltaCount + 1, chain.Count);
                Assert.Equal(backup.DeltaFullName ?? backup.Name.ToString(), chain[0].Name.ToString());
                Assert.False(chain[0].IsDelta);
                Assert.Same(backup, chain[^1]);
            }

            if (archive.IsWalG)
            {
                AssertSame(archive.OutputOf("backup-list", "--detail", "--json"), listed);
            }
        }
    }

    [Fact]
    public async Task The_newest_by_modification_time_is_latest_whatever_its_name()
    {
        Put("base_000000020000000000000009");
        Put(Root);
        Assert.Equal(Root, (await Find("LATEST")).Name.ToString());
    }

    [Fact]
    public async Task Of_two_sentinels_of_one_moment_the_later_name_is_latest()
    {
        Put(Root);
        age = 0;
        Put("base_000000010000000000000005");
        Assert.Equal("base_000000010000000000000005", (await Find("LATEST")).Name.ToString());
    }

    [Theory]
    [InlineData("LATEST")]
    [InlineData(Root)]
    [InlineData("no name at all")]
    public async Task What_is_not_there_is_reported_with_the_next_step(string name)
    {
        var refused = await Assert.ThrowsAsync<WalRusException>(() => Find(name));
        Assert.Equal(ErrorCode.BackupNotFound, refused.Code);
        Assert.NotNull(refused.Hint);
    }

    [Fact]
    public async Task A_sentinel_that_cannot_be_read_is_listed_with_its_error()
    {
        Put(Root);
        Directory.CreateDirectory(folder["basebackups_005"]);
        File.WriteAllText(folder["basebackups_005", $"{Child}_backup_stop_sentinel.json"], "{\"LSN\":");
        File.WriteAllText(folder["basebackups_005", "stream_20240101T000000Z_backup_stop_sentinel.json"], "{}");
        var entries = new List<BackupCatalogEntry>();
        await foreach (var entry in Catalog().ListAsync(TestContext.Current.CancellationToken))
        {
            entries.Add(entry);
        }

        Assert.Equal([Root, Child], entries.Select(entry => entry.Name.ToString()).Order(StringComparer.Ordinal));
        Assert.Equal(ErrorCode.BackupUnreadable, entries.Single(entry => entry.Name.ToString() == Child).Error?.Code);
        Assert.NotNull(entries.Single(entry => entry.Name.ToString() == Root).Detail);
        Assert.Equal(ErrorCode.BackupUnreadable, (await Assert.ThrowsAsync<WalRusException>(() => Find(Child))).Code);
    }

    [Fact]
    public async Task Metadata_decides_about_permanence_and_user_data_and_the_sentinel_where_it_is_missing()
    {
        using var data = JsonDocument.Parse("""{"a":1}""");
        Put(Root, metadata => metadata with { IsPermanent = true, UserData = data.RootElement });
        Put("base_000000010000000000000005", sentinel: new BackupSentinel { IsPermanent = true, Hostname = "h" }, withMetadata: false);
        var marked = await Find(Root);
        Assert.True(marked.IsPermanent);
        Assert.True(marked.HasMetadata);
        Assert.Equal("""{"a":1}""", marked.UserData!.Value.GetRawText());
        var old = await Find("base_000000010000000000000005");
        Assert.True(old.IsPermanent);
        Assert.False(old.HasMetadata);
        Assert.Equal("h", old.Hostname);
        Assert.Null(old.StartTime);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"start_time\":\"2024-05-01T10:00:00Z\",\"hostn")]
    [InlineData("{\"pg_version\":\"fifteen\"}")]
    public async Task Damaged_metadata_is_a_warning_and_the_backup_is_described_by_its_sentinel(string document)
    {
        Put(Root, sentinel: new BackupSentinel { StartLsn = new Lsn(40), Hostname = "h", PgVersion = 150004 });
        File.WriteAllText(folder["basebackups_005", Root, "metadata.json"], document);
        var log = new RecordingLog();
        var found = await Catalog(log: log).FindAsync("LATEST", TestContext.Current.CancellationToken);
        Assert.Equal((40UL, "h", 150004), (found.StartLsn.Value, found.Hostname, found.PgVersion));
        Assert.True(found.IsPermanent, "it may have been marked so, and nothing may delete it");
        var warning = Assert.Single(log.Events);
        Assert.Equal((EventLevel.Warning, "BackupMetadataUnreadable"), (warning.Level, warning.Name));
        Assert.Contains(Root, warning.Message, StringComparison.Ordinal);
        Assert.Single(await Catalog().ListOrderedAsync(
            entry => Assert.Fail($"{entry.Error}"), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task User_data_is_found_by_value_and_must_be_of_one_backup()
    {
        PutWithData(Root, """{"n":1,"s":{"x":[1,2],"y":null}}""");
        PutWithData("base_000000010000000000000005", """{"n":2}""");
        PutWithData("base_000000010000000000000006", """{"n":2.0}""");
        using var one = JsonDocument.Parse("""{"s":{"y":null,"x":[1.0,2]},"n":1e0}""");
        using var two = JsonDocument.Parse("""{"n":2}""");
        using var none = JsonDocument.Parse("""{"s":{"y":null,"x":[2,1]},"n":1}""");
        Assert.Equal(Root, (await Catalog().FindByUserDataAsync(one.RootElement, TestContext.Current.CancellationToken)).Name.ToString());
        var ambiguous = await Assert.ThrowsAsync<WalRusException>(
            () => Catalog().FindByUserDataAsync(two.RootElement, TestContext.Current.CancellationToken));
        Assert.Equal(ErrorCode.BackupAmbiguous, ambiguous.Code);
        Assert.Contains("base_000000010000000000000006", ambiguous.Message, StringComparison.Ordinal);
        var missing = await Assert.ThrowsAsync<WalRusException>(
            () => Catalog().FindByUserDataAsync(none.RootElement, TestContext.Current.CancellationToken));
        Assert.Equal(ErrorCode.BackupNotFound, missing.Code);
    }

    [Theory]
    [InlineData(Root, 40, "which the archive does not hold")]
    [InlineData("", 40, "catchup backup")]
    [InlineData(Child, 40, "comes back")]
    public async Task A_chain_without_a_root_is_refused(string from, ulong lsn, string fragment)
    {
        Put(Child, sentinel: new BackupSentinel { StartLsn = new Lsn(80), Delta = new BackupDelta(new Lsn(lsn), from, from, 1) });
        var refused = await Chain(Child);
        Assert.Contains(fragment, refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(41, 7, "starts at 0/28")]
    [InlineData(40, 8, "its cluster is 7")]
    public async Task A_parent_that_is_another_backup_under_the_same_name_is_refused(ulong lsn, ulong cluster, string fragment)
    {
        Put(Root, sentinel: new BackupSentinel { StartLsn = new Lsn(40), SystemIdentifier = 7 });
        Put(Child, sentinel: new BackupSentinel
        {
            StartLsn = new Lsn(80), SystemIdentifier = cluster, Delta = new BackupDelta(new Lsn(lsn), Root, Root, 1),
        });
        var refused = await Chain(Child);
        Assert.Contains(fragment, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_version_1_sentinel_with_a_long_list_of_files_takes_little_memory()
    {
        Directory.CreateDirectory(folder["basebackups_005"]);
        await using (var writer = new StreamWriter(folder["basebackups_005", $"{Root}_backup_stop_sentinel.json"]))
        {
            await writer.WriteAsync("""{"LSN":40,"Files":{""");
            for (var index = 0; index < 60_000; index++)
            {
                await writer.WriteAsync(
                    $$"""{{(index > 0 ? "," : "")}}"/base/1/{{index}}":{"IsIncremented":false,"MTime":"2020-05-01T10:00:00Z"}""");
            }

            await writer.WriteAsync("""},"PgVersion":90600,"TarFileSets":{"part_1.tar.lz4":[1,[2]]},"UserData":{"Files":"x"},"FinishLSN":50}""");
        }

        // From memory, so that no await leaves this thread.
        var source = new MemoryStream(await File.ReadAllBytesAsync(folder["basebackups_005", $"{Root}_backup_stop_sentinel.json"]));
        var before = GC.GetAllocatedBytesForCurrentThread();
        var sentinel = await BackupSentinel.ReadAsync(source, TestContext.Current.CancellationToken);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 256 << 10);
        Assert.True(source.Length > 3 << 20);
        Assert.Equal((40UL, 50UL, 90600), (sentinel.StartLsn!.Value.Value, sentinel.FinishLsn!.Value.Value, sentinel.PgVersion));
        Assert.Equal("""{"Files":"x"}""", sentinel.UserData!.Value.GetRawText());
        Assert.Equal(90600, (await Find(Root)).PgVersion);
    }

    [Fact]
    public void A_damaged_sentinel_stream_is_refused_or_taken_but_never_more() => Damage.TruncateAndFlipEveryByte(
        Encoding.UTF8.GetBytes("""{"LSN":40,"Files":{"a":[{}],"b":null},"UserData":{"k":["v\n",1.5,true]},"Hostname":"h"}"""),
        bytes => BackupSentinel.ReadAsync(new MemoryStream(bytes), TestContext.Current.CancellationToken).AsTask().GetAwaiter().GetResult());

    [Fact]
    public async Task A_sentinel_that_is_all_user_data_is_refused_before_it_fills_memory()
    {
        var json = Encoding.UTF8.GetBytes($$"""{"UserData":["{{new string('x', 6 << 20)}}"]}""");
        var refused = await Assert.ThrowsAsync<WalRusException>(
            () => BackupSentinel.ReadAsync(new MemoryStream(json), TestContext.Current.CancellationToken).AsTask());
        Assert.Equal(ErrorCode.BackupUnreadable, refused.Code);
    }

    [Fact]
    public async Task A_listing_that_is_left_early_or_cancelled_leaves_nothing_running()
    {
        for (var index = 4; index < 40; index++)
        {
            Put($"base_0000000100000000000000{index:X2}");
        }

        await foreach (var entry in Catalog().ListAsync(TestContext.Current.CancellationToken))
        {
            break;
        }

        using var stop = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var entry in Catalog().ListAsync(stop.Token))
            {
                await stop.CancelAsync();
            }
        });
    }

    private static void AssertSame(string printed, IReadOnlyList<BackupDetail> listed)
    {
        using var expected = JsonDocument.Parse(printed);
        Assert.Equal(expected.RootElement.GetArrayLength(), listed.Count);
        foreach (var (row, backup) in expected.RootElement.EnumerateArray().Zip(listed))
        {
            Assert.Equal(row.GetProperty("backup_name").GetString(), backup.Name.ToString());
            Assert.Equal(row.GetProperty("wal_file_name").GetString(), backup.StartSegment.ToString());
            Assert.Equal(row.GetProperty("storage_name").GetString(), backup.StorageName);
            Assert.Equal(row.GetProperty("start_time").GetDateTimeOffset(), backup.StartTime);
            Assert.Equal(row.GetProperty("finish_time").GetDateTimeOffset(), backup.FinishTime);
            Assert.Equal(row.GetProperty("hostname").GetString(), backup.Hostname);
            Assert.Equal(row.GetProperty("data_dir").GetString(), backup.DataDirectory);
            Assert.Equal(row.GetProperty("pg_version").GetInt32(), backup.PgVersion);
            Assert.Equal(row.GetProperty("start_lsn").GetUInt64(), backup.StartLsn.Value);
            Assert.Equal(row.GetProperty("finish_lsn").GetUInt64(), backup.FinishLsn.Value);
            Assert.Equal(row.GetProperty("is_permanent").GetBoolean(), backup.IsPermanent);
            Assert.Equal(row.GetProperty("uncompressed_size").GetInt64(), backup.UncompressedSize);
            Assert.Equal(row.GetProperty("compressed_size").GetInt64(), backup.CompressedSize);
            Assert.Equal(row.TryGetProperty("user_data", out var data) ? data.GetRawText() : null, backup.UserData?.GetRawText());

            // The packed archive keeps whole microseconds or better; wal-g printed what its disk had.
            Assert.Equal(
                row.GetProperty("time").GetDateTimeOffset(), backup.Modified, TimeSpan.FromSeconds(1));
        }
    }

    private async Task<WalRusException> Chain(string name)
    {
        var backup = await Find(name);
        var refused = await Assert.ThrowsAsync<WalRusException>(
            () => Catalog().GetChainAsync(backup, TestContext.Current.CancellationToken));
        Assert.Equal(ErrorCode.BackupIncomplete, refused.Code);
        Assert.NotNull(refused.Hint);
        return refused;
    }

    private Task<BackupDetail> Find(string name) => Catalog().FindAsync(name, TestContext.Current.CancellationToken);

    private BackupCatalog Catalog(string? root = null, IEventLog? log = null) => new(
        new Archive(
            new FileSystemObjectStore(root ?? folder.FullName), Codecs.Create("lz4"), Codecs.ReadOrder, Crypter: null),
        log);

    private void PutWithData(string name, string json)
    {
        using var data = JsonDocument.Parse(json);
        Put(name, metadata => metadata with { UserData = data.RootElement });
    }

    private void Put(
        string name,
        Func<BackupMetadata, BackupMetadata>? change = null,
        BackupSentinel? sentinel = null,
        bool withMetadata = true)
    {
        sentinel ??= new BackupSentinel { StartLsn = new Lsn(40) };
        Directory.CreateDirectory(folder["basebackups_005", name]);
        var path = folder["basebackups_005", $"{name}_backup_stop_sentinel.json"];
        File.WriteAllBytes(path, sentinel.ToJson());
        File.SetLastWriteTimeUtc(path, new DateTime(2024, 5, 1, 10, 0, age++, DateTimeKind.Utc));
        if (withMetadata)
        {
            var metadata = sentinel.ToMetadata();
            File.WriteAllBytes(folder["basebackups_005", name, "metadata.json"], (change?.Invoke(metadata) ?? metadata).ToJson());
        }
    }
}
