using System.Buffers.Binary;

namespace WalRus.Compression;

/// <summary>
/// Undoes deflate (RFC 1951) in pieces of any size. Written here since .NET's own decompressing streams take a
/// truncated source for a whole one and do not tell where the data ended.
/// </summary>
internal sealed class Inflater
{
    private const int WindowBytes = 32 * 1024;
    private const int LongestMatch = 258;
    private const int EndOfBlock = 256;

    // What was produced: at least the last 32 KiB of it, which matches refer to.
    private readonly byte[] history = new byte[3 * WindowBytes];
    private readonly HuffmanTable literals = new(DeflateTables.LiteralSymbols);
    private readonly HuffmanTable distances = new(DeflateTables.DistanceSymbols);
    private readonly HuffmanTable lengthCodes = new(DeflateTables.LengthCodeSymbols);
    private readonly byte[] codeLengths = new byte[DeflateTables.LiteralSymbols + DeflateTables.DistanceSymbols];
    private State state;
    private int produced;
    private int delivered;
    private ulong bits;
    private int bitCount;
    private bool lastBlock;
    private int storedLeft;
    private int literalCount;
    private int distanceCount;
    private int lengthCodeCount;
    private int lengthsRead;

    private enum State
    {
        BlockHeader,
        StoredLength,
        StoredBytes,
        DynamicCounts,
        DynamicLengthCodes,
        DynamicLengths,
        Symbols,
        Done,
    }

    /// <summary>All of the data was produced and given; what follows it can be taken with <see cref="TryTakeByte"/>.</summary>
    public bool IsDone => state == State.Done && delivered == produced;

    /// <summary>Begins new data; bits read ahead of it are kept.</summary>
    public void Begin()
    {
        state = State.BlockHeader;
        produced = delivered = 0;
        lastBlock = false;
    }

    /// <summary>Forgets what was read ahead.</summary>
    public void DropBits() => (bits, bitCount) = (0, 0);

    /// <summary>Gives output until it is full, the input is used up, or the data is done.</summary>
    /// <exception cref="InvalidDataException">It is not deflate data.</exception>
    public int Inflate(ref ReadOnlySpan<byte> input, Span<byte> output)
    {
        var written = 0;
        var goesOn = true;
        while (true)
        {
            var given = Math.Min(produced - delivered, output.Length - written);
            history.AsSpan(delivered, given).CopyTo(output[written..]);
            delivered += given;
            written += given;
            if (written == output.Length || !goesOn || state == State.Done)
            {
                return written;
            }

            SlideWindow();
            goesOn = Produce(ref input);
        }
    }

    /// <summary>Takes a byte that follows the data, from what was read ahead first.</summary>
    public bool TryTakeByte(ref ReadOnlySpan<byte> input, out byte value)
    {
        Take(bitCount & 7);
        if (bitCount == 0 && input.IsEmpty)
        {
            value = 0;
            return false;
        }

        if (bitCount == 0)
        {
            value = input[0];
            input = input[1..];
            return true;
        }

        value = (byte)Take(8);
        return true;
    }

    private static InvalidDataException Invalid(string reason) => new(reason);

    private void SlideWindow()
    {
        if (produced > 2 * WindowBytes)
        {
            history.AsSpan(produced - WindowBytes, WindowBytes).CopyTo(history);
            produced = delivered = WindowBytes;
        }
    }

    /// <summary>False when it needs more input; true when it needs room or is done.</summary>
    private bool Produce(ref ReadOnlySpan<byte> input)
    {
        while (state != State.Done)
        {
            if (produced > history.Length - LongestMatch)
            {
                return true;
            }

            var advanced = state switch
            {
                State.BlockHeader => ReadBlockHeader(ref input),
                State.StoredLength => ReadStoredLength(ref input),
                State.StoredBytes => CopyStored(ref input),
                State.DynamicCounts => ReadDynamicCounts(ref input),
                State.DynamicLengthCodes => ReadLengthCodes(ref input),
                State.DynamicLengths => ReadLengths(ref input),
                _ => ReadSymbols(ref input),
            };
            if (!advanced)
            {
                return false;
            }
        }

        return true;
    }

