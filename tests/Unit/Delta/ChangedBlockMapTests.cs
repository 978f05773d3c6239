using WalRus.Delta;
using WalRus.Postgres;

namespace WalRus.Tests.Delta;

public sealed class ChangedBlockMapTests(ITestOutputHelper output)
{
    private const int FileBlocks = 131072;

    private static readonly RelationFileNode Table = new(1663, 5, 16385);

    [Fact]
    public void Blocks_come_back_in_the_files_they_are_in()
    {
        using var map = new ChangedBlockMap();
        foreach (var block in new uint[] { 0, 63, 64, 131071, 131072, 262144 + 7, uint.MaxValue })
        {
            map.Add(Table, block);
        }

        Assert.Equal([0, 63, 64, 131071], Listed(map, Table, 0));
        Assert.Equal([0], Listed(map, Table, 1));
        Assert.Equal([7], Listed(map, Table, 2));
        Assert.Equal([131071], Listed(map, Table, 32767));
        Assert.Empty(Listed(map, Table, 3));
        Assert.Empty(Listed(map, Table with { FileNode = 16386 }, 0));
        Assert.Empty(Listed(map, Table with { Tablespace = 1664 }, 0));
    }

    [Fact]
    public void What_was_cut_off_is_listed_from_the_lowest_cut_on()
    {
        using var map = new ChangedBlockMap();
        map.Add(Table, 3);
        map.AddFrom(Table, 131072 + 10);
        map.AddFrom(Table, 131072 + 131000);
        Assert.Equal([3], Listed(map, Table, 0));
        Assert.Equal(Enumerable.Range(10, FileBlocks - 10), Listed(map, Table, 1));
        Assert.Equal(FileBlocks, Listed(map, Table, 2).Count);
        map.AddFrom(Table, 0);
        Assert.Equal(FileBlocks, Listed(map, Table, 0).Count);
    }

    [Fact]
    public void Each_file_of_a_database_that_was_copied_is_replaced()
    {
        using var map = new ChangedBlockMap();
        map.AddFrom(Table with { FileNode = 0 }, 0);
        Assert.Equal(ChangedBlocks.Replaced, map.FindIn(Segment(Table, 4), new BlockSet(FileBlocks)));
        Assert.Equal(ChangedBlocks.Replaced, map.FindIn(Segment(Table with { FileNode = 1 }, 0), new BlockSet(FileBlocks)));
        Assert.Equal(ChangedBlocks.Listed, map.FindIn(Segment(Table with { Database = 6 }, 0), new BlockSet(FileBlocks)));
    }

    [Theory]
    [InlineData(1 << 14, 10, 1_000)]
    [InlineData(1 << 10, 10, 20_000)]
    [InlineData(1 << 10, 300, 20_000)]
    [InlineData(1 << 8, 1, 200_000)]
    public void A_map_that_is_full_gets_coarser_and_forgets_nothing(int maxSlots, int relations, int changes)
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        using var map = new ChangedBlockMap(maxSlots);
        var added = new List<(RelationFileNode Relation, uint Block)>();
        for (var count = 0; count < changes; count++)
        {
            added.Add((Table with { FileNode = (uint)random.Next(relations) + 1 }, (uint)random.Next(3 * FileBlocks)));
            map.Add(added[^1].Relation, added[^1].Block);
        }

        map.AddFrom(Table with { FileNode = 1 }, 9);
        Assert.False(map.IsEverything);
        Assert.Equal(maxSlots < 1 << 14, map.Shift > 0);
        foreach (var file in added.GroupBy(one => (one.Relation, Segment: one.Block / FileBlocks)))
        {
            var listed = Listed(map, file.Key.Relation, file.Key.Segment);
            Assert.Empty(file.Select(one => (int)(one.Block % FileBlocks)).Except(listed));
            if (map.Shift == 0 && file.Key.Relation.FileNode > 1)
            {
                Assert.Empty(listed.Except(file.Select(one => (int)(one.Block % FileBlocks))));
            }
        }
    }

    [Fact]
    public void With_more_relations_than_it_can_hold_it_says_nothing()
    {
        using var map = new ChangedBlockMap(256);
        for (uint node = 1; node < 300; node++)
        {
            map.Add(Table with { FileNode = node }, 5);
            map.AddFrom(Table with { FileNode = node }, 5);
        }

        Assert.True(map.IsEverything);
        Assert.Equal(ChangedBlocks.Unknown, map.FindIn(Segment(Table, 0), new BlockSet(FileBlocks)));
    }

    private static RelationSegment Segment(RelationFileNode relation, uint segment) =>
        new(relation.Tablespace, relation.Database, relation.FileNode, segment);

    private static List<int> Listed(ChangedBlockMap map, RelationFileNode relation, uint segment)
    {
        var set = new BlockSet(FileBlocks);
        Assert.Equal(ChangedBlocks.Listed, map.FindIn(Segment(relation, segment), set));
        var blocks = new List<int>();
        for (var block = set.Next(0); block >= 0; block = block + 1 < FileBlocks ? set.Next(block + 1) : -1)
        {
            blocks.Add(block);
        }

        return blocks;
    }
}
