using WalRus.Archiving;
using WalRus.Compression;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Storage.FileSystem;
using WalRus.WalG;

namespace WalRus.Tests.Archiving;

public sealed class WalCatalogTests : IDisposable
{
    private static readonly WalSegmentSize Size = WalSegmentSize.Default;
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Each_timeline_with_segments_has_its_range()
    {
        Put(
            "000000010000000000000003.lz4", "000000010000000000000009.lz4", "000000010000000000000009.zst",
            "00000001000000000000000A.partial.lz4", "000000010000000000000000_delta.lz4", "000000010000000000000001.json",
            "000000010000000000000003.00000028.backup.lz4", "00000002.history.lz4", "000000020000000000000009.lz4",
            "00000003.history", "notes.txt", "00000009000000000000000g.lz4");
        var ranges = await Catalog().GetRangesAsync(TestContext.Current.CancellationToken);
        Assert.Equal([1u, 2u], ranges.Select(range => range.Timeline.Value));
        Assert.Equal("000000010000000000000003", ranges[0].First.ToString());
        Assert.Equal("000000010000000000000009", ranges[0].Last.ToString());
        Assert.Equal(3, ranges[0].SegmentCount);
        Assert.True(ranges[0].LastModified > DateTimeOffset.UtcNow.AddHours(-1));
        Assert.Equal(
            new TimelineId(3), await Catalog().FindLatestTimelineAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task An_empty_archive_has_no_timelines_and_lacks_everything()
    {
        Assert.Empty(await Catalog().GetRangesAsync(TestContext.Current.CancellationToken));
        Assert.Null(await Catalog().FindLatestTimelineAsync(TestContext.Current.CancellationToken));
        Assert.Equal(
            ["000000010000000000000001", "000000010000000000000002"],
            await Missing("000000010000000000000001", "000000010000000000000002"));
    }

    [Fact]
    public async Task Missing_segments_are_found_across_log_ids_and_only_whole_ones_count()
    {
        Put(
            "0000000100000000000000FE.lz4", "0000000100000000000000FF.zst", "000000010000000100000001",
            "000000010000000100000000.partial.lz4", "000000010000000100000002_delta.lz4", "000000010000000100000003.json",
            "000000020000000100000002.lz4");
        Assert.Equal(
            ["000000010000000100000000", "000000010000000100000002", "000000010000000100000003"],
            await Missing("0000000100000000000000FE", "000000010000000100000003"));
        Assert.Empty(await Missing("0000000100000000000000FE", "0000000100000000000000FF"));
    }

    [Fact]
    public async Task A_wide_range_is_searched_too()
    {
        Put("000000010000000000000001.lz4", "000000010000004000000000.lz4", "000000010000008000000000.lz4");
        var missing = await Missing("000000010000000000000001", "000000010000008000000000");
        Assert.Equal((0x80 * 256) - 1 + 1 - 3, missing.Count);
        Assert.DoesNotContain("000000010000004000000000", missing);
    }

    [Fact]
    public async Task Random_archives_lack_exactly_what_was_not_put()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var size = WalSegmentSize.FromBytes(1 << 30);
        var present = Enumerable.Range(0, 120).Where(_ => random.Next(3) > 0).Select(number => (ulong)number).ToHashSet();
        Put([.. present.Select(number => $"{WalFileName.FromSegment(new TimelineId(7), number, size)}.lz4")]);
        for (var round = 0; round < 50; round++)
        {
            var from = (ulong)random.Next(120);
            var to = from + (ulong)random.Next(120 - (int)from);
            var expected = Enumerable.Range((int)from, Math.Max(0, (int)to - (int)from + 1))
                .Where(number => !present.Contains((ulong)number))
                .Select(number => WalFileName.FromSegment(new TimelineId(7), (ulong)number, size).ToString());
            var missing = await Missing(
                WalFileName.FromSegment(new TimelineId(7), from, size).ToString(),
                WalFileName.FromSegment(new TimelineId(7), to, size).ToString(), size);
            Assert.True(expected.SequenceEqual(missing), $"seed {seed}: {from}-{to}");
        }
    }

    [Fact]
    public async Task The_first_missing_ones_are_named_and_all_are_counted()
    {
        Put("000000010000000000000001.lz4", "000000010000000000000064.lz4");
        var missing = await Catalog().FindMissingAsync(
            WalFileName.Parse("000000010000000000000001"), WalFileName.Parse("000000010000000000000064"), Size,
            TestContext.Current.CancellationToken);
        Assert.Equal(98, missing.Count);
        Assert.Equal("000000010000000000000002", missing.First[0].ToString());
    }

    [Theory]
    [InlineData("lz4")]
    [InlineData("none")]
    public async Task A_history_is_read_under_its_codec_and_under_its_bare_name(string stored)
    {
        var name = new TimelineId(2).HistoryFileName;
        var archive = new Archive(
            new FileSystemObjectStore(folder.FullName), Codecs.Create(stored), Codecs.ReadOrder, Crypter: null);
        await using (var target = await archive.OpenWriteAsync(
            WalGLayout.Wal(name), WriteCondition.None, TestContext.Current.CancellationToken))
        {
            await target.WriteAsync("1\t0/3000000\tno recovery target specified\n"u8.ToArray(), TestContext.Current.CancellationToken);
            await target.CompleteAsync(TestContext.Current.CancellationToken);
        }

        var history = await Catalog().ReadHistoryAsync(new TimelineId(2), TestContext.Current.CancellationToken);
        Assert.Equal(new TimelineId(1), history!.Parent);
        Assert.Null(await Catalog().ReadHistoryAsync(new TimelineId(3), TestContext.Current.CancellationToken));
        Assert.Empty((await Catalog().ReadHistoryAsync(new TimelineId(1), TestContext.Current.CancellationToken))!.Switches);
    }

    [Fact]
    public void Two_timelines_a_wrong_order_or_impossible_names_are_the_callers_mistake()
    {
        var catalog = Catalog();
        foreach (var last in (string[])["000000020000000000000003", "000000010000000000000103", "000000010000000000000002"])
        {
            Assert.Throws<ArgumentException>(() => catalog.ListMissingAsync(
                WalFileName.Parse("000000010000000000000003"), WalFileName.Parse(last), Size, default));
        }
    }

    private WalCatalog Catalog() => new(new Archive(
        new FileSystemObjectStore(folder.FullName), Codecs.Create("lz4"), Codecs.ReadOrder, Crypter: null));

    private async Task<List<string>> Missing(string from, string to, WalSegmentSize? size = null)
    {
        var missing = new List<string>();
        await foreach (var name in Catalog().ListMissingAsync(
            WalFileName.Parse(from), WalFileName.Parse(to), size ?? Size, TestContext.Current.CancellationToken))
        {
            missing.Add(name.ToString());
        }

        return missing;
    }

    private void Put(params string[] names)
    {
        Directory.CreateDirectory(folder["wal_005"]);
        foreach (var name in names)
        {
            File.WriteAllText(folder["wal_005", name], "x");
        }
    }
}
