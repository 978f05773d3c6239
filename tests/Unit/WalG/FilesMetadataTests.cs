using System.Text;
using System.Text.Json;
using WalRus.WalG;

namespace WalRus.Tests.WalG;

public sealed class FilesMetadataTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("walrus-files-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task What_was_added_is_one_document_with_wal_gs_members()
    {
        using var writer = new FilesMetadataWriter(folder);
        using (var tar = writer.BeginTar("part_001.tar.lz4"))
        {
            Add(writer, tar, new FilesMetadataEntry { Name = "/", ModifiedTime = Time("2024-05-01T13:00:00.123456789+03:00") });
            Add(writer, tar, new FilesMetadataEntry
            {
                Name = "/base/1/1259",
                IsIncremented = true,
                ModifiedTime = Time("2024-05-01T13:00:01Z"),
                CorruptBlocks = new CorruptBlocks(12, [3, 4]),
                UpdatesCount = 7,
            });
        }

        writer.AddFile(new FilesMetadataEntry { Name = "/base/1/2 <é>\"", IsSkipped = true, ModifiedTime = Time("2024-05-01T13:00:01Z") });
        writer.BeginTar("part_002.tar.lz4").Dispose();
        using (var database = writer.BeginDatabase("postgres", 5))
        {
            database.AddTable("public.plain", 10, 11);
            database.AddTable("public.parent", 12, 0);
            database.AddSubtable("public.child1", 13, 14);
            database.AddSubtable("public.child2", 15, 16);
        }

        writer.BeginDatabase("empty", 6).Dispose();
        Assert.Equal(
            """{"Files":{"/":{"IsIncremented":false,"IsSkipped":false,"MTime":"2024-05-01T13:00:00.123456789+03:00","UpdatesCount":0},"/base/1/1259":{"IsIncremented":true,"IsSkipped":false,"MTime":"2024-05-01T13:00:01Z","CorruptBlocks":{"CorruptBlocksCount":12,"SomeCorruptBlocks":[3,4]},"UpdatesCount":7},"/base/1/2 <é>\"":{"IsIncremented":false,"IsSkipped":true,"MTime":"2024-05-01T13:00:01Z","UpdatesCount":0}},"TarFileSets":{"part_001.tar.lz4":["/","/base/1/1259"]},"DatabasesByNames":{"postgres":{"oid":5,"tables_new":{"public.plain":{"oid":10,"relfilenode":11},"public.parent":{"oid":12,"relfilenode":0,"subtables":{"public.child1":{"oid":13,"relfilenode":14},"public.child2":{"oid":15,"relfilenode":16}}}}},"empty":{"oid":6}}}""",
            Encoding.UTF8.GetString(await DocumentOf(writer)));
        Assert.Equal(3, writer.FileCount);
    }

    [Fact]
    public async Task Sections_without_content_are_left_out()
    {
        using var nothing = new FilesMetadataWriter(folder);
        Assert.Equal("{}", Encoding.UTF8.GetString(await DocumentOf(nothing)));

        using var tarOnly = new FilesMetadataWriter(folder);
        using (var tar = tarOnly.BeginTar("backup_label.tar"))
        {
            tar.Add("backup_label");
        }

        Assert.Equal("""{"TarFileSets":{"backup_label.tar":["backup_label"]}}""", Encoding.UTF8.GetString(await DocumentOf(tarOnly)));

        using var databaseOnly = new FilesMetadataWriter(folder);
        databaseOnly.BeginDatabase("a", 1).Dispose();
        Assert.Equal("""{"DatabasesByNames":{"a":{"oid":1}}}""", Encoding.UTF8.GetString(await DocumentOf(databaseOnly)));
    }

    [Fact]
    public async Task The_spool_is_private_and_gone_afterwards()
    {
        using (var writer = new FilesMetadataWriter(folder))
        {
            writer.AddFile(new FilesMetadataEntry { Name = "/a" });
            foreach (var file in Directory.EnumerateFiles(folder))
            {
                Assert.True(OperatingSystem.IsWindows(), $"{file} can be seen");
            }

            await DocumentOf(writer);
        }

        Assert.Empty(Directory.EnumerateFileSystemEntries(folder));
    }

    [Fact]
    public async Task An_open_tar_or_a_written_document_is_the_callers_mistake()
    {
        using var writer = new FilesMetadataWriter(folder);
        var tar = writer.BeginTar("part_001.tar");
        tar.Add("/a");
        await Assert.ThrowsAsync<InvalidOperationException>(() => DocumentOf(writer));
        tar.Dispose();
        await DocumentOf(writer);
        Assert.Throws<InvalidOperationException>(() => writer.AddFile(new FilesMetadataEntry { Name = "/b" }));
        Assert.Throws<InvalidOperationException>(() => writer.BeginTar("part_002.tar"));
    }

    [Fact]
    public void A_missing_spool_folder_is_reported()
    {
        var refused = Assert.Throws<WalRusException>(() => new FilesMetadataWriter(Path.Combine(folder, "missing")));
        Assert.Equal(ErrorCode.FileNotFound, refused.Code);
    }

    [Fact]
    public async Task Tars_built_side_by_side_each_get_their_own_members_in_little_memory()
    {
        const int Lanes = 8;
        const int FilesPerLane = 25_000;
        using var writer = new FilesMetadataWriter(folder);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var lanes = Enumerable.Range(0, Lanes).Select(lane => Task.Run(() =>
        {
            using var tar = writer.BeginTar($"part_{lane:000}.tar.zst");
            for (var index = 0; index < FilesPerLane; index++)
            {
                var name = $"/base/{lane}/{index}";
                writer.AddFile(new FilesMetadataEntry { Name = name, UpdatesCount = (ulong)index });
                tar.Add(name);
            }
        }));
        await Task.WhenAll(lanes);
        var held = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.True(held < 4 << 20, $"{held} bytes held for {Lanes * FilesPerLane} files");

        var path = Path.Combine(folder, "files_metadata.json");
        await using (var target = File.Create(path))
        {
            await writer.WriteToAsync(target, TestContext.Current.CancellationToken);
        }

        var next = new int[Lanes];
        var files = 0;
        await using var source = File.OpenRead(path);
        await foreach (var item in FilesMetadataReader.ReadAsync(
            source, FilesMetadataSections.All, TestContext.Current.CancellationToken))
        {
            if (item.Section == FilesMetadataSections.Files)
            {
                Assert.EndsWith($"/{item.File.UpdatesCount}", item.File.Name, StringComparison.Ordinal);
                files++;
                continue;
            }

            var lane = int.Parse(item.TarMember.Tar.AsSpan(5, 3), System.Globalization.CultureInfo.InvariantCulture);
            Assert.Equal($"/base/{lane}/{next[lane]++}", item.TarMember.Member);
        }

        Assert.Equal(Lanes * FilesPerLane, files);
        Assert.All(next, count => Assert.Equal(FilesPerLane, count));
    }

    [Fact]
    public async Task Every_document_of_the_golden_archives_is_read_whole()
    {
        foreach (var archive in GoldenArchive.All())
        {
            foreach (var (key, content) in archive.Documents("/files_metadata.json"))
            {
                using var expected = JsonDocument.Parse(content);
                AssertEqual(expected.RootElement, await ReadAll(content), $"{archive.Name}/{key}");
            }
        }
    }

    [Fact]
    public async Task A_document_that_was_read_and_written_again_says_the_same()
    {
        var (key, content) = GoldenArchive.Open("walg-pg16-none-rating-composer").Documents("/files_metadata.json").Single();
        var items = await ReadAll(content);
        using var writer = new FilesMetadataWriter(folder);
        foreach (var item in items.Where(item => item.Section == FilesMetadataSections.Files))
        {
            writer.AddFile(item.File);
        }

        foreach (var tar in items.Where(item => item.TarMember.Tar is not null).GroupBy(item => item.TarMember.Tar))
        {
            using var set = writer.BeginTar(tar.Key);
            tar.ToList().ForEach(item => set.Add(item.TarMember.Member!));
        }

        foreach (var database in items.Select(item => item.Table).Where(row => row.Database is not null).GroupBy(row => row.Database))
        {
            using var tables = writer.BeginDatabase(database.Key, database.Single(row => row.Table is null).Oid);
            foreach (var row in database.Where(row => row is { Table: not null, Parent: null }))
            {
                tables.AddTable(row.Table!, row.Oid, row.FileNode);
                database.Where(child => child.Parent == row.Table).ToList()
                    .ForEach(child => tables.AddSubtable(child.Table!, child.Oid, child.FileNode));
            }
        }

        using var expected = JsonDocument.Parse(content);
        using var actual = JsonDocument.Parse(await DocumentOf(writer));
        Assert.True(JsonElement.DeepEquals(expected.RootElement, actual.RootElement), key);
    }

    [Theory]
    [InlineData("""{"tarfilesets":null,"FILES":{"a":null,"b":{"mtime":null,"Extra":{"x":[1,{}]},"isskipped":true,"CorruptBlocks":null}},"Other":[{"Files":{}}]}""", "a,b+")]
    [InlineData("""{"LSN":5,"Files":{"b":{"IsSkipped":true}},"Spec":{"tablespaces":[]},"Version":0}""", "b+")]
    [InlineData("""{"Files":{"c":{"CorruptBlocks":[1,2]}}}""", "c:1;2")]
    [InlineData("""{"Files":null}""", "")]
    [InlineData("{}", "")]
    [InlineData("\uFEFF {\"Files\":{\"\\u0061\":{}}} \n", "a")]
    public async Task Other_shapes_that_Go_takes_are_taken(string json, string expected)
    {
        var found = new List<string>();
        await foreach (var file in FilesMetadataReader.ReadFilesAsync(
            new DripStream(Encoding.UTF8.GetBytes(json)), TestContext.Current.CancellationToken))
        {
            var blocks = file.CorruptBlocks is { } corrupt ? $":{string.Join(';', corrupt.Blocks)}" : "";
            found.Add(file.Name + (file.IsSkipped ? "+" : "") + blocks);
        }

        Assert.Equal(expected, string.Join(',', found));
    }

    [Fact]
    public async Task A_tar_without_members_is_listed()
    {
        var members = new List<TarMember>();
        await foreach (var member in FilesMetadataReader.ReadTarFileSetsAsync(
            new MemoryStream("""{"TarFileSets":{"":[],"x":null,"y":["z"]}}"""u8.ToArray()), TestContext.Current.CancellationToken))
        {
            members.Add(member);
        }

        Assert.Equal([new TarMember("", null), new TarMember("x", null), new TarMember("y", "z")], members);
    }

    [Theory]
    [InlineData("", "it is empty")]
    [InlineData("[]", "StartArray")]
    [InlineData("""{"Files":[]}""", "'Files'")]
    [InlineData("""{"Files":7}""", "'Files'")]
    [InlineData("""{"Files":{"a":[]}}""", "'a'")]
    [InlineData("""{"Files":{"a":{"MTime":7}}}""", "MTime")]
    [InlineData("""{"Files":{"a":{"MTime":"x"}}}""", "'x'")]
    [InlineData("""{"Files":{"a":{"IsSkipped":"yes"}}}""", "IsSkipped")]
    [InlineData("""{"Files":{"a":{}}""", "")]
    [InlineData("""{"Files":{"\ud800":{}}}""", "")]
    [InlineData("""{"Files":{}}{}""", "")]
    [InlineData("""{"TarFileSets":{"t":[null]}}""", "'t'")]
    public async Task What_is_wrong_is_said(string json, string fragment)
    {
        var refused = await Assert.ThrowsAsync<WalRusException>(() => ReadAll(Encoding.UTF8.GetBytes(json)));
        Assert.Equal(ErrorCode.BackupUnreadable, refused.Code);
        Assert.Contains(fragment, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_without_end_is_refused_before_it_fills_memory()
    {
        var endless = new EndlessStream("""{"Files":{"/"""u8.ToArray());
        var refused = await Assert.ThrowsAsync<WalRusException>(async () =>
        {
            await foreach (var item in FilesMetadataReader.ReadFilesAsync(endless, TestContext.Current.CancellationToken))
            {
            }
        });
        Assert.Equal(ErrorCode.BackupUnreadable, refused.Code);
        Assert.True(endless.Given < 8 << 20);
    }

    [Fact]
    public void A_damaged_document_is_refused_or_taken_but_never_more() => Damage.TruncateAndFlipEveryByte(
        """{"Files":{"/a":{"IsIncremented":true,"MTime":"2024-05-01T13:00:01Z","CorruptBlocks":{"CorruptBlocksCount":1,"SomeCorruptBlocks":[3]},"UpdatesCount":7}},"TarFileSets":{"p":["/a"]},"DatabasesByNames":{"d":{"oid":1,"tables_new":{"s.t":{"oid":2,"relfilenode":3,"subtables":{"s.u":{"oid":4}}}}}}}"""u8.ToArray(),
        bytes => ReadAll(bytes).GetAwaiter().GetResult());

    private static void Add(FilesMetadataWriter writer, TarFileSetWriter tar, FilesMetadataEntry entry)
    {
        writer.AddFile(entry);
        tar.Add(entry.Name);
    }

    private static WalGTime Time(string text) => WalGTime.TryParse(text, out var time) ? time : throw new FormatException(text);

    private static async Task<byte[]> DocumentOf(FilesMetadataWriter writer)
    {
        using var document = new MemoryStream();
        await writer.WriteToAsync(document, TestContext.Current.CancellationToken);
        return document.ToArray();
    }

    private static async Task<List<FilesMetadataItem>> ReadAll(byte[] content)
    {
        var items = new List<FilesMetadataItem>();
        await foreach (var item in FilesMetadataReader.ReadAsync(
            new MemoryStream(content), FilesMetadataSections.All, TestContext.Current.CancellationToken))
        {
            items.Add(item);
        }

        return items;
    }

    private static void AssertEqual(JsonElement expected, List<FilesMetadataItem> items, string where)
    {
        var files = items.Where(item => item.Section == FilesMetadataSections.Files).ToDictionary(item => item.File.Name);
        var count = 0;
        foreach (var file in expected.GetProperty("Files").EnumerateObject())
        {
            var read = files[file.Name].File;
            Assert.Equal(file.Value.GetProperty("IsIncremented").GetBoolean(), read.IsIncremented);
            Assert.Equal(file.Value.GetProperty("IsSkipped").GetBoolean(), read.IsSkipped);
            Assert.Equal(file.Value.GetProperty("MTime").GetString(), read.ModifiedTime.ToString());
            Assert.Equal(file.Value.GetProperty("UpdatesCount").GetUInt64(), read.UpdatesCount);
            count++;
        }

        Assert.Equal(count, files.Count);
        var members = items.Where(item => item.Section == FilesMetadataSections.TarFileSets).Select(item => item.TarMember);
        var expectedMembers = !expected.TryGetProperty("TarFileSets", out var tars) ? [] :
            from tar in tars.EnumerateObject()
            from member in tar.Value.EnumerateArray()
            select new TarMember(tar.Name, member.GetString());
        Assert.True(expectedMembers.SequenceEqual(members), where);

        var tables = items.Count(item => item.Section == FilesMetadataSections.Databases);
        var expectedTables = !expected.TryGetProperty("DatabasesByNames", out var databases) ? 0 :
            databases.EnumerateObject().Sum(database => 1 + database.Value.GetProperty("tables_new").EnumerateObject()
                .Sum(table => 1 + (table.Value.TryGetProperty("subtables", out var children) ? children.EnumerateObject().Count() : 0)));
        Assert.Equal(expectedTables, tables);
    }

    /// <summary>Gives one byte a read.</summary>
    private sealed class DripStream(byte[] content) : MemoryStream(content)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(1, buffer.Length)], cancellationToken);
    }

    private sealed class EndlessStream(byte[] start) : WalRus.Streaming.InputStream
    {
        public long Given { get; private set; }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            buffer.Span.Fill((byte)'a');
            if (Given == 0)
            {
                start.CopyTo(buffer);
            }

            Given += buffer.Length;
            return ValueTask.FromResult(buffer.Length);
        }
    }
}
