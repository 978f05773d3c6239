using WalRus.Compression;
using WalRus.Streaming;

namespace WalRus.Tests.Compression;

/// <summary>What every codec promises, for each of them.</summary>
public sealed class CodecTests
{
    private const int Seed = 20_261_122;

    /// <summary>zstd as on a machine without libzstd, through ZstdSharp.Port.</summary>
    private const string ManagedZstd = "zstd, managed";

    public static TheoryData<string> Methods => new(Codecs.ReadOrder.Select(codec => codec.Method).Append(ManagedZstd));

    /// <summary>The methods whose data carries a checksum of its content.</summary>
    public static TheoryData<string> ChecksummedMethods => new(
        Codecs.ReadOrder.Select(codec => codec.Method).Where(method => method is "lz4" or "zstd" or "gzip").Append(ManagedZstd));

    public static TheoryData<string> Containers => new(
        Codecs.ReadOrder.Select(codec => codec.Method).Where(method => method != "none").Append(ManagedZstd));

    public static TheoryData<string> FrameMethods => new("lz4", "zstd", ManagedZstd);

    [Theory]
    [MemberData(nameof(Methods))]
    public async Task What_was_compressed_decompresses_to_the_same(string method)
    {
        var codec = Create(method);
        foreach (var size in new[] { 0, 1, 2, 511, 8191, 8192, 8193, 65_535, 65_536, 65_537, 131_072, (1 << 20) + 1 })
        {
            var data = StreamPieces.Data(size, Seed + size);
            var whole = await StreamPieces.WriteAsync(codec.OpenCompress, data);
            var pieces = await StreamPieces.WriteAsync(codec.OpenCompress, data, Seed + size);
            Assert.Equal(data, await StreamPieces.ReadAsync(codec.OpenDecompress, whole));
            Assert.Equal(data, await StreamPieces.ReadAsync(codec.OpenDecompress, pieces, Seed + size));
        }
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public async Task Random_bytes_that_do_not_compress_come_back(string method)
    {
        var codec = Create(method);
        var data = new byte[700_001];
        new Random(Seed).NextBytes(data);
        var stored = await StreamPieces.WriteAsync(codec.OpenCompress, data, Seed);
        Assert.Equal(data, await StreamPieces.ReadAsync(codec.OpenDecompress, stored, Seed));
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public async Task Every_level_decompresses(string method)
    {
        var data = StreamPieces.Data(100_000, Seed);
        foreach (var level in new[] { -5, 0, 1, 3, 6, 9, 12, 99 })
        {
            var codec = Create(method, level);
            var stored = await StreamPieces.WriteAsync(codec.OpenCompress, data);
            Assert.Equal(data, await StreamPieces.ReadAsync(codec.OpenDecompress, stored));
        }
    }

    [Theory]
    [MemberData(nameof(Containers))]
    public async Task Data_truncated_at_any_byte_is_an_error(string method)
    {
        var codec = Create(method);
        foreach (var size in new[] { 0, 1, 700 })
        {
            var stored = await StreamPieces.WriteAsync(codec.OpenCompress, StreamPieces.Data(size, Seed));
            for (var length = 0; length < stored.Length; length++)
            {
                var failure = await StreamPieces.ReadErrorAsync(codec.OpenDecompress, stored[..length]);
                Assert.True(failure is { Code: ErrorCode.ObjectCorrupt }, $"{length} of {stored.Length} bytes were taken for whole");
                Assert.Contains("truncated", failure.Message);
            }
        }
    }

    [Theory]
    [MemberData(nameof(ChecksummedMethods))]
    public async Task A_flipped_bit_never_gives_other_content(string method)
    {
        var codec = Create(method);
        var data = StreamPieces.Data(600, Seed);
        var stored = await StreamPieces.WriteAsync(codec.OpenCompress, data);
        for (var bit = 0; bit < stored.Length * 8; bit++)
        {
            var damaged = (byte[])stored.Clone();
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            try
            {
                // A header may hold bits that change nothing; the content is what counts.
                Assert.Equal(data, await StreamPieces.ReadAsync(codec.OpenDecompress, damaged));
            }
            catch (WalRusException failure)
            {
                Assert.Equal(ErrorCode.ObjectCorrupt, failure.Code);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Containers))]
    public async Task Damage_is_either_noticed_or_harmless_to_the_process(string method)
    {
        var codec = Create(method);
        var stored = await StreamPieces.WriteAsync(codec.OpenCompress, StreamPieces.Data(5000, Seed));
        var random = new Random(Seed);
        for (var round = 0; round < 500; round++)
        {
            var damaged = (byte[])stored.Clone();
            for (var hits = random.Next(1, 8); hits > 0; hits--)
            {
                damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            }

            var failure = await StreamPieces.ReadErrorAsync(codec.OpenDecompress, damaged);
            Assert.True(failure is null or { Code: ErrorCode.ObjectCorrupt });
        }
    }

    [Theory]
    [MemberData(nameof(Containers))]
    public async Task Foreign_bytes_after_the_end_are_an_error(string method)
    {
        var codec = Create(method);
        var stored = await StreamPieces.WriteAsync(codec.OpenCompress, StreamPieces.Data(3000, Seed));
        foreach (var tail in new byte[][] { [0], [0xFF], [1, 2, 3], new byte[4096], StreamPieces.Data(20_000, 3) })
        {
            byte[] longer = [.. stored, .. tail];
            Assert.Equal(ErrorCode.ObjectCorrupt, (await StreamPieces.ReadErrorAsync(codec.OpenDecompress, longer))?.Code);
        }
    }

    [Theory]
    [MemberData(nameof(FrameMethods))]
    public async Task Frames_in_a_row_are_one_content(string method)
    {
        var codec = Create(method);
        byte[] first = StreamPieces.Data(70_000, 1), second = StreamPieces.Data(10, 2);
        byte[] stored =
        [
            .. await StreamPieces.WriteAsync(codec.OpenCompress, first),
            .. await StreamPieces.WriteAsync(codec.OpenCompress, []),
            .. await StreamPieces.WriteAsync(codec.OpenCompress, second),
        ];
        byte[] both = [.. first, .. second];
        Assert.Equal(both, await StreamPieces.ReadAsync(codec.OpenDecompress, stored));
        Assert.Equal(both, await StreamPieces.ReadAsync(codec.OpenDecompress, stored, Seed));
        Assert.NotNull(await StreamPieces.ReadErrorAsync(codec.OpenDecompress, stored[..^1]));
    }

    [Theory]
    [MemberData(nameof(Containers))]
    public async Task Damage_stays_an_error_when_read_again(string method)
    {
        var codec = Create(method);
        var stored = await StreamPieces.WriteAsync(codec.OpenCompress, StreamPieces.Data(3000, Seed));
        await using var stream = codec.OpenDecompress(new MemoryStream(stored[..^1]));
        var buffer = new byte[100_000];
        for (var attempt = 0; attempt < 2; attempt++)
        {
            var failure = await Assert.ThrowsAsync<WalRusException>(async () =>
            {
                while (await stream.ReadAsync(buffer) > 0)
                {
                }
            });
            Assert.Equal(ErrorCode.ObjectCorrupt, failure.Code);
        }
    }

    [Theory]
    [MemberData(nameof(Containers))]
    public async Task A_stream_that_failed_to_write_cannot_be_completed(string method)
    {
        await using var stream = Create(method).OpenCompress(new FullDisk());
        await Assert.ThrowsAsync<IOException>(async () =>
        {
            var noise = new byte[1 << 20];
            new Random(Seed).NextBytes(noise);
            await stream.WriteAsync(noise);
            await stream.CompleteAsync(CancellationToken.None);
        });
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await stream.CompleteAsync(CancellationToken.None));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await stream.WriteAsync(new byte[1]));
    }

