using System.Diagnostics;
using System.Formats.Tar;
using System.Text;
using WalRus.Streaming.Tar;
using Entry = WalRus.Streaming.Tar.TarEntry;
using Writer = WalRus.Streaming.Tar.TarWriter;
using TarReader = System.Formats.Tar.TarReader;

namespace WalRus.Tests.Streaming.Tar;

public sealed class TarWriterTests : IDisposable
{
    private static readonly TarOwner Postgres = new("postgres", "postgres");

    private readonly string folder = Directory.CreateTempSubdirectory("walrus-tar-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData("/PG_VERSION")]
    [InlineData("backup_label")]
    [InlineData("/pg_tblspc/16400/PG_17_202406281/16384/16450_vm")]
    [InlineData("/größe/Ω/файл-с-длинным-именем")]
    [InlineData("/name with spaces, 'quotes' and = signs")]
    public async Task A_member_comes_back_with_its_name_and_content(string name)
    {
        var tar = await WriteAsync((File(name, 11), "hello world"u8.ToArray()));
        using var reader = new TarReader(tar);
        var entry = reader.GetNextEntry()!;
        Assert.Equal(name, entry.Name);
        Assert.Equal("hello world", new StreamReader(entry.DataStream!).ReadToEnd());
        Assert.Equal((UnixFileMode)0x180, entry.Mode);
        Assert.Equal((70, 71), (entry.Uid, entry.Gid));
        Assert.Equal(1_700_000_000, entry.ModificationTime.ToUnixTimeSeconds());
        Assert.Equal(("postgres", "postgres"), (((PosixTarEntry)entry).UserName, ((PosixTarEntry)entry).GroupName));
        Assert.Null(reader.GetNextEntry());
    }

    [Theory]
    [InlineData(99)]
    [InlineData(100)]
    [InlineData(101)]
    [InlineData(255)]
    [InlineData(256)]
    [InlineData(257)]
    [InlineData(1000)]
    [InlineData(4000)]
    public async Task A_name_of_any_length_comes_back(int length)
    {
        foreach (var name in new[] { new string('x', length), "/" + new string('d', length / 2) + "/" + new string('f', (length - 2) - (length / 2)) })
        {
            var tar = await WriteAsync((File(name, 3), "abc"u8.ToArray()), (File("/after", 1), "z"u8.ToArray()));
            using var reader = new TarReader(tar);
            Assert.Equal(name, reader.GetNextEntry()!.Name);
            Assert.Equal("/after", reader.GetNextEntry()!.Name);
            Assert.Null(reader.GetNextEntry());
        }
    }

    [Fact]
    public async Task A_name_that_fits_is_written_as_plain_ustar_and_others_with_an_extended_header()
    {
        Assert.Equal((byte)'0', (await WriteAsync((File("/base/1/1259", 0), []))).ToArray()[156]);
        var split = await WriteAsync((File($"/{new string('d', 150)}/{new string('f', 99)}", 0), []));
        Assert.Equal((byte)'0', split.ToArray()[156]);
        Assert.Equal((byte)'x', (await WriteAsync((File(new string('f', 101), 0), []))).ToArray()[156]);
        Assert.Equal((byte)'x', (await WriteAsync((File("/é", 0), []))).ToArray()[156]);
    }

    [Fact]
    public async Task A_directory_and_a_link_have_no_content()
    {
        var target = "/mnt/" + new string('t', 200);
        var tar = await WriteAsync(
            (new Entry("/", TarEntryKind.Directory, 0, 0x1C0, 70, 71, 1_700_000_000, ""), []),
            (new Entry("/pg_log", TarEntryKind.SymbolicLink, 0, 0x1FF, 70, 71, 1_700_000_000, "/var/log/postgresql"), []),
            (new Entry("/far", TarEntryKind.SymbolicLink, 0, 0x1FF, 70, 71, 1_700_000_000, target), []));
        using var reader = new TarReader(tar);
        var root = reader.GetNextEntry()!;
        Assert.Equal(("/", TarEntryType.Directory), (root.Name, root.EntryType));
        var link = reader.GetNextEntry()!;
        Assert.Equal(("/pg_log", TarEntryType.SymbolicLink, "/var/log/postgresql"), (link.Name, link.EntryType, link.LinkName));
        Assert.Equal(target, reader.GetNextEntry()!.LinkName);
        await Assert.ThrowsAsync<ArgumentException>(async () => await WriteAsync(
            (new Entry("/d", TarEntryKind.Directory, 5, 0, 0, 0, 0, ""), [])));
    }

    [Fact]
    public async Task Ids_times_and_sizes_that_octal_fields_cannot_hold_come_back()
    {
        const long size = (9L << 30) + 5;
        var path = Path.Combine(folder, "huge.tar");
        await using (var sparse = new SparseFile(path))
        {
            var writer = new Writer(sparse, new byte[256 * 1024]);
            await writer.BeginMemberAsync(
                new Entry("/huge", TarEntryKind.File, size, 0x180, 3_000_000_000, 4_000_000_000, -5, ""), TarOwner.None, default);
            await writer.FillWithZerosAsync(default);
            await writer.EndMemberAsync(default);
            await writer.BeginMemberAsync(File("/after", 0), Postgres, default);
            await writer.EndMemberAsync(default);
            await writer.CompleteAsync(default);
        }

        var listing = await GnuTarAsync("--numeric-owner", "-tvf", path);
        Assert.Contains("3000000000/4000000000", listing[0], StringComparison.Ordinal);
        Assert.Contains($" {size} ", listing[0], StringComparison.Ordinal);
        Assert.EndsWith("/after", listing[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gnu_tar_extracts_what_was_written()
    {
        var random = new Random(7);
        var members = new List<(Entry, byte[])>
        {
            (new Entry("tree", TarEntryKind.Directory, 0, 0x1C0, 0, 0, 1_700_000_000, ""), []),
            (new Entry("tree/link", TarEntryKind.SymbolicLink, 0, 0x1FF, 0, 0, 1_700_000_000, "0"), []),
        };
        foreach (var length in new[] { 0, 1, 511, 512, 513, 8192, 65_536, 300_001 })
        {
            var content = new byte[length];
            random.NextBytes(content);
            members.Add((File($"tree/{length}", length), content));
            members.Add((File($"tree/{new string('n', 180)}-{length}-ü", length), content));
        }

        var path = Path.Combine(folder, "all.tar");
        await System.IO.File.WriteAllBytesAsync(path, (await WriteAsync([.. members])).ToArray());
        await GnuTarAsync("-C", folder, "-xf", path);
        foreach (var (entry, content) in members.Where(member => member.Item1.Kind == TarEntryKind.File))
        {
            Assert.Equal(content, await System.IO.File.ReadAllBytesAsync(Path.Combine(folder, entry.Name)));
        }

        Assert.Equal("0", new FileInfo(Path.Combine(folder, "tree/link")).LinkTarget);
    }

    [Fact]
    public async Task The_end_is_two_zero_blocks_and_nothing_more()
    {
        var tar = (await WriteAsync((File("a", 1), "x"u8.ToArray()))).ToArray();
        Assert.Equal(512 + 512 + 1024, tar.Length);
        Assert.All(tar[1024..], value => Assert.Equal(0, value));
    }

    [Fact]
    public async Task A_header_is_byte_for_byte_what_wal_g_writes()
    {
        // From golden/walg-pg15-lz4-delta: the label tar's first member; its checksum is 011527.
        var tar = (await WriteAsync(
            TarOwner.None, (new Entry("backup_label", TarEntryKind.File, 251, 0x180, 0, 0, 0, ""), new byte[251]))).ToArray();
        Assert.Equal("0000600\00000000\00000000\000000000373\000000000000\0011527\0 0", Encoding.ASCII.GetString(tar[100..157]));
        Assert.Equal("ustar\000", Encoding.ASCII.GetString(tar[257..265]));
        Assert.Equal("0000000\00000000\0", Encoding.ASCII.GetString(tar[329..345]));
    }

    [Fact]
    public async Task Many_small_members_reach_the_destination_in_few_writes()
    {
        var counter = new CountingStream();
        var writer = new Writer(counter, new byte[256 * 1024]);
        for (var i = 0; i < 10_000; i++)
        {
            await writer.BeginMemberAsync(File($"/base/1/{i}", 100), Postgres, default);
            var room = await writer.GetContentAsync(100, default);
            room.Span[..100].Fill(1);
            writer.Advance(100);
            await writer.EndMemberAsync(default);
        }

        await writer.CompleteAsync(default);
        Assert.Equal(10_000L * 1024 + 1024, counter.Bytes);
        Assert.InRange(counter.Writes, 1, 50);
        Assert.Equal(counter.Bytes, writer.BytesWritten);
    }

    [Fact]
    public async Task A_member_cannot_end_before_its_content_is_whole_or_get_more_than_it()
    {
        var writer = new Writer(new MemoryStream(), new byte[Writer.MinBufferBytes]);
        await writer.BeginMemberAsync(File("short", 10), Postgres, default);
        await writer.WriteContentAsync(new byte[4], default);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.EndMemberAsync(default));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await writer.WriteContentAsync(new byte[7], default));
        Assert.Equal(6, (await writer.GetContentAsync(1, default)).Length);
    }

    private static Entry File(string name, long size) =>
        new(name, TarEntryKind.File, size, 0x180, 70, 71, 1_700_000_000, "");

    private static Task<MemoryStream> WriteAsync(params (Entry Entry, byte[] Content)[] members) => WriteAsync(Postgres, members);

    private static async Task<MemoryStream> WriteAsync(TarOwner owner, params (Entry Entry, byte[] Content)[] members)
    {
        var target = new MemoryStream();
        var writer = new Writer(target, new byte[Writer.MinBufferBytes]);
        foreach (var (entry, content) in members)
        {
            await writer.BeginMemberAsync(entry, owner, default);
            await writer.WriteContentAsync(content, default);
            await writer.EndMemberAsync(default);
        }

        await writer.CompleteAsync(default);
        Assert.Equal(target.Length, writer.BytesWritten);
        target.Position = 0;
        return target;
    }

    private static async Task<string[]> GnuTarAsync(params string[] arguments)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows() || !System.IO.File.Exists("/bin/tar"), "There is no GNU tar here.");
        var start = new ProcessStartInfo("/bin/tar", ["-P", .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0 && (await errors).Length == 0, await errors);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private sealed class CountingStream : MemoryStream
    {
        public long Bytes { get; private set; }

        public int Writes { get; private set; }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Bytes += buffer.Length;
            Writes++;
            return ValueTask.CompletedTask;
        }
    }

    /// <summary>Writes the first and the last buffers, seeks over the (zero) ones between.</summary>
    private sealed class SparseFile(string path) : FileStream(path, FileMode.CreateNew)
    {
        private int writes;

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (writes++ > 0 && buffer.Length == 256 * 1024)
            {
                Seek(buffer.Length, SeekOrigin.Current);
                return ValueTask.CompletedTask;
            }

            return base.WriteAsync(buffer, cancellationToken);
        }
    }
}
