using System.Formats.Tar;
using System.Text;
using WalRus.Streaming.Tar;
using TarReader = WalRus.Streaming.Tar.TarReader;
using TarEntry = WalRus.Streaming.Tar.TarEntry;
using TarWriter = System.Formats.Tar.TarWriter;

namespace WalRus.Tests.Streaming.Tar;

/// <summary>The reader against archives of .NET's own writer, and against hand-made ones for what that never writes.</summary>
public sealed class TarReaderTests
{
    private static readonly string LongName = "base/" + string.Join('/', Enumerable.Repeat("a_rather_long_folder_name", 12)) + "/16384";

    [Theory]
    [InlineData(TarEntryFormat.V7)]
    [InlineData(TarEntryFormat.Ustar)]
    [InlineData(TarEntryFormat.Pax)]
    [InlineData(TarEntryFormat.Gnu)]
    public async Task Every_format_of_the_framework_is_read(TarEntryFormat format)
    {
        var big = Content(700_001);
        var archive = Write(format, writer =>
        {
            writer.WriteEntry(Make(format, "/", TarEntryType.Directory, []));
            writer.WriteEntry(Make(format, "/base/1/1259", RegularFile(format), Content(8192)));
            writer.WriteEntry(Make(format, "/empty", RegularFile(format), []));
            writer.WriteEntry(Make(format, "/big", RegularFile(format), big));
            if (format is TarEntryFormat.Pax or TarEntryFormat.Gnu)
            {
                writer.WriteEntry(Make(format, LongName, RegularFile(format), Content(1)));
            }
        });
        var entries = await ReadAllAsync(archive);
        Assert.Equal(["/", "/base/1/1259", "/empty", "/big"], entries.Take(4).Select(entry => entry.Entry.Name));
        Assert.Equal(TarEntryKind.Directory, entries[0].Entry.Kind);
        Assert.Equal(Content(8192), entries[1].Content);
        Assert.Equal(big, entries[3].Content);
        Assert.All(entries, entry => Assert.Equal(0x180, entry.Entry.Mode & 0x1FF));
        Assert.All(entries, entry => Assert.Equal((26L, 27L), (entry.Entry.UserId, entry.Entry.GroupId)));
        if (entries.Count > 4)
        {
            Assert.Equal(LongName, entries[4].Entry.Name);
        }
    }

    [Theory]
    [InlineData(TarEntryFormat.Pax)]
    [InlineData(TarEntryFormat.Gnu)]
    public async Task Long_link_targets_are_read(TarEntryFormat format)
    {
        var archive = Write(format, writer =>
        {
            var link = Make(format, "pg_tblspc/16400", TarEntryType.SymbolicLink, []);
            link.LinkName = "/" + LongName;
            writer.WriteEntry(link);
        });
        var entry = Assert.Single(await ReadAllAsync(archive)).Entry;
        Assert.Equal((TarEntryKind.SymbolicLink, "/" + LongName), (entry.Kind, entry.LinkName));
    }

    [Fact]
    public async Task A_ustar_prefix_is_joined_to_the_name()
    {
        var name = string.Join('/', Enumerable.Repeat("forty_characters_of_folder_in_this_name_", 3)) + "/16384";
        var header = TarBytes.Header(name[(name.LastIndexOf('/') + 1)..], 0);
        Encoding.ASCII.GetBytes(name[..name.LastIndexOf('/')]).CopyTo(header.AsSpan(345));
        Assert.Equal(name, Assert.Single(await ReadAllAsync(TarBytes.Sum(header))).Entry.Name);
    }

    [Fact]
    public async Task What_fills_the_prefix_of_a_gnu_header_is_no_part_of_the_name()
    {
        var header = TarBytes.Header("PG_VERSION", 0);
        "ustar  \0"u8.CopyTo(header.AsSpan(257));
        "14717405010"u8.CopyTo(header.AsSpan(345));
        Assert.Equal("PG_VERSION", Assert.Single(await ReadAllAsync(TarBytes.Sum(header))).Entry.Name);
    }

    [Fact]
    public async Task Base_256_numbers_are_read()
    {
        var header = TarBytes.Header("x", 0);
        new byte[] { 0x80, 0, 0, 0, 0x80, 0, 0, 1 }.CopyTo(header, 108);
        new byte[] { 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5 }.CopyTo(header, 124);
        Enumerable.Repeat((byte)0xFF, 12).ToArray().CopyTo(header, 136);
        var entry = Assert.Single(await ReadAllAsync([.. TarBytes.Sum(header), .. new byte[512]])).Entry;
        Assert.Equal((0x80000001L, 5L, -1L), (entry.UserId, entry.SizeBytes, entry.ModifiedUnixSeconds));
    }