    [Theory]
    [MemberData(nameof(Containers))]
    public async Task Nothing_can_be_written_after_completing_or_disposing(string method)
    {
        var stream = Create(method).OpenCompress(new MemoryStream());
        await stream.CompleteAsync(CancellationToken.None);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await stream.WriteAsync(new byte[1]));
        await stream.DisposeAsync();
        await stream.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await stream.WriteAsync(new byte[1]));
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public async Task Disposing_the_reader_disposes_its_source(string method)
    {
        var source = new MemoryStream();
        await Create(method).OpenDecompress(source).DisposeAsync();
        Assert.False(source.CanRead);
    }

    [Theory]
    [MemberData(nameof(Containers))]
    public async Task Disposing_under_a_running_read_frees_nothing_it_still_uses(string method)
    {
        var codec = Create(method);
        var source = new StalledSource();
        var stream = codec.OpenDecompress(source);
        var reading = stream.ReadAsync(new byte[10]).AsTask();
        stream.Dispose();
        source.Memory.Span.Fill(0xAA);
        source.Arrival.SetResult(0);
        await Assert.ThrowsAnyAsync<WalRusException>(() => reading);
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public async Task A_cancelled_write_throws_and_keeps_nothing(string method)
    {
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await using var stream = Create(method).OpenCompress(new MemoryStream());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await stream.WriteAsync(new byte[10], cancelled.Token));
    }

    [Fact]
    public void An_unknown_method_names_the_known_ones()
    {
        var failure = Assert.Throws<WalRusException>(() => Codecs.Create("lzo"));
        Assert.Equal(ErrorCode.SettingInvalid, failure.Code);
        Assert.Contains("'lzo'", failure.Message);
        Assert.Contains("zstd", failure.Hint);
    }

    [Theory]
    [InlineData("LZ4", "lz4")]
    [InlineData("Zstd", "zst")]
    [InlineData("", "")]
    [InlineData("none", "")]
    public void Method_names_ignore_case(string method, string extension) =>
        Assert.Equal(extension, Create(method).Extension);

    [Fact]
    public void A_named_zstd_level_belongs_to_zstd_alone()
    {
        Assert.Equal("zstd", Codecs.Create("zstd", zstdLevel: "Fastest").Method);
        Assert.Equal(ErrorCode.SettingInvalid, Assert.Throws<WalRusException>(() => Codecs.Create("lz4", zstdLevel: "best")).Code);
        Assert.Equal(ErrorCode.SettingInvalid, Assert.Throws<WalRusException>(() => Codecs.Create("zstd", zstdLevel: "3")).Code);
    }

    private static Codec Create(string method, int? level = null) =>
        method == ManagedZstd ? new ZstdCodec(level, alwaysManaged: true) : Codecs.Create(method, level);

    private sealed class FullDisk : OutputStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            throw new IOException("No space left on device");

        public override ValueTask CompleteAsync(CancellationToken cancellationToken) => default;
    }

    private sealed class StalledSource : InputStream
    {
        public TaskCompletionSource<int> Arrival { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Memory<byte> Memory { get; private set; }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Memory = buffer;
            return new ValueTask<int>(Arrival.Task);
        }
    }
}