    private bool ReadBlockHeader(ref ReadOnlySpan<byte> input)
    {
        if (!Has(3, ref input))
        {
            return false;
        }

        lastBlock = Take(1) == 1;
        switch (Take(2))
        {
            case 0:
                state = State.StoredLength;
                break;
            case 1:
                literals.TryBuild(DeflateTables.FixedLiteralLengths, false);
                distances.TryBuild(DeflateTables.FixedDistanceLengths, false);
                state = State.Symbols;
                break;
            case 2:
                state = State.DynamicCounts;
                break;
            default:
                throw Invalid("it has a block of a kind that does not exist");
        }

        return true;
    }

    private bool ReadStoredLength(ref ReadOnlySpan<byte> input)
    {
        var padding = bitCount & 7;
        if (!Has(padding + 32, ref input))
        {
            return false;
        }

        Take(bitCount & 7);
        var length = (int)Take(16);
        if (length != (Take(16) ^ 0xFFFF))
        {
            throw Invalid("the two lengths of a stored block differ");
        }

        storedLeft = length;
        state = State.StoredBytes;
        return true;
    }

    private bool CopyStored(ref ReadOnlySpan<byte> input)
    {
        while (storedLeft > 0)
        {
            if (produced > history.Length - LongestMatch)
            {
                return true;
            }

            if (bitCount > 0)
            {
                history[produced++] = (byte)Take(8);
                storedLeft--;
                continue;
            }

            var count = Math.Min(storedLeft, Math.Min(input.Length, history.Length - produced));
            if (count == 0)
            {
                return false;
            }

            input[..count].CopyTo(history.AsSpan(produced));
            input = input[count..];
            produced += count;
            storedLeft -= count;
        }

        EndBlock();
        return true;
    }

    private bool ReadDynamicCounts(ref ReadOnlySpan<byte> input)
    {
        if (!Has(14, ref input))
        {
            return false;
        }

        literalCount = (int)Take(5) + 257;
        distanceCount = (int)Take(5) + 1;
        lengthCodeCount = (int)Take(4) + 4;
        if (literalCount > DeflateTables.UsableLiteralSymbols || distanceCount > DeflateTables.UsableDistanceSymbols)
        {
            throw Invalid("a block has more symbols than there are");
        }

        lengthsRead = 0;
        codeLengths.AsSpan(0, DeflateTables.LengthCodeSymbols).Clear();
        state = State.DynamicLengthCodes;
        return true;
    }

    private bool ReadLengthCodes(ref ReadOnlySpan<byte> input)
    {
        for (; lengthsRead < lengthCodeCount; lengthsRead++)
        {
            if (!Has(3, ref input))
            {
                return false;
            }

            codeLengths[DeflateTables.LengthCodeOrder[lengthsRead]] = (byte)Take(3);
        }

        if (!lengthCodes.TryBuild(codeLengths.AsSpan(0, DeflateTables.LengthCodeSymbols), false))
        {
            throw Invalid("the code of a block's code lengths is none");
        }

        lengthsRead = 0;
        state = State.DynamicLengths;
        return true;
    }

    private bool ReadLengths(ref ReadOnlySpan<byte> input)
    {
        var total = literalCount + distanceCount;
        while (lengthsRead < total)
        {
            Refill(ref input);
            var size = lengthCodes.Decode(bits, out var symbol);
            var extra = symbol < 16 ? 0 : symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
            if (size + extra > bitCount)
            {
                return false;
            }

            Take(size);
            RepeatLength(symbol, (int)Take(extra), total);
        }

        var usable = codeLengths[EndOfBlock] != 0
            && literals.TryBuild(codeLengths.AsSpan(0, literalCount), mayBeIncomplete: true)
            && distances.TryBuild(codeLengths.AsSpan(literalCount, distanceCount), mayBeIncomplete: true);
        if (!usable)
        {
            throw Invalid("a block's codes are none");
        }

        state = State.Symbols;
        return true;
    }

