namespace WalRus.Tests;

/// <summary>Feeds a parser every truncation and a flip of every byte: it may take it or refuse it, and nothing else.</summary>
internal static class Damage
{
    /// <param name="parse">Parses, and may throw nothing but <see cref="WalRusException"/>.</param>
    /// <param name="flips">Bit masks each byte is flipped with.</param>
    public static void TruncateAndFlipEveryByte(byte[] whole, Action<byte[]> parse, params byte[] flips)
    {
        for (var length = 0; length < whole.Length; length++)
        {
            Survive(whole[..length], parse, $"truncated to {length} bytes");
        }

        var damaged = (byte[])whole.Clone();
        foreach (var mask in flips.Length > 0 ? flips : [0x01, 0x20, 0x80, 0xFF])
        {
            for (var index = 0; index < whole.Length; index++)
            {
                damaged[index] ^= mask;
                Survive(damaged, parse, $"byte {index} flipped by {mask:X2}");
                damaged[index] = whole[index];
            }
        }
    }

    private static void Survive(byte[] bytes, Action<byte[]> parse, string how)
    {
        try
        {
            parse(bytes);
        }
        catch (WalRusException refused)
        {
            Assert.False(string.IsNullOrWhiteSpace(refused.Message), how);
        }
        catch (Exception other)
        {
            Assert.Fail($"{how}: {other}");
        }
    }
}
