using WalRus.Delta;
using WalRus.Tests.Contracts;

namespace WalRus.Tests.Delta;

public sealed class IncrementReaderTests
{
    private const int PageBytes = IncrementBytes.PageBytes;

    [Fact]
    public void The_example_of_the_format_is_read_to_the_byte()
    {
        byte[] increment =
        [
            .. Convert.FromHexString("77693155006000000000000002000000" + "0000000002000000"), .. Filled(1), .. Filled(2),
        ];
        byte[] expected = [.. Filled(1), .. Filled(9), .. Filled(2)];
        Assert.Equal(expected, IncrementBytes.Apply([.. Filled(8), .. Filled(9), .. Filled(7), .. Filled(6)], increment));
    }

    [Fact]
    public void PostgreSQLs_own_increment_is_read_to_the_byte()
    {
        byte[] header = [.. Convert.FromHexString("0d1faed3" + "01000000" + "03000000" + "01000000"), .. new byte[PageBytes - 16]];
        byte[] expected = [.. Filled(8), .. Filled(1), .. new byte[PageBytes]];
        Assert.Equal(expected, IncrementBytes.Apply([.. Filled(8), .. Filled(9)], [.. header, .. Filled(1)]));
        Assert.Equal(Filled(8), IncrementBytes.Apply([.. Filled(8), .. Filled(9)], Convert.FromHexString("0d1faed3" + "00000000" + "01000000")));
    }

    [Fact]
    public void PostgreSQLs_increment_may_list_pages_behind_the_truncation()
    {
        var increment = IncrementBytes.Native(1, [2], _ => Filled(5));
        byte[] expected = [.. Filled(8), .. new byte[PageBytes], .. Filled(5)];
        Assert.Equal(expected, IncrementBytes.Apply([.. Filled(8), .. Filled(9), .. Filled(9), .. Filled(9)], increment));
    }

    [Fact]
    public void Any_file_comes_back_from_an_older_one_and_its_increment()
    {
        var seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        for (var round = 0; round < 200; round++)
        {
            var older = StoreExtensions.Bytes(random.Next(0, 12) * PageBytes, random.Next());
            var newer = StoreExtensions.Bytes(random.Next(0, 12) * PageBytes, random.Next());
            var blocks = new List<uint>();
            for (uint block = 0; block < newer.Length / PageBytes; block++)
            {
                // A page that the older file has and nobody touched since is the same in both.
                if ((block + 1) * PageBytes <= older.Length && random.Next(3) > 0)
                {
                    IncrementBytes.Page(older, block).CopyTo(newer, block * PageBytes);
                }
                else
                {
                    blocks.Add(block);
                }
            }

            var piece = random.Next(1, 40_000);
            byte[] Of(uint block) => IncrementBytes.Page(newer, block);
            Assert.Equal(newer, IncrementBytes.Apply(older, IncrementBytes.Wi1(newer.Length, blocks, Of), piece));
            Assert.Equal(newer, IncrementBytes.Apply(older, IncrementBytes.Native((uint)(newer.Length / PageBytes), blocks, Of), piece));

            // Twice is as good as once: a tar that broke off is read again.
            var once = IncrementBytes.Apply(older, IncrementBytes.Wi1(newer.Length, blocks, Of));
            Assert.Equal(newer, IncrementBytes.Apply(once, IncrementBytes.Wi1(newer.Length, blocks, Of)));
        }
    }

    [Fact]
    public void OrioleDBs_increments_state_their_page_size()
    {
        byte[] increment =
        [
            .. Convert.FromHexString("77693155" + "0004000000000000" + "0002" + "01000000" + "01000000"), .. Filled(3)[..512],
        ];
        byte[] expected = [.. Filled(8)[..512], .. Filled(3)[..512]];
        Assert.Equal(expected, IncrementBytes.Apply(Filled(8), increment, name: "orioledb_data/5/16384"));
    }

    /// <summary>Whatever is damaged, nothing is written but pages of the file: an error, or a file that is no longer than allowed.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_damaged_header_is_refused_or_harmless(bool native)
    {
        byte[] older = [.. Filled(8), .. Filled(9), .. Filled(7)];
        byte[] Of(uint block) => Filled((byte)block);
        var whole = native ? IncrementBytes.Native(3, [0, 2], Of) : IncrementBytes.Wi1(3 * PageBytes, [0, 2], Of);
        var header = whole.Length - (2 * PageBytes);
        for (var length = 0; length < header; length++)
        {
            Assert.Throws<WalRusException>(() => IncrementBytes.Apply(older, whole[..length]));
        }

        Assert.Throws<WalRusException>(() => IncrementBytes.Apply(older, whole[..^1]));
        Assert.Throws<WalRusException>(() => IncrementBytes.Apply(older, [.. whole, 0]));
        Damage.TruncateAndFlipEveryByte(
            whole[..header],
            damaged => Assert.InRange(
                IncrementBytes.Apply(older, [.. damaged, .. whole[header..]]).Length % PageBytes, 0, 0));
    }

    [Theory]
    [InlineData("77693255")]
    [InlineData("77693156")]
    [InlineData("00000000")]
    public void What_begins_otherwise_is_no_increment(string magic)
    {
        var increment = IncrementBytes.Wi1(PageBytes, [0], _ => Filled(1));
        Convert.FromHexString(magic).CopyTo(increment, 0);
        Assert.Equal(ErrorCode.ObjectCorrupt, Assert.Throws<WalRusException>(() => IncrementBytes.Apply([], increment)).Code);
    }

    [Fact]
    public void Pages_out_of_order_twice_or_behind_the_end_are_refused()
    {
        foreach (var blocks in new uint[][] { [1, 0], [1, 1], [0, 2], [uint.MaxValue] })
        {
            var increment = IncrementBytes.Wi1(2 * PageBytes, blocks, _ => Filled(1));
            Assert.Equal(ErrorCode.ObjectCorrupt, Assert.Throws<WalRusException>(() => IncrementBytes.Apply([], increment)).Code);
        }

        foreach (var size in new[] { PageBytes + 1, -PageBytes, long.MaxValue, 1L << 40 })
        {
            var increment = IncrementBytes.Wi1(size, [0], _ => Filled(1));
            Assert.Equal(ErrorCode.ObjectCorrupt, Assert.Throws<WalRusException>(() => IncrementBytes.Apply([], increment)).Code);
        }
    }

    private static byte[] Filled(byte value)
    {
        var page = new byte[PageBytes];
        Array.Fill(page, value);
        return page;
    }
}
