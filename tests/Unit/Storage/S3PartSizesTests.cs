using WalRus.Storage.S3;

namespace WalRus.Tests.Storage;

public sealed class S3PartSizesTests
{
    [Fact]
    public void Ten_thousand_parts_reach_five_terabytes_from_five_MiB()
    {
        var sizes = new S3PartSizes(5 << 20, int.MaxValue, 8 << 20);
        Assert.Equal(5 << 20, sizes.BytesOf(1));
        Assert.Equal(5 << 20, sizes.BytesOf(950));
        Assert.Equal(10 << 20, sizes.BytesOf(951));
        var total = Enumerable.Range(1, S3PartSizes.MaxParts).Sum(number => (long)sizes.BytesOf(number));
        Assert.InRange(total, 5_000_000_000_000, long.MaxValue);
    }

    [Fact]
    public void Parts_stop_at_the_cap_but_never_below_the_first_size()
    {
        Assert.Equal(20 << 20, new S3PartSizes(5 << 20, 20 << 20, 8 << 20).BytesOf(9999));
        Assert.Equal(8 << 20, new S3PartSizes(8 << 20, 5 << 20, 8 << 20).BytesOf(9999));
    }
}
