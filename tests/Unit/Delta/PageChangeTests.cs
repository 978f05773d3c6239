using System.Buffers.Binary;
using WalRus.Delta;
using WalRus.Postgres;

namespace WalRus.Tests.Delta;

public sealed class PageChangeTests
{
    private static readonly Lsn Since = Lsn.Parse("3/28");

    [Theory]
    [InlineData("3/27", PageState.Unchanged)]
    [InlineData("2/FFFFFFFF", PageState.Unchanged)]
    [InlineData("3/28", PageState.Changed)]
    [InlineData("4/0", PageState.Changed)]
    [InlineData("0/0", PageState.Unreadable)]
    public void A_written_page_is_changed_when_its_lsn_is_not_before_the_parents_start(string lsn, PageState expected) =>
        Assert.Equal(expected, PageChange.Of(Page(Lsn.Parse(lsn)), Since));

    [Fact]
    public void A_page_never_written_counts_as_changed() =>
        Assert.Equal(PageState.Changed, PageChange.Of(new byte[8192], Since));

    [Fact]
    public void A_flipped_bit_never_hides_a_changed_page()
    {
        // Every field but the LSN itself: then the page is still changed, or unreadable, which takes the whole file.
        for (var bit = 8 * 8; bit < PageHeader.Length * 8; bit++)
        {
            var page = Page(Lsn.Parse("4/0"));
            page[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.NotEqual(PageState.Unchanged, PageChange.Of(page, Since));
        }
    }

    private static byte[] Page(Lsn lsn)
    {
        var page = new byte[8192];
        BinaryPrimitives.WriteUInt32LittleEndian(page, (uint)(lsn.Value >> 32));
        BinaryPrimitives.WriteUInt32LittleEndian(page.AsSpan(4), (uint)lsn.Value);
        BinaryPrimitives.WriteUInt16LittleEndian(page.AsSpan(12), 40);
        BinaryPrimitives.WriteUInt16LittleEndian(page.AsSpan(14), 8000);
        BinaryPrimitives.WriteUInt16LittleEndian(page.AsSpan(16), 8192);
        BinaryPrimitives.WriteUInt16LittleEndian(page.AsSpan(18), 8192 | 4);
        return page;
    }
}
