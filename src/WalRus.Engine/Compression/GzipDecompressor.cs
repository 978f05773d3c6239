namespace WalRus.Compression;

/// <summary>Reads gzip (RFC 1952): any number of members, each with its length and CRC-32 verified.</summary>
internal sealed class GzipDecompressor : Decompressor
{
    private const byte HeaderChecksumFlag = 0x02;
    private const byte ExtraFlag = 0x04;
    private const byte NameFlag = 0x08;
    private const byte CommentFlag = 0x10;
    private const byte ReservedFlags = 0xE0;
    private const int FixedHeaderBytes = 10;
    private const int TrailerBytes = 8;

    private readonly Inflater inflater = new();
    private Part part;
    private int at;
    private byte flags;
    private int extraLeft;
    private uint headerCrc;
    private uint contentCrc;
    private uint contentBytes;
    private ulong collected;

    private enum Part
    {
        FixedHeader,
        ExtraLength,
        Extra,
        Name,
        Comment,
        HeaderChecksum,
        Content,
        Trailer,
    }

    public override string Method => "gzip";

    public override bool TakesManyFrames => true;

    public override void Begin()
    {
        inflater.DropBits();
        BeginMember();
    }

    public override bool Decompress(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written)
    {
        var rest = input;
        written = 0;
        var memberEnded = false;
        if (ReadHeader(ref rest))
        {
            if (part == Part.Content)
            {
                written = InflateContent(ref rest, output);
            }

            memberEnded = part == Part.Trailer && ReadTrailer(ref rest);
        }

        consumed = input.Length - rest.Length;
        return memberEnded;
    }

    public override void Dispose()
    {
    }

    private void BeginMember()
    {
        (part, at, headerCrc, contentCrc, contentBytes, collected) = (Part.FixedHeader, 0, 0, 0, 0, 0);
        inflater.Begin();
    }

    private bool ReadHeader(ref ReadOnlySpan<byte> input)
    {
        while (part < Part.Content)
        {
            if (!inflater.TryTakeByte(ref input, out var value))
            {
                return false;
            }

            if (part != Part.HeaderChecksum)
            {
                headerCrc = Crc32.Append(headerCrc, [value]);
            }

            TakeHeaderByte(value);
        }

        return true;
    }

    private void TakeHeaderByte(byte value)
    {
        switch (part)
        {
            case Part.FixedHeader:
                CheckFixedByte(value);
                if (++at == FixedHeaderBytes)
                {
                    Enter(Part.ExtraLength);
                }

                break;
            case Part.ExtraLength:
                extraLeft |= value << (8 * at);
                if (++at == 2)
                {
                    Enter(extraLeft == 0 ? Part.Name : Part.Extra);
                }

                break;
            case Part.Extra:
                if (--extraLeft == 0)
                {
                    Enter(Part.Name);
                }

                break;
            case Part.Name or Part.Comment:
                if (value == 0)
                {
                    Enter(part + 1);
                }

                break;
            default:
                collected |= (ulong)value << (8 * at);
                if (++at == 2)
                {
                    Require(collected == (headerCrc & 0xFFFF), "its header's checksum is wrong");
                    Enter(Part.Content);
                }

                break;
        }
    }

    private void CheckFixedByte(byte value)
    {
        switch (at)
        {
            case 0:
                Require(value == 0x1F, "it is not gzip data");
                break;
            case 1:
                Require(value == 0x8B, "it is not gzip data");
                break;
            case 2:
                Require(value == 8, "its method is not deflate");
                break;
            case 3:
                Require((value & ReservedFlags) == 0, "its header has unknown flags");
                flags = value;
                break;
        }
    }

    /// <summary>Goes to the next part of the header that the flags say is there.</summary>
    private void Enter(Part next)
    {
        (at, collected) = (0, 0);
        var wanted = next switch
        {
            Part.ExtraLength => ExtraFlag,
            Part.Name => NameFlag,
            Part.Comment => CommentFlag,
            Part.HeaderChecksum => HeaderChecksumFlag,
            _ => 0,
        };
        if (next == Part.ExtraLength)
        {
            extraLeft = 0;
        }

        if (wanted == 0 || (flags & wanted) != 0)
        {
            part = next;
            return;
        }

        Enter(next == Part.ExtraLength ? Part.Name : next + 1);
    }

    private int InflateContent(ref ReadOnlySpan<byte> input, Span<byte> output)
    {
        try
        {
            var written = inflater.Inflate(ref input, output);
            contentCrc = Crc32.Append(contentCrc, output[..written]);
            contentBytes += (uint)written;
            if (inflater.IsDone)
            {
                Enter(Part.Trailer);
            }

            return written;
        }
        catch (InvalidDataException invalid)
        {
            throw CorruptData.Damaged(Method, invalid.Message, invalid);
        }
    }

    private bool ReadTrailer(ref ReadOnlySpan<byte> input)
    {
        while (at < TrailerBytes)
        {
            if (!inflater.TryTakeByte(ref input, out var value))
            {
                return false;
            }

            collected |= (ulong)value << (8 * at++);
        }

        Require((uint)collected == contentCrc, "its checksum is wrong");
        Require((uint)(collected >> 32) == contentBytes, "its length is wrong");
        BeginMember();
        return true;
    }

    private void Require(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw CorruptData.Damaged(Method, otherwise);
        }
    }
}
