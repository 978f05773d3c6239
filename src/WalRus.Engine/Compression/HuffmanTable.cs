namespace WalRus.Compression;

/// <summary>One canonical Huffman code of a deflate block (RFC 1951, section 3.2.2).</summary>
/// <remarks>Codes up to ten bits are looked up at once; longer ones, which are rare, are walked bit by bit.</remarks>
internal sealed class HuffmanTable(int mostSymbols)
{
    public const int LongestCode = 15;
    private const int QuickBits = 10;

    // Symbol << 4 | length; 0 where no code of up to ten bits begins like this.
    private readonly ushort[] quick = new ushort[1 << QuickBits];
    private readonly ushort[] countOfLength = new ushort[LongestCode + 1];
    private readonly ushort[] symbolsInOrder = new ushort[mostSymbols];

    /// <summary>Takes the code lengths of the symbols 0, 1, ...; 0 for one that does not occur.</summary>
    /// <returns>False when they are no prefix code: over-subscribed, or incomplete where that is not allowed.</returns>
    /// <param name="mayBeIncomplete">The format allows it for a single code of one bit and for no code at all.</param>
    public bool TryBuild(ReadOnlySpan<byte> lengths, bool mayBeIncomplete)
    {
        Array.Clear(countOfLength);
        foreach (var length in lengths)
        {
            countOfLength[length]++;
        }

        var used = lengths.Length - countOfLength[0];
        countOfLength[0] = 0;
        var left = 1;
        for (var length = 1; length <= LongestCode; length++)
        {
            left = (left << 1) - countOfLength[length];
            if (left < 0)
            {
                return false;
            }
        }

        if (left > 0 && !(mayBeIncomplete && (used == 0 || (used == 1 && countOfLength[1] == 1))))
        {
            return false;
        }

        Fill(lengths);
        return true;
    }

    /// <summary>Decodes the symbol that the lowest bits begin with.</summary>
    /// <param name="bits">The next bits, first in bit 0; zeros above what is known.</param>
    /// <param name="symbol">The symbol, or -1 when no code begins like this.</param>
    /// <returns>How many bits the code has; the answer counts only if that many bits are known.</returns>
    public int Decode(ulong bits, out int symbol)
    {
        var entry = quick[(int)(bits & ((1 << QuickBits) - 1))];
        if (entry != 0)
        {
            symbol = entry >> 4;
            return entry & 15;
        }

        return Walk(bits, out symbol);
    }

    private int Walk(ulong bits, out int symbol)
    {
        int code = 0, first = 0, index = 0;
        for (var length = 1; length <= LongestCode; length++)
        {
            code |= (int)(bits & 1);
            bits >>= 1;
            var count = countOfLength[length];
            if (code - count < first)
            {
                symbol = symbolsInOrder[index + (code - first)];
                return length;
            }

            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }

        symbol = -1;
        return LongestCode;
    }

    private void Fill(ReadOnlySpan<byte> lengths)
    {
        Span<int> nextIndex = stackalloc int[LongestCode + 2];
        Span<int> nextCode = stackalloc int[LongestCode + 2];
        for (var length = 1; length <= LongestCode; length++)
        {
            nextIndex[length + 1] = nextIndex[length] + countOfLength[length];
            nextCode[length + 1] = (nextCode[length] + countOfLength[length]) << 1;
        }

        Array.Clear(quick);
        for (var symbol = 0; symbol < lengths.Length; symbol++)
        {
            int length = lengths[symbol];
            if (length == 0)
            {
                continue;
            }

            symbolsInOrder[nextIndex[length]++] = (ushort)symbol;
            var code = nextCode[length]++;
            if (length <= QuickBits)
            {
                // Deflate sends a code's highest bit first, so the table's index is the code reversed.
                for (var at = Reverse(code, length); at < quick.Length; at += 1 << length)
                {
                    quick[at] = (ushort)((symbol << 4) | length);
                }
            }
        }
    }

    private static int Reverse(int code, int length)
    {
        var reversed = 0;
        for (; length > 0; length--)
        {
            reversed = (reversed << 1) | (code & 1);
            code >>= 1;
        }

        return reversed;
    }
}
