using WalRus.Delta;

namespace WalRus.Tests.Delta;

public sealed class BlockSetTests
{
    [Fact]
    public void A_block_set_does_what_a_sorted_set_does()
    {
        var seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (var round = 0; round < 200; round++)
        {
            var capacity = random.Next(1, 300);
            var actual = new BlockSet(capacity);
            var expected = new SortedSet<int>();
            for (var step = 0; step < 30; step++)
            {
                Change(random, actual, expected);
                Assert.Equal(expected, Blocks(actual));
                Assert.Equal(expected.Count, actual.Count);
            }

            Assert.All(Enumerable.Range(0, capacity + 70), block => Assert.Equal(expected.Contains(block), actual.Contains(block)));
        }
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(10)]
    public void A_block_that_no_segment_has_is_refused(int block) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new BlockSet(10).Add(block));

    private static void Change(Random random, BlockSet actual, SortedSet<int> expected)
    {
        var block = random.Next(actual.Capacity);
        switch (random.Next(10))
        {
            case < 6:
                actual.Add(block);
                expected.Add(block);
                break;
            case 6:
                actual.AddFrom(block);
                expected.UnionWith(Enumerable.Range(block, actual.Capacity - block));
                break;
            case 7:
                actual.Remove(block);
                expected.Remove(block);
                break;
            case 8:
                var limit = random.Next(actual.Capacity + 200);
                actual.RemoveFrom(limit);
                expected.RemoveWhere(one => one >= limit);
                break;
            default:
                actual.Clear();
                expected.Clear();
                break;
        }
    }

    private static IEnumerable<int> Blocks(BlockSet set)
    {
        for (var block = set.Next(0); block >= 0; block = set.Next(block + 1))
        {
            yield return block;
        }
    }
}
