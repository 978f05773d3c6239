namespace WalRus.Encryption;

/// <summary>
/// Takes the content out of the one literal packet that an OpenPGP message of wal-g's holds, to the byte: wal-g marks it
/// as text, and gpg, left to do this, would leave out every carriage return.
/// </summary>
internal sealed class LiteralPacket
{
    private const int DateBytes = 4;
    private readonly OpenPgpPackets packets = new();
    private int headerBytesSeen;
    private int headerBytes = 2;

    /// <summary>Whether the packet was there and ended.</summary>
    public bool IsWhole => packets is { Count: 1, IsBetweenPackets: true } && headerBytesSeen == headerBytes;

    /// <summary>Takes input until some content comes or the input is used up.</summary>
    /// <exception cref="InvalidDataException">It is something else.</exception>
    public ReadOnlySpan<byte> TakeContent(ref ReadOnlySpan<byte> input)
    {
        while (packets.TryTakeBody(ref input, out var body))
        {
            if (packets.Count > 1 || packets.Tag != OpenPgpPackets.LiteralTag)
            {
                throw new InvalidDataException(packets.Tag == OpenPgpPackets.CompressedTag
                    ? "it is compressed by OpenPGP itself, which WalRus and wal-g never do"
                    : "it holds something else than one literal packet");
            }

            for (; headerBytesSeen < headerBytes && !body.IsEmpty; body = body[1..])
            {
                if (++headerBytesSeen == 2)
                {
                    // Format, length of the file name, the file name, date.
                    headerBytes += body[0] + DateBytes;
                }
            }

            if (!body.IsEmpty)
            {
                return body;
            }
        }

        return [];
    }
}
