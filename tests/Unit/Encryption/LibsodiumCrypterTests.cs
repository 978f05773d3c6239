using System.Security.Cryptography;
using WalRus.Encryption;
using WalRus.Tests.Compression;

namespace WalRus.Tests.Encryption;

public sealed class LibsodiumCrypterTests : IDisposable
{
    private const int Seed = 20_261_124;
    private const string HexKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    private static readonly byte[] Header = [.. Enumerable.Range(100, 24).Select(value => (byte)value)];
    private readonly LibsodiumKey key = LibsodiumKey.Parse(HexKey, "hex");
    private readonly LibsodiumCrypter crypter;

    public LibsodiumCrypterTests() => crypter = new LibsodiumCrypter(key);

    public static TheoryData<int> Sizes =>
        [0, 1, 8191, 8192, 8193, 16_384, 122_880, 131_072, (1 << 20) + 1];

    public void Dispose() => crypter.Dispose();

    [Theory]
    [MemberData(nameof(Sizes))]
    public async Task What_was_encrypted_decrypts_to_the_same(int size)
    {
        var data = StreamPieces.Data(size, Seed + size);
        var whole = await StreamPieces.WriteAsync(crypter.OpenEncrypt, data);
        var pieces = await StreamPieces.WriteAsync(crypter.OpenEncrypt, data, Seed);
        Assert.Equal(24 + (17 * ((size / 8192) + 1)) + size, whole.Length);
        Assert.Equal(whole.Length, pieces.Length);
        Assert.Equal(data, await StreamPieces.ReadAsync(crypter.OpenDecrypt, whole));
        Assert.Equal(data, await StreamPieces.ReadAsync(crypter.OpenDecrypt, pieces, Seed));
    }

    [Theory]
    [InlineData("", "5c445f22054d0860a3cb03d02d6c500ff9")]
    [InlineData("hello", "5c347fda2a017b17fcd259b23afb73552bdb04366279")]
    public async Task Short_streams_are_libsodiums_to_the_byte(string text, string expected)
    {
        var data = System.Text.Encoding.ASCII.GetBytes(text);
        byte[] stored = [.. Header, .. Convert.FromHexString(expected)];
        Assert.Equal(stored, await StreamPieces.WriteAsync(sink => new SecretStreamWriter(sink, key, Header), data));
        Assert.Equal(data, await StreamPieces.ReadAsync(crypter.OpenDecrypt, stored));
    }

    [Theory]
    [InlineData(8192, "e1c3ac6b312143f122373e4559c61eeb0280ca7d352d25ab11d771832af7abb2")]
    [InlineData(8193, "da8aeb1ab27d3bcef005fb6f92b89be36519f1ee07a0f15d9263eb5ae21e2eb6")]
    public async Task Streams_of_several_chunks_are_libsodiums_to_the_byte(int size, string expected)
    {
        var data = Enumerable.Repeat((byte)'A', size).ToArray();
        var stored = await StreamPieces.WriteAsync(sink => new SecretStreamWriter(sink, key, Header), data, Seed);
        Assert.Equal(expected, Convert.ToHexStringLower(SHA256.HashData(stored)));
        Assert.Equal(data, await StreamPieces.ReadAsync(crypter.OpenDecrypt, stored));
    }

    [Fact]
    public async Task Two_streams_of_the_same_content_differ()
    {
        var data = new byte[100];
        Assert.NotEqual(
            await StreamPieces.WriteAsync(crypter.OpenEncrypt, data), await StreamPieces.WriteAsync(crypter.OpenEncrypt, data));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(300)]
    public async Task Every_truncation_and_every_flipped_bit_of_a_small_stream_is_an_error(int size)
    {
        var stored = await StreamPieces.WriteAsync(crypter.OpenEncrypt, StreamPieces.Data(size, Seed));
        for (var length = 0; length < stored.Length; length++)
        {
            await AssertFailsAsync(stored[..length], $"{length} of {stored.Length} bytes");
        }

        for (var bit = 0; bit < stored.Length * 8; bit++)
        {
            var damaged = (byte[])stored.Clone();
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            await AssertFailsAsync(damaged, $"bit {bit}");
        }
    }

