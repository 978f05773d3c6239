using System.Buffers.Binary;
using System.Formats.Tar;
using System.Text.Json;
using WalRus.Backup;
using WalRus.Delta;
using WalRus.Postgres;
using WalRus.Tests.Contracts;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

/// <summary>One lane of a delta, fed with files that misbehave as data files of a running server do.</summary>
public sealed class DeltaLaneTests : IDisposable
{
    private const int PageBytes = 8192;
    private const string File = "/base/1/16400";
    private const long Time = 1_700_000_000;
    private const int Nanoseconds = 123_456_788;

    private static readonly BackupName Name = BackupName.Parse("base_000000010000000000000006_D_000000010000000000000004");
    private static readonly Lsn Since = new(0x4000028);

    private readonly BackupPushFixture fixture = new();
    private readonly FilesMetadataWriter metadata;
    private readonly ScriptedSource source = new();

    public DeltaLaneTests() => metadata = new FilesMetadataWriter(fixture.Folder.FullName);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        metadata.Dispose();
        fixture.Dispose();
    }

    [Theory]
    [InlineData(IncrementFormat.Wi1)]
    [InlineData(IncrementFormat.Native)]
    public async Task The_changed_and_the_new_pages_of_a_file_are_in_its_increment(IncrementFormat format)
    {
        var pages = Pages(200, changed: [0, 7, 8, 9, 199]);
        pages.AsSpan(50 * PageBytes, PageBytes).Clear();
        var (member, described) = await AddAsync(new(pages), format);
        Assert.True(described.GetProperty("IsIncremented").GetBoolean());
        Assert.Equal([0, 7, 8, 9, 50, 199], Blocks(member!));
        Assert.Equal(pages, DeltaChain.Apply(Parent(pages, 0, 7, 8, 9, 50, 199), member!));
        Assert.Equal(Nanoseconds + 1, NanosecondsOf(described));
    }

    [Fact]
    public async Task The_formats_are_those_of_their_tools_to_the_byte()
    {
        var pages = Pages(3, changed: [0, 2]);
        var (member, _) = await AddAsync(new(pages));
        Assert.Equal("77693155006000000000000002000000" + "0000000002000000", Convert.ToHexStringLower(member!.AsSpan(0, 24)));
        Assert.Equal([.. pages[..PageBytes], .. pages[(2 * PageBytes)..]], member![24..]);
        Assert.Equal(12, IncrementLayout.ContentBytes(IncrementFormat.Native, 0));
        Assert.Equal(16, IncrementLayout.ContentBytes(IncrementFormat.Wi1, 0));
        Assert.Equal(2 * PageBytes + (2045 * (PageBytes + 0L)), PageBytes + IncrementLayout.ContentBytes(IncrementFormat.Native, 2045));
        Assert.Equal(2 * PageBytes + (2046L * PageBytes), IncrementLayout.ContentBytes(IncrementFormat.Native, 2046));
    }

    [Fact]
    public async Task A_file_without_a_changed_page_has_an_increment_that_says_its_size()
    {
        var (member, described) = await AddAsync(new(Pages(5, changed: [])));
        Assert.Equal("77693155" + "00a0000000000000" + "00000000", Convert.ToHexStringLower(member!));
        Assert.True(described.GetProperty("IsIncremented").GetBoolean());
    }

    [Fact]
    public async Task A_file_of_the_parents_time_is_recorded_without_data_and_not_opened()
    {
        var (member, described) = await AddAsync(new(Pages(5, changed: [1])) { ModifiedNanoseconds = Nanoseconds, MustNotBeRead = true });
        Assert.Null(member);
        Assert.True(described.GetProperty("IsSkipped").GetBoolean());
        Assert.Equal(Nanoseconds, NanosecondsOf(described));
    }

    [Fact]
    public async Task A_time_of_whole_seconds_proves_nothing()
    {
        var (member, _) = await AddAsync(new(Pages(5, changed: [1])) { ModifiedNanoseconds = 0 }, parentNanoseconds: 0);
        Assert.Equal([1], Blocks(member!));
    }

    [Theory]
    [InlineData("/base/1/16401")]
    [InlineData("/base/1/16400_fsm")]
    [InlineData("/pg_xact/0000")]
    public async Task What_is_new_or_no_relations_file_goes_in_whole(string name)
    {
        var pages = Pages(3, changed: [1]);
        var (member, described) = await AddAsync(new(pages), name: name, parentName: name == "/base/1/16401" ? "/base/1/1" : name);
        Assert.Equal(pages, member);
        Assert.False(described.GetProperty("IsIncremented").GetBoolean());
    }

    [Theory]
    [InlineData("nothing")]
    [InlineData("part of a page")]
    [InlineData("a page that is none")]
    [InlineData("a page without LSN")]
    public async Task A_file_whose_pages_cannot_be_told_goes_in_whole(string what)
    {
        var pages = Pages(3, changed: [1]);
        switch (what)
        {
            case "nothing": pages = []; break;
            case "part of a page": pages = pages[..^100]; break;
            case "a page that is none": pages[(2 * PageBytes) + 18] = 99; break;
            default: pages.AsSpan(2 * PageBytes, 8).Clear(); break;
        }

        var (member, described) = await AddAsync(new(pages));
        Assert.Equal(pages, member);
        Assert.False(described.GetProperty("IsIncremented").GetBoolean());
    }

    [Fact]
    public async Task A_page_torn_by_a_write_is_read_again()
    {
        var good = Pages(40, changed: [3]);
        var torn = (byte[])good.Clone();
        torn[(30 * PageBytes) + 14] = 0xFF;
        torn[(30 * PageBytes) + 15] = 0xFF;
        var (member, _) = await AddAsync(new(torn) { LaterContent = good });
        Assert.Equal([3], Blocks(member!));
    }

    [Fact]
    public async Task A_file_cut_while_it_is_read_keeps_its_size_and_has_zeros()
    {
        var pages = Pages(100, changed: [2, 60, 90]);
        var (member, _) = await AddAsync(new(pages) { CutAfterReadings = (1, 50 * PageBytes) });
        Assert.True(Blocks(member!).Contains(2));
        var made = DeltaChain.Apply(new byte[pages.Length], member!);
        Assert.Equal(pages.Length, made.Length);
        Assert.Equal(pages.AsSpan(2 * PageBytes, PageBytes), made.AsSpan(2 * PageBytes, PageBytes));
        Assert.Equal(new byte[PageBytes], made.AsSpan(90 * PageBytes, PageBytes).ToArray());
    }

    [Fact]
    public async Task A_file_that_grows_is_cut_at_the_size_it_was_opened_with()
    {
        var pages = Pages(10, changed: [1, 8]);
        var (member, _) = await AddAsync(new(pages) { SizeBytes = 4 * PageBytes });
        Assert.Equal([1], Blocks(member!));
        Assert.Equal(4 * PageBytes, BinaryPrimitives.ReadInt64LittleEndian(member.AsSpan(4)));
    }

    [Fact]
    public async Task Of_the_pages_a_source_lists_only_those_changed_go_in_and_no_other_is_read()
    {
        source.Answer = (ChangedBlocks.Listed, set =>
        {
            set.Add(1);
            set.Add(3);
            set.Add(4);
        });
        var (member, described) = await AddAsync(new(Pages(10, changed: [1, 4, 7])) { ReadableBlocks = [1, 3, 4] });
        Assert.Equal([1, 4], Blocks(member!));

        // Page 7 was changed after this backup's start, perhaps: the next delta must look at the file again.
        Assert.Equal(Nanoseconds, NanosecondsOf(described));
    }

    [Fact]
    public async Task A_file_of_which_a_source_lists_nothing_is_not_read_and_looked_at_by_the_next_delta()
    {
        source.Answer = (ChangedBlocks.Listed, _ => { });
        var (member, described) = await AddAsync(new(Pages(10, changed: [1])) { MustNotBeRead = true });
        Assert.Null(member);
        Assert.True(described.GetProperty("IsSkipped").GetBoolean());
        Assert.NotEqual(Nanoseconds + 1, NanosecondsOf(described));
    }

    [Theory]
    [InlineData(ChangedBlocks.Listed, false)]
    [InlineData(ChangedBlocks.Listed, true)]
    [InlineData(ChangedBlocks.Unknown, true)]
    public async Task A_shared_relation_is_taken_whole_or_when_nothing_of_it_is_listed_not_read(ChangedBlocks what, bool mayHaveChanged)
    {
        source.Segment = new RelationSegment(1664, 0, 1260, 0);
        source.Answer = (what, set =>
        {
            if (mayHaveChanged)
            {
                set.Add(0);
            }
        });
        var pages = Pages(2, changed: [1]);
        var (member, described) = await AddAsync(new(pages) { MustNotBeRead = !mayHaveChanged }, name: "/global/1260");
        Assert.Equal(mayHaveChanged ? pages : null, member);
        Assert.Equal(!mayHaveChanged, described.GetProperty("IsSkipped").GetBoolean());
        Assert.Equal(mayHaveChanged, NanosecondsOf(described) == Nanoseconds + 1);
    }

    [Fact]
    public async Task Blocks_listed_beyond_the_end_say_that_the_file_was_cut()
    {
        source.Answer = (ChangedBlocks.Listed, set => set.AddFrom(10));
        var (member, described) = await AddAsync(new(Pages(10, changed: [])));
        Assert.Empty(Blocks(member!));
        Assert.Equal(10 * PageBytes, BinaryPrimitives.ReadInt64LittleEndian(member.AsSpan(4)));
        Assert.True(described.GetProperty("IsIncremented").GetBoolean());
    }

    [Fact]
    public async Task A_file_that_was_replaced_goes_in_whole_whatever_its_pages_say()
    {
        source.Answer = (ChangedBlocks.Replaced, _ => { });
        var pages = Pages(10, changed: []);
        var (member, _) = await AddAsync(new(pages));
        Assert.Equal(pages, member);
    }

    [Fact]
    public async Task Checksums_of_the_pages_in_an_increment_are_verified()
    {
        var pages = Pages(20, changed: [3, 9], lsn: 0x4800000);
        pages[(9 * PageBytes) + 5000] ^= 1;
        pages[(11 * PageBytes) + 5000] ^= 1;
        var verification = new PageVerification(PageBytes, 131072, new Lsn(0x6000000), listAll: false);
        var (_, described) = await AddAsync(new(pages), verification: verification);
        Assert.Equal(
            """{"CorruptBlocksCount":1,"SomeCorruptBlocks":[9]}""", described.GetProperty("CorruptBlocks").GetRawText());
    }

    /// <summary>Pages as PostgreSQL writes them; those not changed are older than the parent.</summary>
    private static byte[] Pages(int count, int[] changed, ulong lsn = 0x5000000)
    {
        var pages = StoreExtensions.Bytes(count * PageBytes, 5);
        for (var block = 0; block < count; block++)
        {
            var page = pages.AsSpan(block * PageBytes, PageBytes);
            BinaryPrimitives.WriteUInt32LittleEndian(page, 0);
            BinaryPrimitives.WriteUInt32LittleEndian(page[4..], (uint)(changed.Contains(block) ? lsn : 0x1000000));
            BinaryPrimitives.WriteUInt16LittleEndian(page[10..], 0);
            BinaryPrimitives.WriteUInt16LittleEndian(page[12..], 40);
            BinaryPrimitives.WriteUInt16LittleEndian(page[14..], 4000);
            BinaryPrimitives.WriteUInt16LittleEndian(page[16..], 8192);
            BinaryPrimitives.WriteUInt16LittleEndian(page[18..], 8192 | 4);
            BinaryPrimitives.WriteUInt16LittleEndian(page[8..], PageChecksum.Compute(page, (uint)block));
        }

        return pages;
    }

    /// <summary>The file with other bytes in the pages that changed.</summary>
    private static byte[] Parent(byte[] pages, params int[] changed)
    {
        var parent = (byte[])pages.Clone();
        foreach (var block in changed)
        {
            parent.AsSpan(block * PageBytes, PageBytes).Fill(0xEE);
        }

        return parent;
    }

    private static int[] Blocks(byte[] increment)
    {
        var isNative = increment[0] == 0x0D;
        var count = BinaryPrimitives.ReadInt32LittleEndian(increment.AsSpan(isNative ? 4 : 12));
        return [.. Enumerable.Range(0, count)
            .Select(index => BinaryPrimitives.ReadInt32LittleEndian(increment.AsSpan((isNative ? 12 : 16) + (index * 4))))];
    }

    private static int NanosecondsOf(JsonElement described)
    {
        Assert.True(WalGTime.TryParse(described.GetProperty("MTime").GetString(), out var time));
        Assert.Equal(Time, time.UnixSeconds);
        return time.Nanoseconds;
    }

    /// <summary>Adds one file to a delta whose parent has it with another time (or the same, if the file has that).</summary>
    private async Task<(byte[]? Member, JsonElement Described)> AddAsync(
        ScriptedFile file,
        IncrementFormat format = IncrementFormat.Wi1,
        string name = File,
        string? parentName = null,
        int parentNanoseconds = Nanoseconds,
        PageVerification? verification = null)
    {
        var parent = await ParentFiles.ReadAsync(Parents(parentName ?? name, parentNanoseconds), fixture.Folder.FullName, Token);
        await using var delta = new DeltaBase(parent, source, null) { Since = Since, Format = format, FileBlocks = 131072 };
        var context = new TarPartContext
        {
            Tars = new BackupTars(fixture.Archive, Name, metadata, fixture.Log),
            SizeThresholdBytes = 1 << 30,
            Accounts = new UnixAccounts(),
            Verification = verification,
            Progress = new BackupProgress(null, null),
            Delta = delta,
            OpenFile = (_, _) => file,
        };
        await using (var builder = new TarPartBuilder(
            context, new byte[TarPartBuilder.BufferBytes], new byte[TarPartBuilder.BufferBytes]))
        {
            await builder.AddAsync(new WalkedFile(name, name, file.Facts, ""), Token);
            await builder.CompleteAsync(Token);
        }

        var document = new MemoryStream();
        await metadata.WriteToAsync(document, Token);
        var described = JsonDocument.Parse(document.ToArray()).RootElement.GetProperty("Files").GetProperty(name);
        return (await MemberAsync(), described);
    }

    private async Task<byte[]?> MemberAsync()
    {
        if ((await fixture.KeysAsync()).Length == 0)
        {
            return null;
        }

        using var tar = new TarReader(new MemoryStream(await fixture.Store.GetAsync(WalGLayout.Tar(Name, "part_001.tar").ToString())));
        var entry = await tar.GetNextEntryAsync(cancellationToken: Token);
        var content = new MemoryStream();
        await (entry!.DataStream ?? Stream.Null).CopyToAsync(content, Token);
        return content.ToArray();
    }

    private static async IAsyncEnumerable<FilesMetadataEntry> Parents(string name, int nanoseconds)
    {
        await Task.Yield();
        yield return new FilesMetadataEntry { Name = name, ModifiedTime = WalGTime.FromUnix(Time, nanoseconds) };
    }

    private sealed class ScriptedSource : IChangedBlockSource
    {
        public RelationSegment Segment { get; set; } = new(1663, 1, 16400, 0);

        public (ChangedBlocks What, Action<BlockSet> Fill) Answer { get; set; } = (ChangedBlocks.Unknown, _ => { });

        public string Name => "a script";

        public ValueTask<ChangedBlocks> FindAsync(
            RelationSegment segment, BlockSet candidates, CancellationToken cancellationToken)
        {
            Assert.Equal(Segment, segment);
            Assert.Equal(0, candidates.Count);
            Answer.Fill(candidates);
            return new(Answer.What);
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private sealed class ScriptedFile(byte[] content) : IDataFile
    {
        private int readings;

        public long? SizeBytes { get; init; }

        public bool MustNotBeRead { get; init; }

        public int[]? ReadableBlocks { get; init; }

        public byte[]? LaterContent { get; init; }

        /// <summary>After so many readings only so many bytes are left.</summary>
        public (int Readings, int Bytes)? CutAfterReadings { get; init; }

        /// <summary>Another time than the parent's, unless told.</summary>
        public int ModifiedNanoseconds { get; init; } = Nanoseconds + 1;

        public FileFacts Facts => new(FileKind.File, SizeBytes ?? content.Length, 0x180, 0, 0, Time, ModifiedNanoseconds);

        public int Read(Span<byte> target, long offset)
        {
            Assert.False(MustNotBeRead);
            if (ReadableBlocks is not null)
            {
                Assert.Subset(
                    ReadableBlocks.ToHashSet(),
                    Enumerable.Range((int)(offset / PageBytes), target.Length / PageBytes).ToHashSet());
            }

            // A single page is read only when it is read again.
            var source = LaterContent is not null && target.Length == PageBytes ? LaterContent : content;
            var end = CutAfterReadings is { } cut && readings++ >= cut.Readings ? cut.Bytes : source.Length;
            var count = (int)Math.Clamp(end - offset, 0, target.Length);
            source.AsSpan((int)Math.Min(offset, end), count).CopyTo(target);
            return count;
        }

        public void Dispose()
        {
        }
    }
}
