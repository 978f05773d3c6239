using WalRus.Delta;

namespace WalRus.Tests.Delta;

public sealed class RelationSegmentTests
{
    [Theory]
    [InlineData("/base/5/1259", 1663, 5, 1259, 0)]
    [InlineData("base/16384/16385.12", 1663, 16384, 16385, 12)]
    [InlineData("/global/1262", 1664, 0, 1262, 0)]
    [InlineData("/pg_tblspc/16400/PG_16_202307071/16384/4294967295.1", 16400, 16384, 4294967295, 1)]
    public void A_main_fork_is_told_by_its_path(string path, uint tablespace, uint database, uint node, uint segment)
    {
        Assert.True(RelationSegment.TryParse(path, out var parsed));
        Assert.Equal(new RelationSegment(tablespace, database, node, segment), parsed);
    }

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("/base/5/1259_fsm")]
    [InlineData("/base/5/1259_vm.1")]
    [InlineData("/base/5/1259_init")]
    [InlineData("/base/5/t3_1259")]
    [InlineData("/base/5/1259.")]
    [InlineData("/base/5/.1")]
    [InlineData("/base/5/1259.1.2")]
    [InlineData("/base/5/+1259")]
    [InlineData("/base/5/4294967296")]
    [InlineData("/base/5/PG_VERSION")]
    [InlineData("/base/1259")]
    [InlineData("/base/x/1259")]
    [InlineData("/global/5/1259")]
    [InlineData("/pg_xact/0000")]
    [InlineData("/pg_multixact/offsets/0000")]
    [InlineData("/pg_tblspc/16400/16384/1259")]
    [InlineData("/pg_tblspc/16400/pgsql_tmp/16384/1259")]
    [InlineData("/pg_tblspc/16400/PG_16_202307071/16384/1259/1")]
    [InlineData("/base/5/6/7/8/9/10/1259")]
    public void What_is_no_main_fork_is_told_apart(string path) => Assert.False(RelationSegment.TryParse(path, out _));
}
