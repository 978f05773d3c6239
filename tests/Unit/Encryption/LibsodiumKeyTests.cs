using System.Text;
using WalRus.Encryption;

namespace WalRus.Tests.Encryption;

public sealed class LibsodiumKeyTests
{
    private const string Secret = "correct horse battery staple and more";

    [Theory]
    [InlineData("0123456789012345678901234")]
    [InlineData("01234567890123456789012345678901")]
    [InlineData("0123456789012345678901234567890123456789")]
    public void A_plain_key_is_padded_with_zeros_or_cut(string text)
    {
        using var key = LibsodiumKey.Parse(text, null);
        var expected = new byte[32];
        Encoding.UTF8.GetBytes(text)[..Math.Min(32, text.Length)].CopyTo(expected, 0);
        Assert.Equal(expected, key.Memory.Span.ToArray());
    }

    [Theory]
    [InlineData("hex", "000102030405060708090A0b0c0d0e0f101112131415161718191a1b1c1d1e1f")]
    [InlineData("HEX", " 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n")]
    [InlineData("base64", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")]
    [InlineData("Base64", "AAECAwQFBgcICQoLDA0ODxAR\r\nEhMUFRYXGBkaGxwdHh8=\n")]
    public void Encoded_keys_are_exactly_32_bytes(string transform, string text)
    {
        using var key = LibsodiumKey.Parse(text, transform);
        Assert.Equal(Enumerable.Range(0, 32).Select(value => (byte)value), key.Memory.Span.ToArray());
    }

    [Theory]
    [InlineData(null, "short")]
    [InlineData("none", "")]
    [InlineData("hex", Secret)]
    [InlineData("hex", "zz0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")]
    [InlineData("hex", "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")]
    [InlineData("base64", Secret)]
    [InlineData("base64", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")]
    [InlineData("base64", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gIQ==")]
    [InlineData("rot13", Secret)]
    public void A_wrong_key_is_an_error_that_does_not_print_it(string? transform, string text)
    {
        var failure = Assert.Throws<WalRusException>(() => LibsodiumKey.Parse(text, transform));
        Assert.Equal(ErrorCode.EncryptionKeyInvalid, failure.Code);
        Assert.Null(failure.InnerException);
        if (text.Length > 6)
        {
            Assert.DoesNotContain(text[..6], failure.ToString());
        }
    }

    [Fact]
    public void White_space_around_a_key_file_is_not_part_of_the_key()
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, $"\n  {Secret} \r\n");
            using var fromFile = LibsodiumKey.FromFile(path, "none");
            using var inline = LibsodiumKey.Parse(Secret, "none");
            Assert.Equal(inline.Memory.Span.ToArray(), fromFile.Memory.Span.ToArray());
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_missing_key_file_names_its_path()
    {
        var failure = Assert.Throws<WalRusException>(() => LibsodiumKey.FromFile("/nowhere/key", null));
        Assert.Equal(ErrorCode.EncryptionKeyMissing, failure.Code);
        Assert.Contains("/nowhere/key", failure.Message);
    }

    [Fact]
    public void A_disposed_key_cannot_be_used()
    {
        var key = LibsodiumKey.Parse(Secret, null);
        key.Dispose();
        key.Dispose();
        Assert.Throws<ObjectDisposedException>(() => key.Memory.Span[0]);
    }
}
