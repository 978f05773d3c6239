using WalRus.Postgres;

namespace WalRus.Tests.Postgres;

public sealed class WalSummaryTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("0000000100000000020000280000000002018F98.summary", true)]
    [InlineData("0000000100000000020000280000000002000028.summary", false)]
    [InlineData("0000000000000000020000280000000002018F98.summary", false)]
    [InlineData("0000000100000000020000280000000002018f98.summary", false)]
    [InlineData("0000000100000000020000280000000002018F98.summary.tmp", false)]
    public void A_name_says_what_is_covered(string name, bool isOne)
    {
        Assert.Equal(isOne, WalSummaryName.TryParse(name, out var parsed));
        if (isOne)
        {
            Assert.Equal(new WalSummaryName(new TimelineId(1), Lsn.Parse("0/2000028"), Lsn.Parse("0/2018F98")), parsed);
            Assert.Equal(name, parsed.ToString());
        }
    }

    [Fact]
    public void Blocks_and_limits_come_back()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var written = new SortedDictionary<(uint, byte), (uint Limit, SortedSet<uint> Blocks)>();
        for (uint relation = 1; relation < 40; relation++)
        {
            var blocks = new SortedSet<uint>();
            for (var count = random.Next(3) == 0 ? 20_000 : random.Next(300); count > 0; count--)
            {
                blocks.Add((uint)random.Next(200_000));
            }

            written[(relation, (byte)random.Next(4))] = (random.Next(2) == 0 ? WalSummary.NoLimit : (uint)random.Next(1000), blocks);
        }

        var (limits, read) = Read(Write(written));
        Assert.Equal(
            written.Where(one => one.Value.Limit != WalSummary.NoLimit).Select(one => Reference(one.Key, one.Value.Limit)), limits);
        Assert.Equal(written.SelectMany(one => one.Value.Blocks.Select(block => Reference(one.Key, block))), read);
    }

    [Fact]
    public void No_damage_passes()
    {
        var bytes = Write(new() { [(7, 0)] = (5, [1, 2, 70_000]), [(8, 1)] = (WalSummary.NoLimit, [9]) });
        Damage.TruncateAndFlipEveryByte(bytes, damaged =>
        {
            Read(damaged);
            throw new InvalidOperationException("It was taken.");
        });
        Assert.Throws<WalRusException>(() => Read([.. bytes, 0]));
    }

    private static WalBlockReference Reference((uint Relation, byte Fork) key, uint block) =>
        new(new RelationFileNode(1663, 5, key.Relation), key.Fork, block);

    private static (List<WalBlockReference> Limits, List<WalBlockReference> Blocks) Read(byte[] bytes)
    {
        var (limits, blocks) = (new List<WalBlockReference>(), new List<WalBlockReference>());
        WalSummary.Read(new MemoryStream(bytes), limits.Add, blocks.Add);
        return (limits, blocks);
    }

    private static byte[] Write(SortedDictionary<(uint Relation, byte Fork), (uint Limit, SortedSet<uint> Blocks)> entries)
    {
        var bytes = new List<byte>(BitConverter.GetBytes(0x652B137Bu));
        foreach (var (key, (limit, blocks)) in entries)
        {
            var chunks = blocks.GroupBy(block => block / 65536).ToDictionary(chunk => chunk.Key, chunk => chunk.ToArray());
            var count = blocks.Count == 0 ? 0 : (blocks.Max / 65536) + 1;
            bytes.AddRange([.. BitConverter.GetBytes(1663), .. BitConverter.GetBytes(5), .. BitConverter.GetBytes(key.Relation)]);
            bytes.AddRange([.. BitConverter.GetBytes((uint)key.Fork), .. BitConverter.GetBytes(limit), .. BitConverter.GetBytes(count)]);
            for (uint chunk = 0; chunk < count; chunk++)
            {
                bytes.AddRange(BitConverter.GetBytes((ushort)Math.Min(4096, chunks.GetValueOrDefault(chunk)?.Length ?? 0)));
            }

            for (uint chunk = 0; chunk < count; chunk++)
            {
                var inChunk = chunks.GetValueOrDefault(chunk) ?? [];
                if (inChunk.Length < 4096)
                {
                    bytes.AddRange(inChunk.SelectMany(block => BitConverter.GetBytes((ushort)(block % 65536))));
                    continue;
                }

                var bitmap = new ushort[4096];
                foreach (var block in inChunk)
                {
                    bitmap[block % 65536 / 16] |= (ushort)(1 << (int)(block % 16));
                }

                bytes.AddRange(bitmap.SelectMany(BitConverter.GetBytes));
            }
        }

        bytes.AddRange(new byte[24]);
        bytes.AddRange(BitConverter.GetBytes(Crc32C.Compute([.. bytes])));
        return [.. bytes];
    }
}
