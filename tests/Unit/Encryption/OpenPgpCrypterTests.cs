using WalRus.Encryption;
using WalRus.Streaming;
using WalRus.Tests.Compression;

namespace WalRus.Tests.Encryption;

public sealed class OpenPgpCrypterTests : IClassFixture<GnuPgKeys>
{
    private const int Seed = 20_261_125;
    private readonly GnuPgKeys keys;

    public OpenPgpCrypterTests(GnuPgKeys keys)
    {
        this.keys = keys;
        Assert.SkipUnless(GnuPgKeys.IsInstalled, "gpg is not installed");
    }

    [Fact]
    public async Task What_was_encrypted_decrypts_to_the_same()
    {
        using var crypter = Crypter(keys.Plain);
        foreach (var size in new[] { 0, 1, 8191, 8192, 8193, (1 << 20) + 1 })
        {
            var data = StreamPieces.Data(size, Seed + size);
            var stored = await StreamPieces.WriteAsync(crypter.OpenEncrypt, data, Seed);
            Assert.Equal(data, await StreamPieces.ReadAsync(crypter.OpenDecrypt, stored, Seed));
            Assert.Equal(data, keys.Gpg(stored, "--decrypt"));
        }
    }

    [Fact]
    public async Task A_key_with_a_passphrase_and_escaped_newlines_works()
    {
        using var crypter = Crypter(keys.Locked.Replace("\n", "\\n"), GnuPgKeys.Passphrase);
        var data = StreamPieces.Data(10_000, Seed);
        var stored = await StreamPieces.WriteAsync(crypter.OpenEncrypt, data);
        Assert.Equal(data, await StreamPieces.ReadAsync(crypter.OpenDecrypt, stored));
    }

    [Theory]
    [InlineData("wrong")]
    [InlineData(null)]
    public async Task A_wrong_passphrase_is_an_error_that_does_not_print_it(string? passphrase)
    {
        using var crypter = Crypter(keys.Locked, passphrase);
        var stored = await StreamPieces.WriteAsync(crypter.OpenEncrypt, new byte[10]);
        var failure = await StreamPieces.ReadErrorAsync(crypter.OpenDecrypt, stored);
        Assert.Equal(ErrorCode.DecryptionFailed, failure?.Code);
        Assert.DoesNotContain("wrong", failure!.ToString());
    }

    [Fact]
    public async Task Every_key_of_the_ring_can_read()
    {
        using var writer = Crypter(keys.BothPublic);
        var data = StreamPieces.Data(5000, Seed);
        var stored = await StreamPieces.WriteAsync(writer.OpenEncrypt, data);
        using var plain = Crypter(keys.Plain);
        using var locked = Crypter(keys.Locked, GnuPgKeys.Passphrase);
        Assert.Equal(data, await StreamPieces.ReadAsync(plain.OpenDecrypt, stored));
        Assert.Equal(data, await StreamPieces.ReadAsync(locked.OpenDecrypt, stored));
    }

    [Fact]
    public async Task Another_key_is_an_error()
    {
        using var writer = Crypter(keys.PlainPublic);
        var stored = await StreamPieces.WriteAsync(writer.OpenEncrypt, new byte[100]);
        using var other = Crypter(keys.Locked, GnuPgKeys.Passphrase);
        Assert.Equal(ErrorCode.DecryptionFailed, (await StreamPieces.ReadErrorAsync(other.OpenDecrypt, stored))?.Code);
    }

    [Fact]
    public async Task Public_keys_write_and_say_that_they_cannot_read()
    {
        using var writer = Crypter(keys.PlainPublic);
        var stored = await StreamPieces.WriteAsync(writer.OpenEncrypt, new byte[100]);
        var failure = await StreamPieces.ReadErrorAsync(writer.OpenDecrypt, stored);
        Assert.Equal(ErrorCode.EncryptionKeyInvalid, failure?.Code);
        Assert.Contains("private", failure!.Message);
    }

