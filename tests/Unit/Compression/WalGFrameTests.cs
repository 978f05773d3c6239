using WalRus.Compression;

namespace WalRus.Tests.Compression;

/// <summary>What the containers' first bytes promise to other readers (wal-g's documentation of its formats).</summary>
public sealed class WalGFrameTests
{
    [Fact]
    public async Task An_lz4_frame_has_small_blocks_and_a_content_checksum()
    {
        var stored = await WriteAsync(new Lz4Codec(), 100);
        Assert.Equal([0x04, 0x22, 0x4D, 0x18], stored[..4]);
        Assert.Equal(0x44, stored[4]);
        Assert.Equal(0x50, stored[5]);
    }

    [Fact]
    public async Task An_empty_lz4_frame_is_whole() =>
        Assert.Equal([0, 0, 0, 0, 0x05, 0x5D, 0xCC, 0x02], (await WriteAsync(new Lz4Codec(), 0))[7..]);

    [Theory]
    [InlineData(1)]
    [InlineData(19)]
    [InlineData(22)]
    public async Task A_zstd_frame_has_a_checksum_and_a_window_that_wal_g_takes(int level)
    {
        var stored = await WriteAsync(new ZstdCodec(level), 200_000);
        Assert.Equal([0x28, 0xB5, 0x2F, 0xFD], stored[..4]);
        Assert.Equal(0x04, stored[4] & 0x04);
        Assert.Equal(0, stored[4] & 0x20);
        var windowLog = 10 + (stored[5] >> 3);
        Assert.InRange(windowLog, 10, 23);
        Assert.Equal(0, stored[5] & 7);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(9)]
    public async Task An_lzma_container_has_the_old_header_and_an_unknown_size(int level)
    {
        var stored = await WriteAsync(new LzmaCodec(level), 1000);
        Assert.Equal(0x5D, stored[0]);
        Assert.InRange(BitConverter.ToUInt32(stored, 1), 1u << 18, 8u << 20);
        Assert.All(stored[5..13], value => Assert.Equal(0xFF, value));
    }

    private static Task<byte[]> WriteAsync(Codec codec, int size) =>
        StreamPieces.WriteAsync(codec.OpenCompress, StreamPieces.Data(size, 1));
}
