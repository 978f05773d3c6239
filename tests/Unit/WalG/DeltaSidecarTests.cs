using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Tests.WalG;

public sealed class DeltaSidecarTests
{
    private static readonly RelationFileNode Table = new(1663, 5, 1259);

    [Fact]
    public async Task Locations_come_back_in_pieces_of_any_size()
    {
        byte[] tail = [9, 8, 7];
        var bytes = Sidecar(3000, tail);
        foreach (var step in new[] { 1, 15, 16, 17, 4096, 1 << 20 })
        {
            var read = new List<(RelationFileNode, uint)>();
            var (length, checksum) = await DeltaSidecar.ReadAsync(
                new Slow(bytes, step), new byte[4096], (relation, block) => read.Add((relation, block)), TestContext.Current.CancellationToken);
            Assert.Equal(Enumerable.Range(0, 3000).Select(block => (Table, (uint)block)), read);
            Assert.Equal((bytes.Length, Crc32C.Compute(bytes)), (length, checksum));
        }
    }

    [Fact]
    public void The_documented_example_is_one_block()
    {
        var bytes = Convert.FromHexString("7f06000005000000eb040000070000000000000000000000000000000000000000000000");
        var read = new List<(RelationFileNode, uint)>();
        Read(bytes, (relation, block) => read.Add((relation, block)));
        Assert.Equal([(Table, 7u)], read);
    }

    [Fact]
    public void Damage_is_refused_or_read_as_another_list()
    {
        var bytes = Sidecar(5, [1, 2, 3, 4, 5]);
        Damage.TruncateAndFlipEveryByte(bytes, damaged => Read(damaged, (_, _) => { }));
        for (var length = 0; length < bytes.Length; length++)
        {
            Assert.Throws<WalRusException>(() => Read(bytes[..length], (_, _) => { }));
        }

        Assert.Throws<WalRusException>(() => Read([.. bytes, 0], (_, _) => { }));
    }

    [Fact]
    public void Changes_of_files_come_back_and_no_damage_passes()
    {
        var entries = new byte[48];
        for (var index = 0; index < 3; index++)
        {
            DeltaSidecar.WriteLocation(entries.AsSpan(16 * index), Table with { FileNode = (uint)index }, 77);
        }

        var written = new DeltaFileChanges
        {
            SystemIdentifier = 0xFEDCBA9876543210,
            SegmentSize = SyntheticWal.Small,
            SidecarChecksum = 12345,
            SidecarLength = 1L << 40,
            Entries = entries,
        };
        var read = DeltaFileChanges.Parse(written.ToBytes());
        Assert.Equal(written with { Entries = default }, read with { Entries = default });
        Assert.Equal(entries, read.Entries.ToArray());
        Damage.TruncateAndFlipEveryByte(written.ToBytes(), damaged =>
        {
            DeltaFileChanges.Parse(damaged);
            throw new InvalidOperationException("It was taken.");
        });
    }

    private static byte[] Sidecar(int count, byte[] tail)
    {
        var bytes = new byte[(16 * count) + 16];
        for (var block = 0; block < count; block++)
        {
            DeltaSidecar.WriteLocation(bytes.AsSpan(16 * block), Table, (uint)block);
        }

        return [.. bytes, .. BitConverter.GetBytes(tail.Length), .. tail];
    }

    private static void Read(byte[] bytes, Action<RelationFileNode, uint> take) =>
        DeltaSidecar.ReadAsync(new MemoryStream(bytes), new byte[4096], take, TestContext.Current.CancellationToken).GetAwaiter().GetResult();

    private sealed class Slow(byte[] bytes, int step) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(step, buffer.Length)], cancellationToken);
    }
}
