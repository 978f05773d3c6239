using System.IO.Compression;
using System.Text;
using WalRus.Compression;

namespace WalRus.Tests.Compression;

/// <summary>The gzip reader against what other writers make.</summary>
public sealed class GzipTests
{
    private const int Seed = 7;

    [Theory]
    [InlineData(CompressionLevel.NoCompression)]
    [InlineData(CompressionLevel.Fastest)]
    [InlineData(CompressionLevel.Optimal)]
    [InlineData(CompressionLevel.SmallestSize)]
    public async Task Reads_what_dotnet_writes_at_every_level(CompressionLevel level)
    {
        foreach (var size in new[] { 1, 100, 65_535, 300_000 })
        {
            var data = StreamPieces.Data(size, Seed + size);
            Assert.Equal(data, await StreamPieces.ReadAsync(new GzipCodec().OpenDecompress, DotNet(data, level), Seed));
        }
    }

    [Fact]
    public async Task Reads_long_codes_and_far_matches()
    {
        // Very uneven byte frequencies give codes up to fifteen bits.
        var random = new Random(Seed);
        var data = new byte[600_000];
        for (var at = 0; at < data.Length; at++)
        {
            data[at] = (byte)(255 * Math.Pow(random.NextDouble(), 12));
        }

        data.AsSpan(0, 20_000).CopyTo(data.AsSpan(32_000));
        var stored = DotNet(data, CompressionLevel.SmallestSize);
        Assert.Equal(data, await StreamPieces.ReadAsync(new GzipCodec().OpenDecompress, stored, Seed));
    }

    [Fact]
    public async Task Reads_several_members_as_one_content()
    {
        byte[] first = StreamPieces.Data(70_000, 1), second = StreamPieces.Data(10, 2);
        byte[] stored = [.. DotNet(first, CompressionLevel.Optimal), .. DotNet(second, CompressionLevel.Fastest)];
        byte[] both = [.. first, .. second];
        Assert.Equal(both, await StreamPieces.ReadAsync(new GzipCodec().OpenDecompress, stored));
        Assert.Equal(both, await StreamPieces.ReadAsync(new GzipCodec().OpenDecompress, stored, Seed));
    }

    [Fact]
    public async Task Reads_a_header_with_every_optional_part()
    {
        var data = "PostgreSQL"u8.ToArray();
        var plain = DotNet(data, CompressionLevel.Optimal);
        List<byte> header = [0x1F, 0x8B, 8, 0x1F, 1, 2, 3, 4, 0, 3, 5, 0, 9, 9, 9, 9, 9];
        header.AddRange(Encoding.Latin1.GetBytes("name\0comment\0"));
        var crc = Crc32.Append(0, header.ToArray());
        header.AddRange([(byte)crc, (byte)(crc >> 8)]);
        byte[] stored = [.. header, .. plain[10..]];
        Assert.Equal(data, await StreamPieces.ReadAsync(new GzipCodec().OpenDecompress, stored));
        stored[header.Count - 1] ^= 1;
        Assert.Contains("header", (await StreamPieces.ReadErrorAsync(new GzipCodec().OpenDecompress, stored))!.Message);
    }

    [Fact]
    public async Task Dotnet_reads_what_the_codec_writes()
    {
        foreach (var size in new[] { 0, 1, 200_000 })
        {
            var data = StreamPieces.Data(size, Seed);
            var stored = await StreamPieces.WriteAsync(new GzipCodec().OpenCompress, data, Seed);
            using var gzip = new GZipStream(new MemoryStream(stored), CompressionMode.Decompress);
            var read = new MemoryStream();
            await gzip.CopyToAsync(read);
            Assert.Equal(data, read.ToArray());
        }
    }

    [Fact]
    public async Task An_abandoned_stream_writes_nothing()
    {
        var sink = new MemoryStream();
        await using (var stream = new GzipCodec().OpenCompress(sink))
        {
            await stream.WriteAsync(new byte[100]);
        }

        Assert.Equal(0, sink.Length);
    }

    private static byte[] DotNet(byte[] data, CompressionLevel level)
    {
        var sink = new MemoryStream();
        using (var gzip = new GZipStream(sink, level))
        {
            gzip.Write(data);
        }

        return sink.ToArray();
    }
}
