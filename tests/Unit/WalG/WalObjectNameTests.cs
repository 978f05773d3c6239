using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Tests.WalG;

public sealed class WalObjectNameTests
{
    [Theory]
    [InlineData("000000010000000000000004", WalObjectKind.Segment, "000000010000000000000004", "", 1)]
    [InlineData("000000010000000000000004.lz4", WalObjectKind.Segment, "000000010000000000000004", "lz4", 1)]
    [InlineData("0000000A0000000000000004.zst", WalObjectKind.Segment, "0000000A0000000000000004", "zst", 10)]
    [InlineData("000000010000000000000004.partial", WalObjectKind.PartialSegment, "000000010000000000000004.partial", "", 1)]
    [InlineData("000000010000000000000004.partial.br", WalObjectKind.PartialSegment, "000000010000000000000004.partial", "br", 1)]
    [InlineData("00000002.history", WalObjectKind.TimelineHistory, "00000002.history", "", 2)]
    [InlineData("00000002.history.lzma", WalObjectKind.TimelineHistory, "00000002.history", "lzma", 2)]
    [InlineData("000000010000000000000004.00000028.backup", WalObjectKind.BackupHistory, "000000010000000000000004.00000028.backup", "", 1)]
    [InlineData("000000010000000000000004.00000028.backup.gz", WalObjectKind.BackupHistory, "000000010000000000000004.00000028.backup", "gz", 1)]
    [InlineData("000000010000000000000010_delta.lz4", WalObjectKind.DeltaSidecar, "000000010000000000000010_delta", "lz4", 1)]
    [InlineData("000000010000000000000004.json", WalObjectKind.Metadata, "000000010000000000000004.json", "", 1)]
    [InlineData("00000001000000000000000.json", WalObjectKind.Metadata, "00000001000000000000000.json", "", 1)]
    [InlineData("00000002.history.json", WalObjectKind.Metadata, "00000002.history.json", "", 2)]
    [InlineData("000000010000000000000004.partial.json", WalObjectKind.Metadata, "000000010000000000000004.partial.json", "", 1)]
    [InlineData("000000010000000000000004.00000028.backup.json", WalObjectKind.Metadata, "000000010000000000000004.00000028.backup.json", "", 1)]
    public void What_the_tools_write_is_known(string name, WalObjectKind kind, string fileName, string extension, uint timeline)
    {
        var parsed = WalObjectName.Parse(name);
        Assert.Equal((kind, fileName, extension), (parsed.Kind, parsed.FileName, parsed.Extension));
        Assert.Equal(new TimelineId(timeline), parsed.Timeline);
        Assert.Equal(
            kind == WalObjectKind.TimelineHistory || name.StartsWith("00000002.history", StringComparison.Ordinal), parsed.Segment is null);
    }

    [Theory]
    [InlineData("")]
    [InlineData("readme.txt")]
    [InlineData("000000010000000000000004.tmp")]
    [InlineData("000000010000000000000004.lz4.lz4")]
    [InlineData("00000001000000000000000a.lz4")]
    [InlineData("000000000000000000000004.lz4")]
    [InlineData("0000000100000000000000041")]
    [InlineData("000000010000000000000004.json.lz4")]
    [InlineData("000000010000000000000004.0000028.backup")]
    [InlineData("00000000.history")]
    [InlineData("0000002.history")]
    [InlineData("00000002.history.txt")]
    [InlineData("00000001000000000000000_delta.lz4")]
    [InlineData(".lz4")]
    public void What_nobody_writes_is_foreign_and_keeps_its_name(string name)
    {
        var parsed = WalObjectName.Parse(name);
        Assert.Equal(WalObjectKind.Foreign, parsed.Kind);
        Assert.Equal(name, parsed.FileName);
        Assert.Null(parsed.Segment);
        Assert.Null(parsed.Timeline);
    }

    [Fact]
    public void Every_object_in_the_golden_WAL_folders_is_known()
    {
        foreach (var archive in GoldenArchive.All())
        {
            foreach (var key in archive.Keys.Where(key => key.StartsWith("wal_005/", StringComparison.Ordinal)))
            {
                Assert.True(WalObjectName.Parse(key[8..]).Kind != WalObjectKind.Foreign, $"{archive.Name}/{key}");
            }
        }
    }
}