    [Fact]
    public async Task Carriage_returns_survive_a_message_marked_as_text()
    {
        var data = "a\r\nb\rc\n\r\r"u8.ToArray();
        var message = keys.Gpg(
            EncryptedText(data), "--encrypt", "--no-literal", "--compress-algo", "none", "--recipient", "plain@example.org");
        using var crypter = Crypter(keys.Plain);
        Assert.Equal(data, await StreamPieces.ReadAsync(crypter.OpenDecrypt, message));
    }

    [Fact]
    public async Task Truncation_and_flipped_bytes_are_errors()
    {
        using var crypter = Crypter(keys.Plain);
        var data = StreamPieces.Data(100, Seed);
        var stored = await StreamPieces.WriteAsync(crypter.OpenEncrypt, data);
        var random = new Random(Seed);

        // Each takes a gpg process: every byte near the packets' borders, a sample of the others.
        foreach (var at in Enumerable.Range(0, stored.Length).Where(at => at < 4 || at > stored.Length - 30 || random.Next(9) == 0))
        {
            await AssertFailsAsync(crypter, stored[..at], $"{at} of {stored.Length} bytes");
            var flipped = (byte[])stored.Clone();
            flipped[at] ^= (byte)(1 << random.Next(8));
            await AssertFailsAsync(crypter, flipped, $"flip in byte {at}");
        }
    }

    [Fact]
    public async Task A_long_truncated_message_never_reaches_its_end()
    {
        using var crypter = Crypter(keys.Plain);
        var stored = await StreamPieces.WriteAsync(crypter.OpenEncrypt, StreamPieces.Data(500_000, Seed));
        foreach (var cut in new[] { 1, 20, 22, 23, 8192, 65_536, 300_000 })
        {
            await AssertFailsAsync(crypter, stored[..^cut], $"{cut} bytes less");
        }
    }

    [Fact]
    public async Task Data_after_the_message_is_an_error()
    {
        using var crypter = Crypter(keys.Plain);
        var stored = await StreamPieces.WriteAsync(crypter.OpenEncrypt, new byte[1000]);
        await AssertFailsAsync(crypter, [.. stored, 0x41], "a foreign byte");
        await AssertFailsAsync(crypter, [.. stored, .. stored], "a second message");
    }

    [Fact]
    public async Task A_source_that_fails_is_its_own_error()
    {
        using var crypter = Crypter(keys.Plain);
        var stored = await StreamPieces.WriteAsync(crypter.OpenEncrypt, StreamPieces.Data(500_000, Seed));
        await using var stream = crypter.OpenDecrypt(new BrokenSource(stored, 200_000));
        var failure = await Assert.ThrowsAsync<IOException>(() => stream.CopyToAsync(Stream.Null));
        Assert.Equal("the line is down", failure.Message);
    }