    [Theory]
    [InlineData(24)]
    [InlineData(24 + 8209)]
    [InlineData(24 + (2 * 8209))]
    public async Task A_stream_that_ends_between_two_chunks_is_truncated(int length)
    {
        var stored = await StreamPieces.WriteAsync(crypter.OpenEncrypt, StreamPieces.Data(20_000, Seed));
        var failure = await StreamPieces.ReadErrorAsync(crypter.OpenDecrypt, stored[..length]);
        Assert.Equal(ErrorCode.DecryptionFailed, failure?.Code);
        Assert.Contains("truncated", failure!.Message);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(8191)]
    [InlineData(8192)]
    [InlineData(20_000)]
    public async Task Data_after_the_last_chunk_is_an_error(int size)
    {
        var stored = await StreamPieces.WriteAsync(crypter.OpenEncrypt, StreamPieces.Data(size, Seed));
        await AssertFailsAsync([.. stored, 0], "one byte");
        await AssertFailsAsync([.. stored, .. new byte[8209]], "a chunk of zeros");
        await AssertFailsAsync([.. stored, .. stored], "the same stream again");
        await AssertFailsAsync([.. stored, .. stored[24..]], "the same chunks again");
    }

    [Fact]
    public async Task Chunks_that_changed_places_are_an_error()
    {
        var stored = await StreamPieces.WriteAsync(crypter.OpenEncrypt, StreamPieces.Data(30_000, Seed));
        byte[] swapped = [.. stored[..24], .. stored[8233..16_442], .. stored[24..8233], .. stored[16_442..]];
        await AssertFailsAsync(swapped, "swapped chunks");
        await AssertFailsAsync([.. stored[..24], .. stored[8233..]], "a missing chunk");
    }

    [Fact]
    public async Task A_full_chunk_that_says_it_is_the_last_is_refused()
    {
        await AssertFailsAsync(EncryptByHand(new byte[8192], isLast: true), "FINAL on a full chunk");
        await AssertFailsAsync(EncryptByHand(new byte[100], isLast: false), "MESSAGE on a short chunk at the end");
    }

    [Fact]
    public async Task Another_key_is_an_error_that_says_so()
    {
        var stored = await StreamPieces.WriteAsync(crypter.OpenEncrypt, new byte[10_000]);
        using var other = new LibsodiumCrypter(LibsodiumKey.Parse(HexKey.Replace('0', '1'), "hex"));
        var failure = await StreamPieces.ReadErrorAsync(other.OpenDecrypt, stored);
        Assert.Equal(ErrorCode.DecryptionFailed, failure?.Code);
        Assert.Contains("key", failure!.Message);
    }

    [Fact]
    public async Task Damage_stays_an_error_when_read_again()
    {
        var stored = await StreamPieces.WriteAsync(crypter.OpenEncrypt, new byte[10_000]);
        await using var stream = crypter.OpenDecrypt(new MemoryStream(stored[..^1]));
        for (var attempt = 0; attempt < 2; attempt++)
        {
            var failure = await Assert.ThrowsAsync<WalRusException>(() => stream.CopyToAsync(Stream.Null));
            Assert.Equal(ErrorCode.DecryptionFailed, failure.Code);
        }
    }

    [Fact]
    public async Task A_stream_that_failed_to_write_cannot_be_completed()
    {
        await using var stream = crypter.OpenEncrypt(new MemoryStream(new byte[100], 0, 100));
        await Assert.ThrowsAsync<NotSupportedException>(async () => await stream.WriteAsync(new byte[1 << 20]));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await stream.CompleteAsync(CancellationToken.None));
    }

    private byte[] EncryptByHand(byte[] plain, bool isLast)
    {
        using var state = new SecretMemory((int)SodiumNative.StateBytes());
        var chunk = new byte[plain.Length + 17];
        unsafe
        {
            fixed (byte* header = Header, from = plain, to = chunk)
            {
                Assert.Equal(0, SodiumNative.InitPull(state.Pointer, header, key.Memory.Pointer));
                var tag = isLast ? SodiumNative.TagFinal : SodiumNative.TagMessage;
                Assert.Equal(0, SodiumNative.Push(state.Pointer, to, null, from, (ulong)plain.Length, null, 0, tag));
            }
        }

        return [.. Header, .. chunk];
    }

    private async Task AssertFailsAsync(byte[] stored, string what)
    {
        var failure = await StreamPieces.ReadErrorAsync(crypter.OpenDecrypt, stored);
        Assert.True(failure is { Code: ErrorCode.DecryptionFailed }, $"{what} was taken for whole");
    }
}
