using WalRus.Postgres;

namespace WalRus.Tests.Postgres;

/// <summary>Bodies that were written here, as each version lays them out.</summary>
public sealed class WalRecordContentTests(ITestOutputHelper output)
{
    private const WalResourceManager Heap = (WalResourceManager)10;

    private static readonly Lsn Start = new(5UL << 20);
    private static readonly RelationFileNode Table = new(1663, 5, 16385);
    private static readonly ushort[] Magics = [0xD106, 0xD10D, 0xD110, 0xD113, 0xD116, 0xD118];

    [Fact]
    public void Blocks_come_back_as_written_by_every_version()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        foreach (var magic in Magics)
        {
            var writer = new WalWriter(Start, magic: magic);
            var written = new List<(WalBlockReference[] Blocks, byte[] Data)>();
            for (var count = 0; count < 300; count++)
            {
                var body = Body(random, magic >= 0xD110, out var blocks, out var data);
                writer.Append(Heap, 0, body);
                written.Add((blocks, data));
            }

            var read = Read(writer.ToBytes(), _ => int.MaxValue);
            Assert.Equal(written.Count, read.Count);
            Assert.All(written.Zip(read), pair =>
            {
                Assert.Equal(pair.First.Blocks, pair.Second.Blocks);
                Assert.Equal(pair.First.Data, pair.Second.Data);
            });

            // The headers alone are enough for the blocks, however much data there is.
            Assert.Equal(
                written.Select(record => record.Blocks), Read(writer.ToBytes(), _ => WalRecordContent.HeaderBytes).Select(record => record.Blocks));
        }
    }

    [Fact]
    public void Bit_two_of_an_image_means_another_thing_since_version_15()
    {
        // Without a hole, and "applied": until 14 that bit said compressed, which the length would contradict.
        byte[] plain = [0, 0x10, 0, 0, 0, 0x20, 0, 0, 0x02, .. Node(Table), .. BitConverter.GetBytes(7), .. new byte[8192]];
        Assert.Equal([new WalBlockReference(Table, 0, 7)], Single(plain, 0xD110));

        // Compressed with a hole of stated length: pglz until 14, and since 15.
        byte[] pglz = [0, 0x10, 0, 0, 4, 0, 100, 0, 0x03, 0x10, 0x10, .. Node(Table), .. BitConverter.GetBytes(8), 1, 2, 3, 4];
        Assert.Equal([new WalBlockReference(Table, 0, 8)], Single(pglz, 0xD10D));
        pglz[8] = 0x05;
        Assert.Equal([new WalBlockReference(Table, 0, 8)], Single(pglz, 0xD118));
    }

    [Fact]
    public void A_transaction_id_above_and_an_origin_are_passed()
    {
        byte[] body = [0, 0, 0, 0, .. Node(Table), .. BitConverter.GetBytes(3), 253, 1, 0, 252, 9, 0, 0, 0, 255, 1, 77];
        Assert.Equal([new WalBlockReference(Table, 0, 3)], Single(body, 0xD110));
    }

    [Theory]
    [InlineData("unknown item", new byte[] { 200, 0 })]
    [InlineData("same relation as none", new byte[] { 0, 0x80, 0, 0, 1, 0, 0, 0 })]
    [InlineData("data without a length", new byte[] { 0, 0xA0, 0, 0, 1, 0, 0, 0 })]
    [InlineData("more data than there is", new byte[] { 255, 9, 1 })]
    [InlineData("bytes nobody announced", new byte[] { 255, 1, 1, 2 })]
    public void What_no_version_writes_is_refused(string why, byte[] body)
    {
        var writer = new WalWriter(Start);
        writer.Append(Heap, 0, body);
        var record = Read(writer.ToBytes(), _ => int.MaxValue);
        Assert.True(record.Single().Blocks is null, why);
    }

    [Fact]
    public void Changes_of_files_are_read_from_the_records_of_both_layouts()
    {
        byte[] folder = [.. BitConverter.GetBytes(16400), .. BitConverter.GetBytes(1663)];
        byte[] dropped = [.. BitConverter.GetBytes(16400), .. BitConverter.GetBytes(2), .. BitConverter.GetBytes(1663), .. BitConverter.GetBytes(777)];
        byte[] rels =
        [
            .. BitConverter.GetBytes(0x07u), .. new byte[8], .. BitConverter.GetBytes(1), .. new byte[4],
            .. BitConverter.GetBytes(2), .. Node(Table), .. Node(Table with { FileNode = 9 }),
        ];
        var where = new RelationFileNode(1663, 16400, 0);
        foreach (var isNew in new[] { false, true })
        {
            var writer = new WalWriter(Start, magic: isNew ? (ushort)0xD110 : (ushort)0xD10D);
            writer.Append(WalResourceManager.Storage, 0x10, WalWriter.Data([.. Node(Table), 2, 0, 0, 0]));
            writer.Append(WalResourceManager.Storage, 0x20, WalWriter.Data([.. BitConverter.GetBytes(42), .. Node(Table), 7, 0, 0, 0]));
            writer.Append(WalResourceManager.Storage, 0x20, WalWriter.Data([.. BitConverter.GetBytes(42), .. Node(Table), 2, 0, 0, 0]));
            writer.Append(WalResourceManager.Database, 0x00, WalWriter.Data([.. folder, .. new byte[8]]));
            if (isNew)
            {
                writer.Append(WalResourceManager.Database, 0x10, WalWriter.Data(folder));
            }

            writer.Append(WalResourceManager.Database, isNew ? (byte)0x20 : (byte)0x10, WalWriter.Data(dropped));
            writer.Commit(7, DateTimeOffset.UnixEpoch, rels, 0x80);
            writer.Commit(7, DateTimeOffset.UnixEpoch, rels, 0xA0);
            writer.Commit(7, DateTimeOffset.UnixEpoch);
            WalFileChange[] expected =
            [
                new(WalFileChangeKind.Created, Table, 2),
                new(WalFileChangeKind.Truncated, Table, 0, 42),
                new(WalFileChangeKind.DatabaseCopied, where),
                .. isNew ? [new WalFileChange(WalFileChangeKind.DatabaseCreated, where)] : Array.Empty<WalFileChange>(),
                new(WalFileChangeKind.DatabaseRemoved, where),
                new(WalFileChangeKind.DatabaseRemoved, where with { Tablespace = 777 }),
                .. Enumerable.Repeat(
                    new[] { new WalFileChange(WalFileChangeKind.Removed, Table), new(WalFileChangeKind.Removed, Table with { FileNode = 9 }) }, 2)
                    .SelectMany(pair => pair),
            ];
            Assert.Equal(expected, Changes(writer.ToBytes()));
        }
    }

    [Fact]
    public void A_record_of_files_that_was_not_kept_whole_is_refused()
    {
        var writer = new WalWriter(Start);
        writer.Append(WalResourceManager.Storage, 0x10, WalWriter.Data([.. Node(Table), 0, 0, 0, 0]));
        var reader = new WalRecordReader(Start, _ => 10, 10, 0);
        ReadOnlySpan<byte> bytes = writer.ToBytes();
        Assert.Equal(WalReadState.Record, reader.Read(ref bytes));
        Assert.False(WalFileChangeDecoder.TryDecode(reader.Record, 2, _ => { }));
    }

    [Fact]
    public void A_server_started_with_minimal_wal_ends_what_wal_can_tell()
    {
        var writer = new WalWriter(Start);
        byte[] parameters(int level) => WalWriter.Data([.. new byte[20], .. BitConverter.GetBytes(level), 0, 0]);
        writer.Append(WalResourceManager.XLog, 0x60, parameters(1));
        writer.Append(WalResourceManager.XLog, 0x60, parameters(0));
        var told = new List<bool>();
        Drain(writer.ToBytes(), WalFileChangeDecoder.BytesWanted, record => told.Add(WalFileChangeDecoder.EndsCompleteWal(record, 2)));
        Assert.Equal([false, true], told);
    }

    [Fact]
    public void No_damage_makes_the_parser_fail()
    {
        byte[] body =
        [
            0, 0x10, 0, 0, 4, 0, 100, 0, 0x05, 0x10, 0x10, .. Node(Table), .. BitConverter.GetBytes(8),
            1, 0xA0, 2, 0, .. BitConverter.GetBytes(9), 252, 9, 0, 0, 0, 255, 16, 1, 2, 3, 4, 5, 6, .. Node(Table), 0, 0, 0, 0,
        ];
        foreach (var manager in new[] { WalResourceManager.Storage, WalResourceManager.Database, WalResourceManager.Transaction })
        {
            Damage.TruncateAndFlipEveryByte(body, bytes => Parse(manager, 0x90, bytes));
            Damage.TruncateAndFlipEveryByte(
                WalWriter.Data([.. new byte[8], 7, 0, 0, 0, .. new byte[8], 1, 0, 0, 0, .. new byte[4], 1, 0, 0, 0, .. Node(Table)]),
                bytes => Parse(manager, 0x90, bytes));
        }

        void Parse(WalResourceManager manager, byte info, byte[] bytes)
        {
            var writer = new WalWriter(Start);
            writer.Append(manager, info, bytes);
            Changes(writer.ToBytes());
        }
    }

    private static byte[] Node(RelationFileNode node) =>
        [.. BitConverter.GetBytes(node.Tablespace), .. BitConverter.GetBytes(node.Database), .. BitConverter.GetBytes(node.FileNode)];

    /// <summary>Up to 33 blocks, each with or without image and data, then data of the record.</summary>
    private static byte[] Body(Random random, bool hasMethods, out WalBlockReference[] blocks, out byte[] data)
    {
        var headers = new List<byte>();
        var rest = new List<byte>();
        var written = new List<WalBlockReference>();
        var last = default(RelationFileNode);
        for (var id = 0; id <= 32 && written.Count < 33 && random.Next(8) != 0; id += random.Next(1, 3))
        {
            var (hasImage, hasData, same) = (random.Next(2) == 0, random.Next(2) == 0, written.Count > 0 && random.Next(2) == 0);
            var fork = (byte)random.Next(4);
            headers.AddRange([(byte)id, (byte)(fork | (hasImage ? 0x10 : 0) | (hasData ? 0x20 : 0) | (same ? 0x80 : 0))]);
            var bytes = new byte[hasData ? random.Next(1, 300) : 0];
            headers.AddRange(BitConverter.GetBytes((ushort)bytes.Length));
            if (hasImage)
            {
                var image = new byte[random.Next(1, 8192)];
                var (hole, compressed) = (random.Next(2) == 0, random.Next(2) == 0);
                var method = hasMethods ? 4 << random.Next(3) : 2;
                headers.AddRange(BitConverter.GetBytes((ushort)image.Length));
                headers.AddRange(BitConverter.GetBytes((ushort)(hole ? 40 : 0)));
                headers.Add((byte)((hole ? 1 : 0) | (compressed ? method : 0) | (hasMethods ? 2 : 4)));
                headers.AddRange(hole && compressed ? BitConverter.GetBytes((ushort)77) : []);
                rest.AddRange(image);
            }

            rest.AddRange(bytes);
            last = same ? last : new RelationFileNode((uint)random.Next(), (uint)random.Next(), (uint)random.Next());
            headers.AddRange(same ? [] : Node(last));
            var block = (uint)random.Next();
            headers.AddRange(BitConverter.GetBytes(block));
            written.Add(new WalBlockReference(last, fork, block));
        }

        data = new byte[random.Next(3) == 0 ? 0 : random.Next(1, 400)];
        random.NextBytes(data);
        headers.AddRange(random.Next(4) == 0 ? [253, 1, 2] : []);
        headers.AddRange(hasMethods && random.Next(4) == 0 ? [252, 1, 2, 3, 4] : []);
        var ofData = data.Length == 0 ? [] : WalWriter.Data(data)[..^data.Length];
        blocks = [.. written];
        return [.. headers, .. ofData, .. rest, .. data];
    }

    private static WalBlockReference[] Single(byte[] body, ushort magic)
    {
        var writer = new WalWriter(Start, magic: magic);
        writer.Append(Heap, 0, body);
        return Read(writer.ToBytes(), _ => int.MaxValue).Single().Blocks ?? throw new InvalidOperationException("It was refused.");
    }

    private static List<(WalBlockReference[]? Blocks, byte[]? Data)> Read(byte[] wal, Func<WalRecordHeader, int> wanted)
    {
        var read = new List<(WalBlockReference[]?, byte[]?)>();
        var content = new WalRecordContent();
        Drain(wal, wanted, record =>
        {
            var isRead = content.TryRead(record);
            read.Add((
                isRead ? content.Blocks.ToArray() : null,
                isRead && content.DataOffset <= record.Body.Length ? record.Body[content.DataOffset..].ToArray() : null));
        });
        return read;
    }

    private static List<WalFileChange> Changes(byte[] wal)
    {
        var changes = new List<WalFileChange>();
        var content = new WalRecordContent();
        Drain(wal, header => Math.Max(WalRecordContent.HeaderBytes, WalFileChangeDecoder.BytesWanted(header)), record =>
        {
            if (content.TryRead(record))
            {
                WalFileChangeDecoder.TryDecode(record, content.DataOffset, changes.Add);
                WalFileChangeDecoder.EndsCompleteWal(record, content.DataOffset);
            }
        });
        return changes;
    }

    private delegate void Take(WalRecord record);

    private static void Drain(ReadOnlySpan<byte> wal, Func<WalRecordHeader, int> wanted, Take take)
    {
        var reader = new WalRecordReader(Start, wanted, 16 << 20, 0);
        while (reader.Read(ref wal) == WalReadState.Record)
        {
            take(reader.Record);
        }
    }
}
