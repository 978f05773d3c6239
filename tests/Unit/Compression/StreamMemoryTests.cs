using WalRus.Compression;
using WalRus.Encryption;
using WalRus.Streaming;

namespace WalRus.Tests.Compression;

/// <summary>Streams give everything back, also those that are given up.</summary>
[Collection(AloneCollection.Name)]
public sealed class StreamMemoryTests
{
    private const int Seed = 11;
    private const long AllowedGrowthBytes = 24 << 20;

    public static TheoryData<string, int> Methods => new(
        Codecs.ReadOrder.Select(codec => (codec.Method, codec.Method == "lzma" ? 5 : 100)));

    [Theory]
    [MemberData(nameof(Methods))]
    public Task Many_compressed_streams_leave_the_process_as_large_as_a_tenth_of_them(string method, int rounds)
    {
        var codec = Codecs.Create(method);
        return AssertStaysFlatAsync(codec.OpenCompress, codec.OpenDecompress, rounds);
    }

    [Fact]
    public async Task Many_encrypted_streams_leave_the_process_as_large_as_a_tenth_of_them()
    {
        using var crypter = new LibsodiumCrypter(LibsodiumKey.Parse(new string('k', 32), null));
        await AssertStaysFlatAsync(crypter.OpenEncrypt, crypter.OpenDecrypt, 100);
    }

    private static async Task AssertStaysFlatAsync(Func<Stream, OutputStream> write, Func<Stream, Stream> read, int rounds)
    {
        var data = StreamPieces.Data(30_000, Seed);
        var stored = await StreamPieces.WriteAsync(write, data);
        await RunAsync(rounds);
        var before = Environment.WorkingSet;
        await RunAsync(rounds * 10);
        Assert.InRange(Environment.WorkingSet - before, long.MinValue, AllowedGrowthBytes);

        async Task RunAsync(int count)
        {
            for (var round = 0; round < count; round++)
            {
                await StreamPieces.WriteAsync(write, data);
                await StreamPieces.ReadAsync(read, stored);
                await using var abandoned = write(Stream.Null);
                await abandoned.WriteAsync(data);
                await using var dropped = read(new MemoryStream(stored));
                await dropped.ReadExactlyAsync(new byte[100]);
            }

            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }
}
