using WalRus.Postgres;

namespace WalRus.Tests;

/// <summary>WAL of segments of 1 MiB whose records change blocks and files; many lie in two segments.</summary>
internal sealed class BlockWal
{
    private readonly List<(Lsn End, RelationFileNode Relation, uint Block)> blocks = [];
    private readonly List<(Lsn End, RelationFileNode Relation, uint Block)> files = [];

    public BlockWal(int seed, int firstSegment, int segmentCount)
    {
        var random = new Random(seed);
        var size = SyntheticWal.Small;
        Writer = new WalWriter(size.StartOf((ulong)firstSegment));
        var end = size.StartOf((ulong)(firstSegment + segmentCount));
        while (Writer.Position < end)
        {
            Append(random);
        }

        Segments = [.. Writer.Segments().Take(segmentCount)];
    }

    public WalWriter Writer { get; }

    public IReadOnlyList<(string Name, byte[] Content)> Segments { get; }

    /// <summary>The blocks of the records that end in a stretch of WAL, sorted.</summary>
    public List<(RelationFileNode Relation, uint Block)> Blocks(Lsn from, Lsn to) => Sorted(blocks, from, to);

    /// <summary>The files that they make or cut off.</summary>
    public List<(RelationFileNode Relation, uint Block)> Files(Lsn from, Lsn to) => Sorted(files, from, to);

    public static byte[] Node(RelationFileNode node) =>
        [.. BitConverter.GetBytes(node.Tablespace), .. BitConverter.GetBytes(node.Database), .. BitConverter.GetBytes(node.FileNode)];

    private static List<(RelationFileNode Relation, uint Block)> Sorted(
        List<(Lsn End, RelationFileNode Relation, uint Block)> all, Lsn from, Lsn to) =>
        [.. all.Where(one => one.End > from && one.End <= to).Select(one => (one.Relation, one.Block)).OrderBy(one => one.ToString(), StringComparer.Ordinal)];

    private void Append(Random random)
    {
        var relation = new RelationFileNode(1663, 5, 16384 + (uint)random.Next(50));
        var block = (uint)random.Next(300_000);
        if (random.Next(20) == 0)
        {
            var isCut = random.Next(2) == 0;
            byte[] data = isCut ? [.. BitConverter.GetBytes(block), .. Node(relation), 7, 0, 0, 0] : [.. Node(relation), 0, 0, 0, 0];
            Writer.Append(WalResourceManager.Storage, isCut ? (byte)0x20 : (byte)0x10, WalWriter.Data(data));
            files.Add((Writer.Position, relation, isCut ? block : 0));
            return;
        }

        var rest = new byte[random.Next(8) == 0 ? random.Next(100_000) : random.Next(9000)];
        random.NextBytes(rest);
        var ofData = rest.Length == 0 ? [] : WalWriter.Data(rest)[..^rest.Length];
        byte[] second = random.Next(2) == 0 ? [1, 0x82, 0, 0, .. BitConverter.GetBytes(block + 1)] : [];
        Writer.Append((WalResourceManager)10, 0, [0, 0, 0, 0, .. Node(relation), .. BitConverter.GetBytes(block), .. second, .. ofData, .. rest]);
        blocks.Add((Writer.Position, relation, block));
        if (second.Length > 0)
        {
            blocks.Add((Writer.Position, relation, block + 1));
        }
    }
}
