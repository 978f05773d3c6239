namespace WalRus.Encryption;

/// <summary>
/// Cuts a byte stream into OpenPGP packets (RFC 4880, section 4.2): both formats of headers and partial body lengths.
/// </summary>
internal sealed class OpenPgpPackets
{
    public const int EncryptedDataTag = 18;
    public const int CompressedTag = 8;
    public const int LiteralTag = 11;

    private State state;
    private long left;
    private bool partial;
    private bool toTheEnd;
    private bool shortForm;
    private int lengthBytes;

    private enum State
    {
        Header,
        FirstLengthByte,
        LengthBytes,
        Body,
    }

    /// <summary>What kind the packet is that was entered last.</summary>
    public int Tag { get; private set; }

    /// <summary>How many packets were entered.</summary>
    public int Count { get; private set; }

    /// <summary>Whether the stream may end here.</summary>
    public bool IsBetweenPackets => state == State.Header || (state == State.Body && toTheEnd);

    /// <summary>Takes input up to the end of the next piece of a body. False when the input is used up.</summary>
    /// <param name="input">Shortened by what was taken.</param>
    /// <param name="body">A piece of the body of the packet that <see cref="Tag"/> and <see cref="Count"/> now tell of.</param>
    /// <exception cref="InvalidDataException">It is not a packet.</exception>
    public bool TryTakeBody(ref ReadOnlySpan<byte> input, out ReadOnlySpan<byte> body)
    {
        while (!input.IsEmpty)
        {
            if (state == State.Body)
            {
                var length = toTheEnd ? input.Length : (int)Math.Min(left, input.Length);
                body = input[..length];
                input = input[length..];
                left -= length;
                EndPiece();
                return true;
            }

            var value = input[0];
            input = input[1..];
            TakeHeaderByte(value);
        }

        body = [];
        return false;
    }

    private void TakeHeaderByte(byte value)
    {
        switch (state)
        {
            case State.Header:
                BeginPacket(value);
                break;
            case State.FirstLengthByte:
                BeginLength(value);
                break;
            default:
                left = (left << 8) | value;
                if (--lengthBytes == 0)
                {
                    BeginBody();
                }

                break;
        }
    }

    private void BeginPacket(byte value)
    {
        if ((value & 0x80) == 0)
        {
            throw new InvalidDataException("there are bytes that are no OpenPGP packet");
        }

        Count++;
        (left, partial, toTheEnd) = (0, false, false);
        if ((value & 0x40) != 0)
        {
            Tag = value & 0x3F;
            state = State.FirstLengthByte;
            return;
        }

        Tag = (value >> 2) & 0x0F;
        toTheEnd = (value & 3) == 3;
        lengthBytes = 1 << (value & 3);
        state = toTheEnd ? State.Body : State.LengthBytes;
    }

    private void BeginLength(byte value)
    {
        partial = value is >= 224 and < 255;
        switch (value)
        {
            case < 192:
                left = value;
                BeginBody();
                break;
            case < 224:
                // ((first - 192) << 8) + second + 192
                left = value - 192;
                lengthBytes = 1;
                state = State.LengthBytes;
                shortForm = true;
                break;
            case < 255:
                left = 1L << (value & 0x1F);
                BeginBody();
                break;
            default:
                left = 0;
                lengthBytes = 4;
                state = State.LengthBytes;
                break;
        }
    }

    private void BeginBody()
    {
        if (shortForm)
        {
            left += 192;
            shortForm = false;
        }

        state = State.Body;
        EndPiece();
    }

    private void EndPiece()
    {
        if (left == 0 && !toTheEnd)
        {
            state = partial ? State.FirstLengthByte : State.Header;
        }
    }
}
