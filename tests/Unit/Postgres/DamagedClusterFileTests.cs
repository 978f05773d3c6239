using System.Buffers.Binary;
using System.Text;
using WalRus.Postgres;

namespace WalRus.Tests.Postgres;

/// <summary>Whatever is in a file: its parser takes it or refuses it, and what it takes comes back from its own form.</summary>
public sealed class DamagedClusterFileTests
{
    private const string Label =
        "START WAL LOCATION: 0/9000028 (file 000000010000000000000009)\nSTOP WAL LOCATION: 0/9000120 (file 000000010000000000000009)\n"
        + "CHECKPOINT LOCATION: 0/9000060\nBACKUP METHOD: streamed\nBACKUP FROM: primary\nSTART TIME: 2026-11-22 21:07:08 UTC\n"
        + "LABEL: a\nSTART TIMELINE: 1\nSTOP TIME: 2026-11-22 21:07:09 UTC\nSTOP TIMELINE: 1\nINCREMENTAL FROM LSN: 0/28\n";

    [Fact]
    public void A_damaged_timeline_history() => Damage.TruncateAndFlipEveryByte(
        "1\t0/3000000\tno recovery target specified\n\n# a comment\n3\t0/5000100\tat restore point \"x y\"\n"u8.ToArray(),
        bytes => Assert.Equal(
            TimelineHistory.Parse(new TimelineId(9), bytes).Switches,
            TimelineHistory.Parse(new TimelineId(9), TimelineHistory.Parse(new TimelineId(9), bytes).ToFile()).Switches));

    [Fact]
    public void A_damaged_tablespace_map() => Damage.TruncateAndFlipEveryByte(
        "16400 /mnt/two words\n16401 /odd\\\nname\\\\with\\\rall\n"u8.ToArray(),
        bytes => Assert.Equal(TablespaceMap.Parse(bytes), TablespaceMap.Parse(TablespaceMap.ToFile(TablespaceMap.Parse(bytes)))));

    [Fact]
    public void A_damaged_backup_label() => Damage.TruncateAndFlipEveryByte(
        Encoding.UTF8.GetBytes(Label), bytes => BackupLabel.Parse(bytes));

    [Fact]
    public void A_whole_backup_history_says_where_the_backup_ends()
    {
        var label = BackupLabel.Parse(Encoding.UTF8.GetBytes(Label));
        Assert.Equal(Lsn.Parse("0/9000120"), label.StopLsn);
        Assert.Equal("000000010000000000000009", label.StopSegment?.ToString());
        Assert.Equal("2026-11-22 21:07:08 UTC", label.StartTime);
        Assert.Equal(Lsn.Parse("0/28"), label.IncrementalFrom);
    }

    [Fact]
    public void A_damaged_WAL_page_header() => Damage.TruncateAndFlipEveryByte(
        SyntheticWal.Segment("000000010000000000000001", SyntheticWal.Small)[..WalPageHeader.LongLength],
        bytes => WalPageHeader.TryParse(bytes, out _));

    [Theory]
    [InlineData(1300u, 288)]
    [InlineData(1700u, 288)]
    [InlineData(1800u, 292)]
    public void A_control_file_of_random_content_with_a_right_checksum(uint version, int length)
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var taken = 0;
        for (var round = 0; round < 2000; round++)
        {
            var file = new byte[ControlFile.FileLength];
            random.NextBytes(file.AsSpan(0, length));
            BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(8), version);
            if (round % 2 == 0)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(228), 1u << random.Next(18, 32));
            }

            BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(length), Crc32C.Compute(file.AsSpan(0, length)));
            try
            {
                var control = ControlFile.Parse(file);
                Assert.True(BinaryPrimitives.ReadUInt64LittleEndian(file) == control.SystemIdentifier, $"seed {seed}");
                Assert.True(BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(228)) == control.SegmentSize.Bytes, $"seed {seed}");
                taken++;
            }
            catch (WalRusException refused)
            {
                Assert.Equal(ErrorCode.DataDirectoryInvalid, refused.Code);
            }
        }

        Assert.True(taken > 100, $"seed {seed}: only {taken} were taken");
    }

    [Theory]
    [InlineData(8192)]
    [InlineData(4096)]
    [InlineData(32768)]
    [InlineData(1024)]
    public void The_page_checksum_is_that_of_the_plain_definition(int pageSize)
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var page = new byte[pageSize];
        for (var round = 0; round < 50; round++)
        {
            random.NextBytes(page);
            var block = (uint)random.NextInt64(1L << 32);
            Assert.True(PlainChecksum(page, block) == PageChecksum.Compute(page, block), $"seed {seed}");
        }
    }

    [Fact]
    public void Crc32C_has_the_published_check_value()
    {
        Assert.Equal(0xE3069283, Crc32C.Compute("123456789"u8));
        var text = Encoding.ASCII.GetBytes(Label);
        for (var cut = 0; cut < text.Length; cut++)
        {
            var parts = Crc32C.Append(Crc32C.Append(Crc32C.Initial, text.AsSpan(0, cut)), text.AsSpan(cut));
            Assert.Equal(Crc32C.Compute(text), Crc32C.Finish(parts));
        }
    }

    /// <summary>checksum_impl.h without any cleverness; the lanes' offsets are those of the format's description.</summary>
    private static ushort PlainChecksum(byte[] page, uint block)
    {
        const string Offsets =
            "5B1F36E9 B8525960 02AB50AA 1DE66D2A 79FF467A 9BB9F8A3 217E7CD2 83E13D2C F8D4474F E39EB970 42C6AE16 993216FA "
            + "7B093B5D 98DAFF3C F718902A 0B1C9CDB E58F764B 187636BC 5D7B3BB1 E73DE7DE 92BEC979 CCA6C0B2 304A0979 85AA43D4 "
            + "783125BB 6CA8EAA2 E407EAC6 4B5CFC3E 9FBF8C76 15CA20BE F2CA9FD3 959BD756";
        var copy = (byte[])page.Clone();
        copy[8] = copy[9] = 0;
        var sums = Offsets.Split(' ').Select(offset => Convert.ToUInt32(offset, 16)).ToArray();
        for (var row = 0; row < (page.Length / 128) + 2; row++)
        {
            for (var lane = 0; lane < 32; lane++)
            {
                var at = (row * 128) + (lane * 4);
                var value = at < page.Length ? BinaryPrimitives.ReadUInt32LittleEndian(copy.AsSpan(at)) : 0;
                var mixed = sums[lane] ^ value;
                sums[lane] = unchecked(mixed * 16777619) ^ (mixed >> 17);
            }
        }

        return (ushort)(((sums.Aggregate((left, right) => left ^ right) ^ block) % 65535) + 1);
    }
}
