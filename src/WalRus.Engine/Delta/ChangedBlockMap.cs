using System.Numerics;
using System.Runtime.InteropServices;
using WalRus.Postgres;

namespace WalRus.Delta;

/// <summary>
/// Which blocks of which relations may have changed, in native memory of a fixed bound: 24 MiB, and as much again while it is
/// made coarser. Each 64 blocks with a change among them take 24 bytes. When there are more than 734,000 of those, a bit stands
/// for eight blocks instead of one, and so on; and in the end, with more relations than that, the map says nothing. So a map
/// that is full costs reading, never data.
/// </summary>
/// <remarks>Filled by one thread; then any number may ask.</remarks>
internal sealed unsafe class ChangedBlockMap : IDisposable
{
    internal const int UsualMaxSlots = 1 << 20;

    private const int FirstSlots = 1 << 12;
    private const int WordBits = 64;

    /// <summary>Eight times as many blocks a bit.</summary>
    private const int ShiftStep = 3;

    /// <summary>All blocks of a relation are in one word then.</summary>
    private const int MaxShift = 26;

    /// <summary>In place of a number of 64 blocks: the word is one more than the block from which on all are another.</summary>
    private const uint FromMark = uint.MaxValue;

    private readonly int maxSlots;
    private Slot* slots;
    private int slotCount;
    private int used;

    public ChangedBlockMap(int maxSlots = UsualMaxSlots)
    {
        this.maxSlots = maxSlots;
        slotCount = Math.Min(FirstSlots, maxSlots);
        slots = Allocate(slotCount);
    }

    ~ChangedBlockMap() => Free();

    /// <summary>How many blocks a bit stands for, as a power of two.</summary>
    public int Shift { get; private set; }

    /// <summary>True when there were too many relations: all have to be looked at.</summary>
    public bool IsEverything { get; private set; }

    public void Add(RelationFileNode relation, uint block)
    {
        var granule = block >> Shift;
        Or(new Key(relation, granule / WordBits), 1UL << (int)(granule % WordBits));
    }

    /// <summary>Every block of a relation from one on; file number 0 is a database's folder, whose files say nothing by their pages.</summary>
    public void AddFrom(RelationFileNode relation, uint block)
    {
        var key = new Key(relation, FromMark);
        if (!IsEverything && Find(slots, slotCount, key) is var slot && slot->Bits != 0)
        {
            slot->Bits = Math.Min(slot->Bits, block + 1UL);
        }
        else
        {
            Or(key, block + 1UL);
        }
    }

    public ChangedBlocks FindIn(RelationSegment segment, BlockSet candidates)
    {
        ObjectDisposedException.ThrowIf(slots is null && !IsEverything, this);
        if (IsEverything)
        {
            return ChangedBlocks.Unknown;
        }

        var relation = new RelationFileNode(segment.Tablespace, segment.Database, segment.FileNode);
        if (Get(new Key(relation with { FileNode = 0 }, FromMark)) != 0)
        {
            return ChangedBlocks.Replaced;
        }

        var first = (ulong)segment.Segment * (uint)candidates.Capacity;
        var end = first + (uint)candidates.Capacity;
        for (var word = first >> Shift >> 6; word <= (end - 1) >> Shift >> 6; word++)
        {
            for (var bits = Get(new Key(relation, (uint)word)); bits != 0; bits &= bits - 1)
            {
                var block = ((word * WordBits) + (uint)BitOperations.TrailingZeroCount(bits)) << Shift;
                AddRange(candidates, Math.Max(block, first), Math.Min(block + (1UL << Shift), end), first);
            }
        }

        if (Get(new Key(relation, FromMark)) is > 0 and var from && from - 1 < end)
        {
            candidates.AddFrom((int)(Math.Max(from - 1, first) - first));
        }

        return ChangedBlocks.Listed;
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private static void AddRange(BlockSet candidates, ulong from, ulong to, ulong first)
    {
        for (; from < to; from++)
        {
            candidates.Add((int)(from - first));
        }
    }

    private ulong Get(Key key) => Find(slots, slotCount, key)->Bits;

    private void Or(Key key, ulong bits)
    {
        if (IsEverything)
        {
            return;
        }

        var slot = Find(slots, slotCount, key);
        if (slot->Bits == 0)
        {
            slot->Key = key;
            used++;
        }

        slot->Bits |= bits;
        if (used > slotCount / 10 * 7)
        {
            Grow();
        }
    }

    private void Grow()
    {
        if (slotCount < maxSlots)
        {
            Rebuild(slotCount * 2, 0);
            return;
        }

        while (used > slotCount / 2)
        {
            if (Shift == MaxShift)
            {
                IsEverything = true;
                Free();
                return;
            }

            var step = Math.Min(ShiftStep, MaxShift - Shift);
            Shift += step;
            Rebuild(slotCount, step);
        }
    }

    /// <summary>Moves all into a new table, each bit standing for more blocks.</summary>
    private void Rebuild(int count, int step)
    {
        var rebuilt = Allocate(count);
        used = 0;
        for (var index = 0; index < slotCount; index++)
        {
            var (key, bits) = (slots[index].Key, slots[index].Bits);
            if (bits == 0)
            {
                continue;
            }

            if (step > 0 && key.Word != FromMark)
            {
                bits = Fold(bits, key.Word, step);
                key = key with { Word = key.Word >> step };
            }

            var slot = Find(rebuilt, count, key);
            used += slot->Bits == 0 ? 1 : 0;
            slot->Key = key;
            slot->Bits |= bits;
        }

        NativeMemory.Free(slots);
        slots = rebuilt;
        slotCount = count;
    }

    private static ulong Fold(ulong bits, uint word, int step)
    {
        ulong folded = 0;
        for (; bits != 0; bits &= bits - 1)
        {
            var granule = ((ulong)word * WordBits) + (uint)BitOperations.TrailingZeroCount(bits);
            folded |= 1UL << (int)((granule >> step) % WordBits);
        }

        return folded;
    }

    /// <summary>The key's slot, or the free one where it would be.</summary>
    private static Slot* Find(Slot* slots, int count, Key key)
    {
        var index = key.Hash() & (uint)(count - 1);
        while (slots[index].Bits != 0 && slots[index].Key != key)
        {
            index = (index + 1) & (uint)(count - 1);
        }

        return slots + index;
    }

    private static Slot* Allocate(int count) => (Slot*)NativeMemory.AllocZeroed((nuint)count, (nuint)sizeof(Slot));

    private void Free()
    {
        NativeMemory.Free(slots);
        slots = null;
    }

    private readonly record struct Key(RelationFileNode Relation, uint Word)
    {
        public uint Hash()
        {
            var high = (((ulong)Relation.FileNode << 32) | Word) * 0x9E3779B97F4A7C15;
            var low = (((ulong)Relation.Database << 32) | Relation.Tablespace) * 0xC2B2AE3D27D4EB4F;
            var mixed = (high ^ BitOperations.RotateLeft(low, 31)) * 0x165667B19E3779F9;
            return (uint)(mixed >> 32);
        }
    }

    private struct Slot
    {
        public Key Key;
        public ulong Bits;
    }
}