    [Fact]
    public async Task A_destination_that_fails_is_its_own_error()
    {
        using var crypter = Crypter(keys.PlainPublic);
        await using var stream = crypter.OpenEncrypt(new BrokenDestination());
        var failure = await Assert.ThrowsAsync<IOException>(async () =>
        {
            for (var round = 0; round < 100; round++)
            {
                await stream.WriteAsync(StreamPieces.Data(100_000, round));
            }

            await stream.CompleteAsync(CancellationToken.None);
        });
        Assert.Equal("the disk is full", failure.Message);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await stream.CompleteAsync(CancellationToken.None));
    }

    [Fact]
    public async Task Cancelling_ends_a_stream_whose_destination_hangs()
    {
        using var crypter = Crypter(keys.PlainPublic);
        using var cancelled = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await using var stream = crypter.OpenEncrypt(new HangingDestination());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            while (true)
            {
                await stream.WriteAsync(new byte[100_000], cancelled.Token);
            }
        });
    }

    [Fact]
    public async Task Abandoned_streams_write_nothing_after_they_are_disposed()
    {
        using var crypter = Crypter(keys.Plain);
        var sink = new MemoryStream();
        await using (var stream = crypter.OpenEncrypt(sink))
        {
            await stream.WriteAsync(new byte[1_000_000]);
        }

        var written = sink.Length;
        var stored = await StreamPieces.WriteAsync(crypter.OpenEncrypt, new byte[1_000_000]);
        await using (var stream = crypter.OpenDecrypt(new MemoryStream(stored)))
        {
            await stream.ReadExactlyAsync(new byte[10]);
        }

        Assert.Equal(written, sink.Length);
    }

    [Fact]
    public async Task Nothing_is_left_when_the_crypter_is_disposed()
    {
        var home = "";
        using (var ring = new GpgKeyRing(OpenPgpKey.Parse(keys.Plain, null)))
        {
            using var gpg = await ring.StartDecryptAsync(CancellationToken.None);
            home = ring.HomePath!;
            Assert.True(Directory.Exists(home));
            if (!OperatingSystem.IsWindows())
            {
                Assert.Equal(
                    UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(home));
            }
        }

        Assert.False(Directory.Exists(home));
    }

    [Fact]
    public async Task Streams_run_side_by_side()
    {
        using var crypter = Crypter(keys.Locked, GnuPgKeys.Passphrase);
        var data = StreamPieces.Data(300_000, Seed);
        await Task.WhenAll(Enumerable.Range(0, 24).Select(async _ =>
        {
            var stored = await StreamPieces.WriteAsync(crypter.OpenEncrypt, data);
            Assert.Equal(data, await StreamPieces.ReadAsync(crypter.OpenDecrypt, stored));
        }));
    }

    [Fact]
    public void A_tool_that_is_not_installed_is_an_error_that_names_the_package()
    {
        var failure = Assert.Throws<WalRusException>(() => GpgProcess.StartTool("walrus-no-such-tool", []));
        Assert.Equal(ErrorCode.EncryptionToolMissing, failure.Code);
        Assert.NotNull(failure.Hint);
    }

    [Fact]
    public void Text_that_is_no_key_is_an_error_that_does_not_print_it()
    {
        var failure = Assert.Throws<WalRusException>(() => OpenPgpKey.Parse("hunter2hunter2", null));
        Assert.Equal(ErrorCode.EncryptionKeyInvalid, failure.Code);
        Assert.DoesNotContain("hunter2", failure.ToString());
    }

    [Fact]
    public async Task A_damaged_key_is_an_error()
    {
        var lines = keys.Plain.Split('\n');
        lines[4] = new string('A', lines[4].Length);
        using var crypter = Crypter(string.Join('\n', lines));
        await using var stream = crypter.OpenEncrypt(Stream.Null);
        var failure = await Assert.ThrowsAsync<WalRusException>(async () => await stream.WriteAsync(new byte[1]));
        Assert.Equal(ErrorCode.EncryptionKeyInvalid, failure.Code);
    }

    private static OpenPgpCrypter Crypter(string armor, string? passphrase = null) =>
        new(OpenPgpKey.Parse(armor, passphrase));

    /// <summary>A literal packet as wal-g writes it: marked as UTF-8 text, with partial lengths.</summary>
    private static byte[] EncryptedText(byte[] data) => [0xCB, (byte)(6 + data.Length), (byte)'u', 0, 0, 0, 0, 0, .. data];

    private static async Task AssertFailsAsync(OpenPgpCrypter crypter, byte[] stored, string what)
    {
        var failure = await StreamPieces.ReadErrorAsync(crypter.OpenDecrypt, stored);
        Assert.True(failure is { Code: ErrorCode.DecryptionFailed }, $"{what}: {failure?.Message ?? "taken for whole"}");
    }

    private sealed class BrokenSource(byte[] data, int goodBytes) : InputStream
    {
        private int at;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (at >= goodBytes)
            {
                throw new IOException("the line is down");
            }

            var length = Math.Min(buffer.Length, goodBytes - at);
            data.AsMemory(at, length).CopyTo(buffer);
            at += length;
            return ValueTask.FromResult(length);
        }
    }

    private sealed class BrokenDestination : OutputStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            throw new IOException("the disk is full");

        public override ValueTask CompleteAsync(CancellationToken cancellationToken) => default;
    }

    private sealed class HangingDestination : OutputStream
    {
        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            await Task.Delay(Timeout.Infinite, cancellationToken);

        public override ValueTask CompleteAsync(CancellationToken cancellationToken) => default;
    }
}