    private void RepeatLength(int symbol, int extra, int total)
    {
        if (symbol < 0)
        {
            throw Invalid("a code length is none");
        }

        if (symbol < 16)
        {
            codeLengths[lengthsRead++] = (byte)symbol;
            return;
        }

        var count = symbol == 18 ? 11 + extra : 3 + extra;
        if (lengthsRead + count > total || (symbol == 16 && lengthsRead == 0))
        {
            throw Invalid("a repeated code length has nothing to repeat, or too often");
        }

        var value = symbol == 16 ? codeLengths[lengthsRead - 1] : (byte)0;
        codeLengths.AsSpan(lengthsRead, count).Fill(value);
        lengthsRead += count;
    }

    private bool ReadSymbols(ref ReadOnlySpan<byte> input)
    {
        while (produced <= history.Length - LongestMatch)
        {
            Refill(ref input);
            var size = literals.Decode(bits, out var symbol);
            if (size > bitCount)
            {
                return false;
            }

            if (symbol > EndOfBlock)
            {
                if (!CopyMatch(size, symbol - EndOfBlock - 1))
                {
                    return false;
                }

                continue;
            }

            Take(size);
            switch (symbol)
            {
                case EndOfBlock:
                    EndBlock();
                    return true;
                case < 0:
                    throw Invalid("a symbol is none");
                default:
                    history[produced++] = (byte)symbol;
                    break;
            }
        }

        return true;
    }

    /// <summary>A match needs at most 48 bits, which one refill brings; nothing is taken unless all of it is there.</summary>
    private bool CopyMatch(int symbolBits, int lengthIndex)
    {
        if (lengthIndex >= DeflateTables.LengthBase.Length)
        {
            throw Invalid("a match has a length that does not exist");
        }

        var used = symbolBits;
        var lengthExtra = DeflateTables.LengthExtraBits[lengthIndex];
        var length = DeflateTables.LengthBase[lengthIndex] + (int)((bits >> used) & ((1u << lengthExtra) - 1));
        used += lengthExtra;
        used += distances.Decode(bits >> used, out var distanceIndex);
        if (used > bitCount)
        {
            return false;
        }

        if (distanceIndex < 0 || distanceIndex >= DeflateTables.DistanceBase.Length)
        {
            throw Invalid("a match has a distance that does not exist");
        }

        var distanceExtra = DeflateTables.DistanceExtraBits[distanceIndex];
        var distance = DeflateTables.DistanceBase[distanceIndex] + (int)((bits >> used) & ((1u << distanceExtra) - 1));
        used += distanceExtra;
        if (used > bitCount)
        {
            return false;
        }

        Take(used);
        CopyFromHistory(distance, length);
        return true;
    }

    private void CopyFromHistory(int distance, int length)
    {
        if (distance > produced)
        {
            throw Invalid("a match begins before the data");
        }

        var from = history.AsSpan(produced - distance, Math.Min(length, distance));
        var to = history.AsSpan(produced, length);
        if (distance >= length)
        {
            from.CopyTo(to);
        }
        else
        {
            for (var at = 0; at < length; at++)
            {
                to[at] = history[produced - distance + at];
            }
        }

        produced += length;
    }

    private void EndBlock() => state = lastBlock ? State.Done : State.BlockHeader;

    private bool Has(int count, ref ReadOnlySpan<byte> input)
    {
        if (bitCount < count)
        {
            Refill(ref input);
        }

        return bitCount >= count;
    }

    private uint Take(int count)
    {
        var value = (uint)(bits & ((1UL << count) - 1));
        bits >>= count;
        bitCount -= count;
        return value;
    }

    /// <summary>Fills up to 63 bits, so that what is read ahead is never more than the eight bytes that follow the data in gzip.</summary>
    private void Refill(ref ReadOnlySpan<byte> input)
    {
        if (input.Length >= 8)
        {
            var count = (63 - bitCount) >> 3;
            bits |= BinaryPrimitives.ReadUInt64LittleEndian(input) << bitCount;
            input = input[count..];
            bitCount += count * 8;
            bits &= (1UL << bitCount) - 1;
            return;
        }

        for (; bitCount <= 55 && !input.IsEmpty; bitCount += 8)
        {
            bits |= (ulong)input[0] << bitCount;
            input = input[1..];
        }
    }
}
