using WalRus.Encryption;

namespace WalRus.Tests.Encryption;

public sealed class OpenPgpPacketsTests
{
    private static readonly byte[] Header = [(byte)'u', 2, (byte)'h', (byte)'i', 0, 0, 0, 0];

    public static TheoryData<string, byte[]> Messages()
    {
        byte[] content = [.. Header, .. Enumerable.Range(0, 992).Select(value => (byte)value)];
        return new()
        {
            { "new format, two-byte length", [0xCB, 192 + ((1000 - 192) >> 8), (1000 - 192) & 0xFF, .. content] },
            { "new format, five-byte length", [0xCB, 255, 0, 0, 3, 0xE8, .. content] },
            { "old format, two-byte length", [0xAD, 3, 0xE8, .. content] },
            { "old format, four-byte length", [0xAE, 0, 0, 3, 0xE8, .. content] },
            { "old format, to the end", [0xAF, .. content] },
            { "partial lengths", [0xCB, 0xE9, .. content[..512], 0xE0, content[512], 0xC0 + 0, 0x40, .. content[513..769], 231] },
        };
    }

    [Theory]
    [MemberData(nameof(Messages))]
    public void Content_comes_out_whole_however_the_packet_is_cut(string what, byte[] packet)
    {
        // The last message is cut short on purpose: 0xC0 0x40 is a two-byte length of 256.
        var isCut = what == "partial lengths";
        foreach (var step in new[] { 1, 2, 3, 100, 5000 })
        {
            var literal = new LiteralPacket();
            var read = new List<byte>();
            for (var at = 0; at < packet.Length - (isCut ? 1 : 0); at += step)
            {
                ReadOnlySpan<byte> piece = packet.AsSpan(at, Math.Min(step, packet.Length - (isCut ? 1 : 0) - at));
                while (!piece.IsEmpty)
                {
                    read.AddRange(literal.TakeContent(ref piece));
                }
            }

            var expected = Enumerable.Range(0, isCut ? 761 : 992).Select(value => (byte)value);
            Assert.True(expected.SequenceEqual(read), $"{what}, {step} bytes a piece");
            Assert.True(literal.IsWhole);
        }
    }

    [Fact]
    public void A_packet_cut_anywhere_is_not_whole()
    {
        byte[] packet = [0xCB, 9, .. Header, (byte)'x'];
        for (var length = 0; length < packet.Length; length++)
        {
            var literal = new LiteralPacket();
            ReadOnlySpan<byte> piece = packet.AsSpan(0, length);
            while (!piece.IsEmpty)
            {
                literal.TakeContent(ref piece);
            }

            Assert.False(literal.IsWhole, $"{length} bytes");
        }
    }

    [Theory]
    [InlineData(0x41)]
    [InlineData(0xC8)]
    [InlineData(0xD2)]
    public void Anything_but_a_literal_packet_is_refused(byte first) =>
        Assert.Throws<InvalidDataException>(() =>
        {
            ReadOnlySpan<byte> piece = [first, 3, 1, 2, 3];
            new LiteralPacket().TakeContent(ref piece);
        });
}