    [Fact]
    public async Task A_size_in_an_extended_header_replaces_the_plain_one()
    {
        byte[] archive =
        [
            .. TarBytes.Pax("size=3", "uid=70000000", "mtime=1700000000.123456789", "path=/übergröße", "comment=none"),
            .. TarBytes.Member("short", "abc"u8.ToArray(), size: 0), .. new byte[1024],
        ];
        var (entry, content) = Assert.Single(await ReadAllAsync(archive));
        Assert.Equal("abc"u8.ToArray(), content);
        Assert.Equal(("/übergröße", 70000000L, 1700000000L), (entry.Name, entry.UserId, entry.ModifiedUnixSeconds));
    }

    [Fact]
    public async Task A_global_header_holds_for_all_members_that_follow_and_an_empty_value_takes_it_back()
    {
        byte[] archive =
        [
            .. TarBytes.Pax('g', "gid=77"), .. TarBytes.Member("a", []), .. TarBytes.Pax("gid=78"), .. TarBytes.Member("b", []),
            .. TarBytes.Pax('g', "gid="), .. TarBytes.Member("c", []),
        ];
        Assert.Equal([77L, 78L, 0L], (await ReadAllAsync(archive)).Select(entry => entry.Entry.GroupId));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(511)]
    [InlineData(512)]
    [InlineData(1024)]
    [InlineData(10_240)]
    [InlineData(1_000_001)]
    public async Task Any_number_of_zero_bytes_may_end_an_archive(int zeros)
    {
        byte[] archive = [.. TarBytes.Member("a", Content(100)), .. new byte[zeros]];
        Assert.Single(await ReadAllAsync(archive));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(411)]
    public async Task An_archive_may_end_inside_the_padding_of_its_last_member(int padding)
    {
        var archive = TarBytes.Member("a", Content(100))[..(512 + 100 + padding)];
        Assert.Equal(Content(100), Assert.Single(await ReadAllAsync(archive)).Content);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(511)]
    [InlineData(513)]
    [InlineData(611)]
    public async Task An_archive_that_ends_inside_a_header_or_a_member_is_refused(int length)
    {
        var archive = TarBytes.Member("a", Content(100))[..length];
        var refused = await Assert.ThrowsAsync<WalRusException>(() => ReadAllAsync(archive));
        Assert.Equal(ErrorCode.ObjectCorrupt, refused.Code);
        Assert.Contains("'part_001.tar.lz4'", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Data_after_the_end_is_refused()
    {
        byte[] archive = [.. TarBytes.Member("a", []), .. new byte[512], .. TarBytes.Member("b", [])];
        await RefusedAsync(archive);
    }

    [Fact]
    public async Task A_wrong_checksum_is_refused()
    {
        var archive = TarBytes.Member("a", []);
        archive[0] ^= 1;
        await RefusedAsync(archive);
    }

    [Fact]
    public async Task Sparse_files_are_refused()
    {
        await RefusedAsync([.. TarBytes.Pax("GNU.sparse.major=1"), .. TarBytes.Member("a", [])]);
        await RefusedAsync(TarBytes.Member("a", [], type: 'S'));
    }

    [Fact]
    public async Task Extended_headers_without_bounds_are_refused()
    {
        await RefusedAsync(TarBytes.Sum(TarBytes.Header("x", 1 << 30, 'x')));
        await RefusedAsync([.. Enumerable.Repeat(TarBytes.Pax("uid=1"), 40).SelectMany(bytes => bytes), .. TarBytes.Member("a", [])]);
        await RefusedAsync([.. TarBytes.Pax("uid=1"), .. new byte[1024]]);
        await RefusedAsync([.. TarBytes.Pax("size=9223372036854775807"), .. TarBytes.Member("a", [])]);
        await RefusedAsync([.. TarBytes.Pax("size=-1"), .. TarBytes.Member("a", [])]);
    }

    [Fact]
    public async Task Members_that_are_not_read_are_passed_over()
    {
        byte[] archive = [.. TarBytes.Member("a", Content(300_000)), .. TarBytes.Member("b", Content(10)), .. TarBytes.Member("c", [])];
        var reader = new TarReader(new Dribble(archive, 4099), new byte[TarReader.MinBufferBytes], "x");
        var names = new List<string>();
        while (await reader.ReadEntryAsync(TestContext.Current.CancellationToken))
        {
            names.Add(reader.Entry.Name);
        }

        Assert.Equal(["a", "b", "c"], names);
    }

    [Fact]
    public async Task Pieces_of_a_large_member_fill_the_buffer()
    {
        var archive = TarBytes.Member("a", Content(1_000_000));
        var reader = new TarReader(new Dribble(archive, 1000), new byte[100_000], "x");
        Assert.True(await reader.ReadEntryAsync(TestContext.Current.CancellationToken));
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal(100_000, (await reader.ReadContentAsync(TestContext.Current.CancellationToken)).Length);
        }

        Assert.True((await reader.ReadContentAsync(TestContext.Current.CancellationToken)).IsEmpty);
    }

    [Fact]
    public async Task Random_archives_come_back_however_the_stream_is_cut()
    {
        var seed = Environment.TickCount;
        TestContext.Current.SendDiagnosticMessage($"seed {seed}");
        var random = new Random(seed);
        for (var round = 0; round < 20; round++)
        {
            var members = Enumerable.Range(0, random.Next(1, 30))
                .Select(i => ($"base/{i}/{new string('n', random.Next(1, 200))}", Content(random.Next(0, 3) * random.Next(0, 100_000))))
                .ToList();
            var archive = Write(TarEntryFormat.Pax, writer =>
            {
                foreach (var (name, content) in members)
                {
                    writer.WriteEntry(Make(TarEntryFormat.Pax, name, TarEntryType.RegularFile, content));
                }
            });
            var read = await ReadAllAsync(archive, random.Next(1, 70_000));
            Assert.True(
                members.SequenceEqual(read.Select(entry => (entry.Entry.Name, entry.Content)), SameContent), $"seed {seed}");
        }
    }

    [Fact]
    public async Task No_truncation_and_no_flipped_byte_does_worse_than_a_refusal()
    {
        byte[] archive =
        [
            .. TarBytes.Pax('g', "gid=77"), .. TarBytes.Pax("path=/a/b/c", "size=5"), .. TarBytes.Member("a", Content(5)),
            .. TarBytes.Member("././@LongLink", "some/long/name\0"u8.ToArray(), type: 'L'), .. TarBytes.Member("b", Content(600)),
            .. new byte[1024],
        ];
        for (var i = 0; i < archive.Length; i++)
        {
            await SurviveAsync(archive[..i]);
            var flipped = archive.ToArray();
            flipped[i] ^= (byte)(1 << (i % 8));
            await SurviveAsync(flipped);
        }
    }

    private static async Task SurviveAsync(byte[] archive)
    {
        try
        {
            await ReadAllAsync(archive);
        }
        catch (WalRusException refused)
        {
            Assert.Equal(ErrorCode.ObjectCorrupt, refused.Code);
        }
    }

    private static async Task RefusedAsync(byte[] archive) =>
        Assert.Equal(ErrorCode.ObjectCorrupt, (await Assert.ThrowsAsync<WalRusException>(() => ReadAllAsync(archive))).Code);

    private static bool SameContentOf((string Name, byte[] Content) left, (string Name, byte[] Content) right) =>
        left.Name == right.Name && left.Content.AsSpan().SequenceEqual(right.Content);

    private static readonly IEqualityComparer<(string Name, byte[] Content)> SameContent =
        EqualityComparer<(string Name, byte[] Content)>.Create(SameContentOf, pair => pair.Name.GetHashCode(StringComparison.Ordinal));

    private static async Task<List<(TarEntry Entry, byte[] Content)>> ReadAllAsync(byte[] archive, int pieceBytes = 8192)
    {
        var reader = new TarReader(new Dribble(archive, pieceBytes), new byte[TarReader.MinBufferBytes], "part_001.tar.lz4");
        var entries = new List<(TarEntry, byte[])>();
        while (await reader.ReadEntryAsync(TestContext.Current.CancellationToken))
        {
            var content = new MemoryStream();
            while (await reader.ReadContentAsync(TestContext.Current.CancellationToken) is { IsEmpty: false } piece)
            {
                content.Write(piece.Span);
            }

            entries.Add((reader.Entry, content.ToArray()));
        }

        return entries;
    }

    private static byte[] Content(int length)
    {
        var content = new byte[length];
        new Random(length).NextBytes(content);
        return content;
    }

    private static byte[] Write(TarEntryFormat format, Action<TarWriter> write)
    {
        var archive = new MemoryStream();
        using (var writer = new TarWriter(archive, format, leaveOpen: true))
        {
            write(writer);
        }

        return archive.ToArray();
    }

    private static TarEntryType RegularFile(TarEntryFormat format) =>
        format == TarEntryFormat.V7 ? TarEntryType.V7RegularFile : TarEntryType.RegularFile;

    private static System.Formats.Tar.TarEntry Make(TarEntryFormat format, string name, TarEntryType type, byte[] content)
    {
        System.Formats.Tar.TarEntry entry = format switch
        {
            TarEntryFormat.V7 => new V7TarEntry(type, name),
            TarEntryFormat.Ustar => new UstarTarEntry(type, name),
            TarEntryFormat.Pax => new PaxTarEntry(type, name),
            _ => new GnuTarEntry(type, name),
        };
        entry.Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        (entry.Uid, entry.Gid) = (26, 27);
        if (content.Length > 0)
        {
            entry.DataStream = new MemoryStream(content);
        }

        return entry;
    }

    /// <summary>Gives at most so many bytes a read.</summary>
    private sealed class Dribble(byte[] content, int pieceBytes) : MemoryStream(content)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(buffer.Length, pieceBytes)], cancellationToken);
    }
}
