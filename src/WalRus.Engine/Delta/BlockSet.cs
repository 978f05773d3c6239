using System.Numerics;

namespace WalRus.Delta;

/// <summary>
/// A set of the blocks of one relation segment: a bitmap of fixed size (16 KiB for the 131072 blocks of a usual segment),
/// made once a lane and used again for each file. Not thread-safe.
/// </summary>
public sealed class BlockSet
{
    private const int WordBits = 64;

    private readonly ulong[] words;

    /// <param name="capacity">Blocks of a whole segment file.</param>
    public BlockSet(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        Capacity = capacity;
        words = new ulong[(capacity + WordBits - 1) / WordBits];
    }

    /// <summary>Blocks of a whole segment file: numbers run from 0 to one less.</summary>
    public int Capacity { get; }

    /// <summary>How many blocks are in it. Counted at each call.</summary>
    public int Count
    {
        get
        {
            var count = 0;
            foreach (var word in words)
            {
                count += BitOperations.PopCount(word);
            }

            return count;
        }
    }

    public void Clear() => Array.Clear(words);

    /// <exception cref="ArgumentOutOfRangeException">No block of a segment.</exception>
    public void Add(int block)
    {
        Check(block);
        words[block / WordBits] |= 1UL << (block % WordBits);
    }

    /// <summary>Adds every block from this one to the end of the segment.</summary>
    public void AddFrom(int block)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(block);
        SetFrom(block, isIn: true);
    }

    public void Remove(int block)
    {
        Check(block);
        words[block / WordBits] &= ~(1UL << (block % WordBits));
    }

    /// <summary>Removes every block from this one on: those a file of this many blocks does not have.</summary>
    public void RemoveFrom(int block)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(block);
        SetFrom(block, isIn: false);
    }

    public bool Contains(int block) =>
        (uint)block < (uint)Capacity && (words[block / WordBits] & (1UL << (block % WordBits))) != 0;

    /// <summary>The first block in the set that is not below this one, which may be beyond the segment; -1 when there is none.</summary>
    public int Next(int block)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(block);
        for (var at = block / WordBits; at < words.Length; at++)
        {
            var word = at == block / WordBits ? words[at] & (ulong.MaxValue << (block % WordBits)) : words[at];
            if (word != 0)
            {
                return (at * WordBits) + BitOperations.TrailingZeroCount(word);
            }
        }

        return -1;
    }

    private void SetFrom(int block, bool isIn)
    {
        for (; block < Capacity && block % WordBits != 0; block++)
        {
            words[block / WordBits] = isIn
                ? words[block / WordBits] | (1UL << (block % WordBits))
                : words[block / WordBits] & ~(1UL << (block % WordBits));
        }

        if (block < Capacity)
        {
            Array.Fill(words, isIn ? ulong.MaxValue : 0, block / WordBits, words.Length - (block / WordBits));
            var beyond = Capacity % WordBits;
            words[^1] &= beyond == 0 ? ulong.MaxValue : (1UL << beyond) - 1;
        }
    }

    private void Check(int block)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(block);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(block, Capacity);
    }
}
