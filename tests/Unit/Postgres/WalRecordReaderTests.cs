using WalRus.Postgres;

namespace WalRus.Tests.Postgres;

/// <summary>WAL that was written here, read in pieces of any size.</summary>
public sealed class WalRecordReaderTests(ITestOutputHelper output)
{
    private static readonly DateTimeOffset Noon = new(2026, 5, 6, 12, 0, 0, TimeSpan.Zero);
    private static readonly Lsn Start = new(5UL << 20);

    private static bool All(WalRecordHeader header) => true;

    [Fact]
    public void Records_come_back_as_written_in_pieces_of_any_size()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var writer = new WalWriter(Start);
        var written = new List<(Lsn Start, byte[] Body, uint Xid)>();
        while (writer.Position.Value < Start.Value + (3 << 20))
        {
            // Up to three pages, some larger than a segment.
            var body = new byte[random.Next(20) == 0 ? random.Next(2 << 20) : random.Next(25_000)];
            random.NextBytes(body);
            var xid = (uint)random.Next();
            written.Add((writer.Append((WalResourceManager)10, 0, body, xid), body, xid));
        }

        var read = new List<(Lsn Start, byte[] Body, uint Xid)>();
        var reader = new WalRecordReader(Start, All);
        var all = writer.ToBytes();
        for (var at = 0; at < all.Length;)
        {
            var count = Math.Min(all.Length - at, random.Next(3) == 0 ? random.Next(1, 30) : random.Next(1, 100_000));
            Drain(reader, all.AsSpan(at, count), record => read.Add((record.Start, record.Body.ToArray(), record.Header.Xid)));
            at += count;
        }

