using System.Formats.Tar;
using WalRus.Backup;
using WalRus.Compression;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Tests.Contracts;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

/// <summary>One lane fed with files that misbehave as data files of a running server do.</summary>
public sealed class TarPartBuilderTests : IDisposable
{
    private const int PageBytes = 8192;
    private const long Old = 1_600_000_000;

    private static readonly BackupName Name = BackupName.Parse("base_000000010000000000000002");

    private readonly BackupPushFixture fixture = new();
    private readonly Dictionary<string, ScriptedFile> files = [];
    private readonly FilesMetadataWriter metadata;

    public TarPartBuilderTests() => metadata = new FilesMetadataWriter(fixture.Folder.FullName);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        metadata.Dispose();
        fixture.Dispose();
    }

    [Fact]
    public async Task A_file_that_grows_is_cut_at_the_size_it_was_opened_with()
    {
        var content = StoreExtensions.Bytes(900_000);
        files["/base/1/1"] = new(content) { SizeBytes = 300_001 };
        await BuildAsync();
        Assert.Equal(content[..300_001], (await ReadAsync("part_001.tar"))["/base/1/1"]);
    }

    [Theory]
    [InlineData(300_000, 100_000)]
    [InlineData(300_000, 0)]
    [InlineData(10, 5)]
    public async Task A_file_that_shrinks_is_filled_with_zeros(int size, int left)
    {
        var content = StoreExtensions.Bytes(left);
        files["/base/1/1"] = new(content) { SizeBytes = size };
        files["/base/1/2"] = new([1, 2, 3]);
        await BuildAsync();
        var members = await ReadAsync("part_001.tar");
        Assert.Equal([.. content, .. new byte[size - left]], members["/base/1/1"]);
        Assert.Equal([1, 2, 3], members["/base/1/2"]);
    }

    [Fact]
    public async Task A_file_replaced_since_the_walk_is_whole_at_its_new_size()
    {
        files["/postgresql.auto.conf"] = new(StoreExtensions.Bytes(500)) { WalkedBytes = 88 };
        await BuildAsync();
        Assert.Equal(500, (await ReadAsync("part_001.tar"))["/postgresql.auto.conf"].Length);
    }

    [Fact]
    public async Task A_vanished_file_is_counted_and_neither_packed_nor_described()
    {
        files["/base/1/1"] = new([1]);
        files["/base/1/2"] = new([2]) { IsGone = true };
        var builder = await BuildAsync();
        Assert.Equal((1, 1), (builder.FileCount, builder.VanishedCount));
        Assert.Equal(["/base/1/1"], (await ReadAsync("part_001.tar")).Keys);
        Assert.DoesNotContain("/base/1/2", await DocumentAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_tar_is_closed_once_its_files_pass_the_threshold_and_numbers_have_no_gap()
    {
        for (var i = 0; i < 7; i++)
        {
            files[$"/base/1/{i}"] = new(StoreExtensions.Bytes(60_000));
        }

        await BuildAsync(threshold: 100_000);
        var names = await fixture.Store.NamesAsync(new ListRequest { Folder = WalGLayout.TarPartitions(Name) });
        Assert.Equal(
            ["part_001.tar", "part_002.tar", "part_003.tar", "part_004.tar"], names.Select(name => Path.GetFileName(name)!));
        Assert.Equal(2, (await ReadAsync("part_001.tar")).Count);
        Assert.Single(await ReadAsync("part_004.tar"));
    }

    [Fact]
    public async Task A_lane_without_files_makes_no_tar()
    {
        await BuildAsync();
        Assert.Empty(await fixture.KeysAsync());
    }

    [Fact]
    public async Task The_time_of_a_file_changed_just_now_is_not_recorded_as_it_is()
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        files["/base/1/old"] = new([1]) { ModifiedSeconds = Old, ModifiedNanoseconds = 123_456_789 };
        files["/base/1/new"] = new([1]) { ModifiedSeconds = now, ModifiedNanoseconds = 123_456_789 };
        files["/base/1/future"] = new([1]) { ModifiedSeconds = now + 60, ModifiedNanoseconds = 0 };
        await BuildAsync();
        var document = System.Text.Json.JsonDocument.Parse(await DocumentAsync()).RootElement.GetProperty("Files");
        WalGTime TimeOf(string name) => WalGTime.TryParse(document.GetProperty(name).GetProperty("MTime").GetString(), out var time)
            ? time
            : throw new FormatException();
        Assert.Equal((Old, 123_456_789), (TimeOf("/base/1/old").UnixSeconds, TimeOf("/base/1/old").Nanoseconds));
        Assert.Equal((now, 123_456_788), (TimeOf("/base/1/new").UnixSeconds, TimeOf("/base/1/new").Nanoseconds));
        Assert.Equal((now + 60, 1), (TimeOf("/base/1/future").UnixSeconds, TimeOf("/base/1/future").Nanoseconds));
    }

    [Fact]
    public async Task Corrupt_pages_are_counted_and_the_first_ten_of_a_file_listed()
    {
        var pages = Pages(40, 0);
        for (var block = 3; block < 15; block++)
        {
            pages[(block * PageBytes) + 5000] ^= 1;
        }

        files["/base/1/16400"] = new(pages);
        files["/base/1/16401"] = new(Pages(3, 0));
        files["/base/1/16400_fsm"] = new(pages);
        files["/pg_xact/0000"] = new(pages);
        var verification = new PageVerification(PageBytes, 131072, new Lsn(0x5000000), listAll: false);
        await BuildAsync(verification: verification);
        Assert.Equal(12, verification.CorruptCount);
        var document = System.Text.Json.JsonDocument.Parse(await DocumentAsync()).RootElement.GetProperty("Files");
        Assert.Equal(
            """{"CorruptBlocksCount":12,"SomeCorruptBlocks":[3,4,5,6,7,8,9,10,11,12]}""",
            document.GetProperty("/base/1/16400").GetProperty("CorruptBlocks").GetRawText());
        Assert.False(document.GetProperty("/base/1/16401").TryGetProperty("CorruptBlocks", out _));
        Assert.Equal(pages, (await ReadAsync("part_001.tar"))["/base/1/16400"]);
    }

    [Fact]
    public async Task Block_numbers_go_on_from_one_file_of_a_relation_to_the_next()
    {
        files["/base/1/16400.2"] = new(Pages(3, 2 * 131072));
        files["/pg_tblspc/1/PG_17/5/16400.1"] = new(Pages(3, 0));
        var verification = new PageVerification(PageBytes, 131072, new Lsn(0x5000000), listAll: true);
        await BuildAsync(verification: verification);
        Assert.Equal(3, verification.CorruptCount);
        var file = System.Text.Json.JsonDocument.Parse(await DocumentAsync()).RootElement.GetProperty("Files")
            .GetProperty("/pg_tblspc/1/PG_17/5/16400.1");
        Assert.Equal("[0,1,2]", file.GetProperty("CorruptBlocks").GetProperty("SomeCorruptBlocks").GetRawText());
    }

    [Fact]
    public async Task A_torn_page_is_read_again_and_its_last_reading_is_kept()
    {
        var good = Pages(50, 0);
        var torn = (byte[])good.Clone();
        torn.AsSpan((37 * PageBytes) + 4096, 4096).Fill(7);
        files["/base/1/16400"] = new(torn) { LaterContent = good };
        var verification = new PageVerification(PageBytes, 131072, new Lsn(0x5000000), listAll: false);
        await BuildAsync(verification: verification);
        Assert.Equal(0, verification.CorruptCount);
        Assert.Equal(good, (await ReadAsync("part_001.tar"))["/base/1/16400"]);
    }

    [Theory]
    [InlineData(0x5000000UL, 0)]
    [InlineData(0x5FFFFFFUL, 0)]
    [InlineData(0x4FFFFFFUL, 1)]
    [InlineData(0xFFFFFFFFFFFFFFF0UL, 1)]
    public async Task A_page_changed_since_the_start_needs_no_checksum(ulong pageLsn, int corrupt)
    {
        var page = Pages(1, 0, pageLsn);
        page[8000] ^= 1;
        files["/base/1/16400"] = new(page);
        var verification = new PageVerification(PageBytes, 131072, new Lsn(0x5000000), listAll: false);
        await BuildAsync(verification: verification);
        Assert.Equal(corrupt, verification.CorruptCount);
    }

    [Fact]
    public async Task A_partial_page_at_the_end_and_a_file_that_shrinks_are_not_corrupt()
    {
        files["/base/1/16400"] = new([.. Pages(3, 0), .. new byte[100]]);
        files["/base/1/16401"] = new(Pages(3, 0)) { SizeBytes = 80 * PageBytes };
        files["/base/1/16402"] = new(new byte[5 * PageBytes]);
        var verification = new PageVerification(PageBytes, 131072, new Lsn(0x5000000), listAll: false);
        await BuildAsync(verification: verification);
        Assert.Equal(0, verification.CorruptCount);
        Assert.Equal(80 * PageBytes, (await ReadAsync("part_001.tar"))["/base/1/16401"].Length);
    }

    /// <summary>Pages of a relation with right checksums.</summary>
    private static byte[] Pages(int count, uint firstBlock, ulong lsn = 0x1000)
    {
        var pages = StoreExtensions.Bytes(count * PageBytes, 5);
        for (var i = 0; i < count; i++)
        {
            var page = pages.AsSpan(i * PageBytes, PageBytes);
            BitConverter.TryWriteBytes(page, (uint)(lsn >> 32));
            BitConverter.TryWriteBytes(page[4..], (uint)lsn);
            BitConverter.TryWriteBytes(page[14..], (ushort)4000);
            BitConverter.TryWriteBytes(page[8..], PageChecksum.Compute(page, firstBlock + (uint)i));
        }

        return pages;
    }

    private async Task<TarPartBuilder> BuildAsync(long threshold = 1 << 30, PageVerification? verification = null)
    {
        var context = new TarPartContext
        {
            Tars = new BackupTars(fixture.Archive, Name, metadata, fixture.Log),
            SizeThresholdBytes = threshold,
            Accounts = new UnixAccounts(),
            Verification = verification,
            Progress = new BackupProgress(null, null),
            OpenFile = (path, _) => files[path].IsGone ? null : files[path],
        };
        await using var builder = new TarPartBuilder(context, new byte[TarPartBuilder.BufferBytes]);
        foreach (var (name, file) in files)
        {
            var walked = file.Facts with { SizeBytes = file.WalkedBytes ?? file.Facts.SizeBytes };
            await builder.AddAsync(new WalkedFile(name, name, walked, ""), Token);
        }

        await builder.CompleteAsync(Token);
        return builder;
    }

    private async Task<string> DocumentAsync()
    {
        var document = new MemoryStream();
        await metadata.WriteToAsync(document, Token);
        return System.Text.Encoding.UTF8.GetString(document.ToArray());
    }

    private async Task<Dictionary<string, byte[]>> ReadAsync(string tarName)
    {
        using var tar = new TarReader(new MemoryStream(await fixture.Store.GetAsync(WalGLayout.Tar(Name, tarName).ToString())));
        var members = new Dictionary<string, byte[]>();
        while (await tar.GetNextEntryAsync(cancellationToken: Token) is { } entry)
        {
            var content = new MemoryStream();
            await (entry.DataStream ?? Stream.Null).CopyToAsync(content, Token);
            members.Add(entry.Name, content.ToArray());
        }

        return members;
    }

    /// <summary>A file whose size, content and times are as told.</summary>
    private sealed class ScriptedFile(byte[] content) : IDataFile
    {
        private readonly HashSet<long> readOnce = [];

        public long? SizeBytes { get; init; }

        public long? WalkedBytes { get; init; }

        public bool IsGone { get; init; }

        /// <summary>What a second reading of the same place gives.</summary>
        public byte[]? LaterContent { get; init; }

        public long ModifiedSeconds { get; init; } = Old;

        public int ModifiedNanoseconds { get; init; }

        public FileFacts Facts => new(
            FileKind.File, SizeBytes ?? content.Length, 0x180, 0, 0, ModifiedSeconds, ModifiedNanoseconds);

        public int Read(Span<byte> target, long offset)
        {
            var source = content;
            if (LaterContent is not null && target.Length == PageBytes && !readOnce.Add(offset))
            {
                source = LaterContent;
            }

            var count = (int)Math.Clamp(source.Length - offset, 0, target.Length);
            source.AsSpan((int)Math.Min(offset, source.Length), count).CopyTo(target);
            return count;
        }

        public void Dispose()
        {
        }
    }
}
