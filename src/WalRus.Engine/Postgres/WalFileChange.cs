using System.Buffers.Binary;

namespace WalRus.Postgres;

/// <summary>What a record does to files beside changing blocks of them.</summary>
public enum WalFileChangeKind
{
    /// <summary>A relation's fork was made: a file of that name before it was another one.</summary>
    Created,

    /// <summary>A relation was cut off at a block; what grows there again need not all be in records.</summary>
    Truncated,

    /// <summary>A relation's files, all forks of them, were removed.</summary>
    Removed,

    /// <summary>A database's folder was made from another one's, file by file: no record tells of their blocks.</summary>
    DatabaseCopied,

    /// <summary>A database's folder was made; records tell of each file in it.</summary>
    DatabaseCreated,

    DatabaseRemoved,
}

/// <param name="Kind">What was done.</param>
/// <param name="Relation">To what; <see cref="RelationFileNode.FileNode"/> is 0 when it is a database's folder in a tablespace.</param>
/// <param name="Fork">To which fork; 0 (main) where all are meant.</param>
/// <param name="Block">The first block that is another from then on: where a truncation cut, else 0.</param>
public readonly record struct WalFileChange(WalFileChangeKind Kind, RelationFileNode Relation, byte Fork = 0, uint Block = 0);

/// <summary>
/// Finds what records do to files beside the blocks they refer to. Source: PostgreSQL's storage_xlog.h, dbcommands_xlog.h,
/// xact.h and xlog_internal.h, versions 13 to 18.
/// </summary>
public static class WalFileChangeDecoder
{
    // The high half of a record's info.
    private const byte StorageCreate = 0x10;
    private const byte StorageTruncate = 0x20;
    private const byte DatabaseCreate = 0x00;
    private const byte SecondOfDatabase = 0x10;
    private const byte ThirdOfDatabase = 0x20;
    private const byte ParameterChange = 0x60;
    private const byte TransactionHasInfo = 0x80;

    private const int TruncatesMain = 0x0001;
    private const int NodeBytes = 12;

    /// <summary>Version 15, where the second kind of record about databases became the third.</summary>
    private const ushort FirstMagicWithStrategies = 0xD110;

    /// <summary>How much of a record's body this needs: all of those that may tell something, else nothing.</summary>
    public static int BytesWanted(WalRecordHeader header) => IsWanted(header) ? int.MaxValue : 0;

    /// <summary>
    /// True for the record of a server that was started with wal_level = minimal: from there on, files may have changed without
    /// any record, and no archive holds it all.
    /// </summary>
    public static bool EndsCompleteWal(in WalRecord record, int dataOffset) =>
        record.Header.ResourceManager == WalResourceManager.XLog && (record.Header.Info & 0xF0) == ParameterChange
        && !(dataOffset + 24 <= record.Body.Length && BinaryPrimitives.ReadInt32LittleEndian(record.Body[(dataOffset + 20)..]) > 0);

    /// <summary>Appends what a record does.</summary>
    /// <param name="record">Its body is kept as <see cref="BytesWanted"/> asks.</param>
    /// <param name="dataOffset"><see cref="WalRecordContent.DataOffset"/>.</param>
    /// <param name="take">Called for each.</param>
    /// <returns>False for a record that should tell something and cannot be read, or was not kept whole.</returns>
    public static bool TryDecode(in WalRecord record, int dataOffset, Action<WalFileChange> take)
    {
        if (!IsWanted(record.Header))
        {
            return true;
        }

        if (record.Body.Length < record.Header.TotalLength - WalRecordHeader.Length)
        {
            return false;
        }

        var data = record.Body[dataOffset..];
        return record.Header.ResourceManager switch
        {
            WalResourceManager.Storage => TryStorage(record.Header.Info, data, take),
            WalResourceManager.Database => TryDatabase(record, data, take),
            WalResourceManager.Transaction => TryTransaction(data, take),
            _ => true,
        };
    }