        Assert.Null(reader.EndReason);
        Assert.Equal(written.Select(record => (record.Start, record.Xid)), read.Select(record => (record.Start, record.Xid)));
        Assert.All(written.Zip(read), pair => Assert.Equal(pair.First.Body, pair.Second.Body));
        Assert.Equal(SyntheticWal.Small, reader.SegmentSize);
        Assert.Equal(SyntheticWal.SystemIdentifier, reader.SystemIdentifier);
    }

    [Fact]
    public void Each_segment_alone_gives_the_records_that_begin_in_it()
    {
        var writer = new WalWriter(Start);
        var written = new List<Lsn>();
        for (var index = 0; writer.Position.Value < Start.Value + (3 << 20); index++)
        {
            written.Add(writer.Append((WalResourceManager)10, 0, new byte[index == 40 ? 2_500_000 : 9_000 + index]));
        }

        var all = writer.ToBytes();
        for (var offset = 0; offset < 3 << 20; offset += 1 << 20)
        {
            var from = Start + (ulong)offset;
            var read = new List<Lsn>();
            Drain(new WalRecordReader(from), all.AsSpan(offset), record => read.Add(record.Start));
            Assert.Equal(written.Where(lsn => lsn >= from), read);
        }
    }

    [Fact]
    public void What_follows_a_switch_in_its_segment_is_not_read()
    {
        var writer = new WalWriter(Start);
        writer.Commit(7, Noon);
        var at = writer.Switch();
        var next = writer.Commit(8, Noon.AddSeconds(1));
        var facts = Facts(writer.ToBytes());
        Assert.Equal([WalFactKind.Commit, WalFactKind.Switch, WalFactKind.Commit], facts.Select(fact => fact.Kind));
        Assert.Equal((at, Start + (1 << 20)), (facts[1].Lsn, facts[1].EndLsn));
        Assert.Equal((next, 8u, Noon.AddSeconds(1)), (facts[2].Lsn, facts[2].Xid, facts[2].Time));
    }

    [Fact]
    public void A_record_that_a_crash_cut_off_is_passed_over()
    {
        var writer = new WalWriter(Start);
        writer.Commit(7, Noon);
        writer.AppendBroken(new byte[20_000]);
        writer.Append(WalResourceManager.XLog, 0xD0, WalWriter.Data([.. new byte[8], .. WalWriter.Time(Noon)]));
        writer.Commit(8, Noon);
        Assert.Equal(
            [WalFactKind.Commit, WalFactKind.OverwrittenRecord, WalFactKind.Commit], Facts(writer.ToBytes()).Select(fact => fact.Kind));
    }

    [Fact]
    public void Reading_ends_with_the_reason_where_the_wal_does()
    {
        var writer = new WalWriter(Start);
        writer.Commit(7, Noon);
        var end = writer.Position;
        var reader = new WalRecordReader(Start);
        var content = writer.Segments().Single().Content;
        Assert.Equal(WalReadState.End, Drain(reader, content, _ => { }));
        Assert.Contains(new Lsn((end.Value + 7) & ~7UL).ToString(), reader.EndReason, StringComparison.Ordinal);

        // A page that the file held before it was used again.
        var recycled = new WalWriter(new Lsn(3UL << 20));
        recycled.Append((WalResourceManager)10, 0, new byte[30_000]);
        reader = new WalRecordReader(Start);
        byte[] mixed = [.. content[..8192], .. recycled.ToBytes()[8192..16384]];
        mixed.AsSpan((int)(end - Start)..8192).Clear();
        Assert.Equal(WalReadState.End, Drain(reader, mixed, _ => { }));
    }

    [Fact]
    public void A_record_with_a_wrong_byte_ends_the_reading()
    {
        var writer = new WalWriter(Start);
        writer.Commit(7, Noon);
        var at = writer.RestorePoint("x", Noon);
        var bytes = writer.ToBytes();
        bytes[(int)(at - Start) + 40] ^= 1;
        var reader = new WalRecordReader(Start);
        var count = 0;
        Assert.Equal(WalReadState.End, Drain(reader, bytes, _ => count++));
        Assert.Equal(1, count);
        Assert.Equal($"the record at {at} has a wrong checksum", reader.EndReason);
    }

    [Theory]
    [InlineData(0xD106, 12)]
    [InlineData(0xD116, 12)]
    [InlineData(0xD118, 16)]
    public void The_transaction_of_a_prepared_commit_stands_behind_its_lists(int magic, int statisticsBytes)
    {
        var writer = new WalWriter(Start, magic: (ushort)magic);
        byte[] List(int count, int bytes) => [.. BitConverter.GetBytes(count), .. new byte[count * bytes]];
        byte[] rest =
        [
            .. BitConverter.GetBytes(0x1DFu), .. new byte[8], .. List(3, 4), .. List(2, 12), .. List(5, statisticsBytes), .. List(4, 16),
            .. BitConverter.GetBytes(777), .. "gid\0"u8,
        ];
        writer.Commit(0, Noon, rest, 0xB0);
        writer.Commit(0, Noon, [.. BitConverter.GetBytes(0x12u), .. List(100_000, 4), .. BitConverter.GetBytes(778)], 0xB0);
        writer.Commit(0, Noon, [.. BitConverter.GetBytes(0x10u)], 0xB0);
        var facts = Facts(writer.ToBytes());
        Assert.All(facts, fact => Assert.Equal((WalFactKind.CommitPrepared, Noon), (fact.Kind, fact.Time)));
        Assert.Equal([777u, 778u, null], facts.Select(fact => fact.Xid));
    }

    [Fact]
    public void No_damage_makes_the_reader_fail()
    {
        var writer = new WalWriter(Start);
        writer.Commit(7, Noon);
        writer.RestorePoint("point", Noon);
        writer.RunningTransactions(9, 8);
        writer.Append((WalResourceManager)10, 0, new byte[8300]);
        writer.Commit(0, Noon, [.. BitConverter.GetBytes(0x12u), .. BitConverter.GetBytes(2), .. new byte[8], .. BitConverter.GetBytes(9)], 0xB0);
        var whole = writer.ToBytes();
        Damage.TruncateAndFlipEveryByte(whole, bytes => Facts(bytes), 0x01, 0xFF);
    }

    [Fact]
    public void No_content_makes_the_decoder_fail()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var writer = new WalWriter(Start);
        for (var index = 0; index < 20_000; index++)
        {
            var body = new byte[random.Next(120)];
            random.NextBytes(body);
            var body2 = random.Next(4) > 0 ? WalWriter.Data(body) : body;
            writer.Append((WalResourceManager)random.Next(10), (byte)(random.Next(14) << 4 == 0x40 ? 0 : random.Next(16) << 4), body2);
        }

        Assert.NotEmpty(Facts(writer.ToBytes()));
    }

    private static List<WalFact> Facts(byte[] bytes)
    {
        var facts = new List<WalFact>();
        Drain(
            new WalRecordReader(Start, WalFactDecoder.IsWanted),
            bytes,
            record =>
            {
                if (WalFactDecoder.Decode(record) is { } fact)
                {
                    facts.Add(fact);
                }
            });
        return facts;
    }

    private delegate void Take(WalRecord record);

    private static WalReadState Drain(WalRecordReader reader, ReadOnlySpan<byte> bytes, Take take)
    {
        while (true)
        {
            var state = reader.Read(ref bytes);
            if (state != WalReadState.Record)
            {
                return state;
            }

            take(reader.Record);
        }
    }
}
