using System.Buffers.Binary;

namespace WalRus.Postgres;

/// <summary>
/// A record's body taken apart: the blocks it changes and its own data. Source: PostgreSQL's xlogrecord.h and xlogreader.c
/// (DecodeXLogRecord), versions 13 to 18. Made once and used again for each record; not thread-safe.
/// </summary>
public sealed class WalRecordContent
{
    /// <summary>So many bytes of a body hold the headers of any record: 33 blocks, origin, transaction, length of the data.</summary>
    public const int HeaderBytes = 1024;

    internal const byte ShortData = 255;
    internal const byte LongData = 254;
    internal const byte Origin = 253;

    /// <summary>Since version 14.</summary>
    internal const byte TopLevelXid = 252;

    private const int MaxBlocks = 33;

    private const byte ForkMask = 0x0F;
    private const byte HasImage = 0x10;
    private const byte HasData = 0x20;
    private const byte SameRelation = 0x80;
    private const byte HasHole = 0x01;

    /// <summary>Version 15, which says in three bits with what an image is compressed; before it was one, another.</summary>
    private const ushort FirstMagicWithMethods = 0xD110;

    private readonly WalBlockReference[] blocks = new WalBlockReference[MaxBlocks];
    private int blockCount;

    /// <summary>The blocks of the last record, in its order.</summary>
    public ReadOnlySpan<WalBlockReference> Blocks => blocks.AsSpan(0, blockCount);

    /// <summary>Where the record's own data starts in its body; it ends with the body.</summary>
    public int DataOffset { get; private set; }

    /// <summary>Takes a record apart.</summary>
    /// <param name="record">At least <see cref="HeaderBytes"/> of its body are kept, or all there are.</param>
    /// <returns>False for a body that no known version writes: whoever needs the blocks must not go on.</returns>
    public bool TryRead(in WalRecord record)
    {
        blockCount = 0;
        var reader = new HeaderReader
        {
            Rest = record.Body,
            Left = record.Header.TotalLength - WalRecordHeader.Length,
            HasMethods = record.PageMagic >= FirstMagicWithMethods,
        };
        var last = -1;
        while (reader.Left > 0)
        {
            if (!reader.TryByte(out var id))
            {
                return false;
            }

            var isRead = id switch
            {
                ShortData => reader.TryByte(out var length) && reader.TryAnnounce(length),
                LongData => reader.TryNumber(out var length) && reader.TryAnnounce(length),
                Origin => reader.TrySkip(sizeof(ushort)),
                TopLevelXid => reader.TrySkip(sizeof(uint)),
                < MaxBlocks when id > last => TryBlock(ref reader, id, ref last),
                _ => false,
            };
            if (!isRead)
            {
                return false;
            }
        }

        // What was announced makes up the rest, to the byte: images and data of the blocks, then the record's own.
        DataOffset = (int)(record.Header.TotalLength - WalRecordHeader.Length - reader.OwnData);
        return true;
    }

    private bool TryBlock(ref HeaderReader reader, byte id, ref int last)
    {
        if (!reader.TryByte(out var flags) || !reader.TryShort(out var dataLength)
            || ((flags & HasData) != 0) != (dataLength > 0) || !reader.TryAnnounceOfBlock(dataLength)
            || ((flags & HasImage) != 0 && !TryImage(ref reader)))
        {
            return false;
        }

        RelationFileNode relation;
        if ((flags & SameRelation) == 0)
        {
            if (!reader.TryNumber(out var tablespace) || !reader.TryNumber(out var database) || !reader.TryNumber(out var node))
            {
                return false;
            }

            relation = new RelationFileNode(tablespace, database, node);
        }
        else if (blockCount > 0)
        {
            relation = blocks[blockCount - 1].Relation;
        }
        else
        {
            return false;
        }

        if (!reader.TryNumber(out var block))
        {
            return false;
        }

        last = id;
        blocks[blockCount++] = new WalBlockReference(relation, (byte)(flags & ForkMask), block);
        return true;
    }

    private static bool TryImage(ref HeaderReader reader)
    {
        if (!reader.TryShort(out var length) || !reader.TryShort(out var holeOffset) || !reader.TryByte(out var info)
            || !reader.TryAnnounceOfBlock(length))
        {
            return false;
        }

        var hasHole = (info & HasHole) != 0;
        var isCompressed = (info & (reader.HasMethods ? 0x1C : 0x02)) != 0;
        ushort holeLength = 0;
        if (hasHole && isCompressed && !reader.TryShort(out holeLength))
        {
            return false;
        }

        // Only a compressed image states the length of its hole; else it is what the image lacks to a page.
        return hasHole ? holeOffset > 0 && (!isCompressed || holeLength > 0) : holeOffset == 0;
    }

    private ref struct HeaderReader
    {
        public ReadOnlySpan<byte> Rest;

        /// <summary>Bytes of the body that were neither read as headers nor announced by them.</summary>
        public uint Left;

        public uint OwnData;
        public bool HasMethods;

        public bool TryByte(out byte value)
        {
            value = Rest.IsEmpty ? (byte)0 : Rest[0];
            return TrySkip(sizeof(byte));
        }

        public bool TryShort(out ushort value)
        {
            value = Rest.Length < sizeof(ushort) ? (ushort)0 : BinaryPrimitives.ReadUInt16LittleEndian(Rest);
            return TrySkip(sizeof(ushort));
        }

        public bool TryNumber(out uint value)
        {
            value = Rest.Length < sizeof(uint) ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(Rest);
            return TrySkip(sizeof(uint));
        }

        public bool TrySkip(int count)
        {
            if (Rest.Length < count || Left < count)
            {
                return false;
            }

            Rest = Rest[count..];
            Left -= (uint)count;
            return true;
        }

        public bool TryAnnounceOfBlock(uint count)
        {
            var isThere = count <= Left;
            Left -= isThere ? count : 0;
            return isThere;
        }

        /// <summary>The record's own data ends the headers.</summary>
        public bool TryAnnounce(uint count)
        {
            OwnData = count;
            return TryAnnounceOfBlock(count) && Left == 0;
        }
    }
}