    private static bool IsWanted(WalRecordHeader header) => header.ResourceManager switch
    {
        WalResourceManager.Storage or WalResourceManager.Database => true,
        WalResourceManager.Transaction => (header.Info & TransactionHasInfo) != 0 && IsTransactionEnd(header.Info),
        WalResourceManager.XLog => (header.Info & 0xF0) == ParameterChange,
        _ => false,
    };

    private static bool IsTransactionEnd(byte info) => (info & 0x70) is 0x00 or 0x20 or 0x30 or 0x40;

    private static bool TryStorage(byte info, ReadOnlySpan<byte> data, Action<WalFileChange> take)
    {
        const int LengthOfCreate = NodeBytes + sizeof(int);
        const int LengthOfTruncate = sizeof(uint) + NodeBytes + sizeof(int);
        switch (info & 0xF0)
        {
            case StorageCreate when data.Length >= LengthOfCreate:
                take(new WalFileChange(WalFileChangeKind.Created, Node(data), data[NodeBytes]));
                return true;
            case StorageTruncate when data.Length >= LengthOfTruncate:
                // The free space and visibility maps are cut off with it, at blocks of their own.
                if ((BinaryPrimitives.ReadInt32LittleEndian(data[(sizeof(uint) + NodeBytes)..]) & TruncatesMain) != 0)
                {
                    take(new WalFileChange(
                        WalFileChangeKind.Truncated, Node(data[sizeof(uint)..]), 0, BinaryPrimitives.ReadUInt32LittleEndian(data)));
                }

                return true;
            default:
                return false;
        }
    }

    private static bool TryDatabase(in WalRecord record, ReadOnlySpan<byte> data, Action<WalFileChange> take)
    {
        var hasStrategies = record.PageMagic >= FirstMagicWithStrategies;
        switch (record.Header.Info & 0xF0)
        {
            case DatabaseCreate when data.Length >= 4 * sizeof(uint):
                take(new WalFileChange(WalFileChangeKind.DatabaseCopied, Folder(data)));
                return true;
            case SecondOfDatabase when hasStrategies && data.Length >= 2 * sizeof(uint):
                take(new WalFileChange(WalFileChangeKind.DatabaseCreated, Folder(data)));
                return true;
            case SecondOfDatabase when !hasStrategies:
            case ThirdOfDatabase when hasStrategies:
                return TryDrop(data, take);
            default:
                return false;
        }
    }

    private static bool TryDrop(ReadOnlySpan<byte> data, Action<WalFileChange> take)
    {
        if (data.Length < 8 || BinaryPrimitives.ReadUInt32LittleEndian(data[4..]) is var count && count > (data.Length - 8) / sizeof(uint))
        {
            return false;
        }

        var database = BinaryPrimitives.ReadUInt32LittleEndian(data);
        for (data = data[8..]; count > 0; count--, data = data[sizeof(uint)..])
        {
            take(new WalFileChange(
                WalFileChangeKind.DatabaseRemoved, new RelationFileNode(BinaryPrimitives.ReadUInt32LittleEndian(data), database, 0)));
        }

        return true;
    }

    private static bool TryTransaction(ReadOnlySpan<byte> data, Action<WalFileChange> take)
    {
        if (!TransactionLists.TryFindRelations(data, out var relations))
        {
            return false;
        }

        for (; !relations.IsEmpty; relations = relations[NodeBytes..])
        {
            take(new WalFileChange(WalFileChangeKind.Removed, Node(relations)));
        }

        return true;
    }

    /// <summary>These records have the database first.</summary>
    private static RelationFileNode Folder(ReadOnlySpan<byte> data) => new(
        BinaryPrimitives.ReadUInt32LittleEndian(data[sizeof(uint)..]), BinaryPrimitives.ReadUInt32LittleEndian(data), 0);

    private static RelationFileNode Node(ReadOnlySpan<byte> data) => new(
        BinaryPrimitives.ReadUInt32LittleEndian(data),
        BinaryPrimitives.ReadUInt32LittleEndian(data[4..]),
        BinaryPrimitives.ReadUInt32LittleEndian(data[8..]));
}
