namespace WalRus.Postgres;

/// <summary>
/// Where a relation's files are, as WAL records name it. Source: PostgreSQL's relfilenode.h (RelFileNode), since version 16
/// relfilelocator.h (RelFileLocator): three numbers of four bytes.
/// </summary>
/// <param name="Tablespace">OID of the tablespace, 1663 for pg_default.</param>
/// <param name="Database">OID of the database, 0 for a shared relation.</param>
/// <param name="FileNode">The relation's file number; 0 where a record is about a whole database.</param>
public readonly record struct RelationFileNode(uint Tablespace, uint Database, uint FileNode)
{
    /// <summary>As pg_waldump prints it for a block: "1663/5/16384".</summary>
    public override string ToString() => FormattableString.Invariant($"{Tablespace}/{Database}/{FileNode}");
}

/// <summary>A block that a record changes.</summary>
/// <param name="Relation">Of which relation.</param>
/// <param name="Fork">0 main, 1 free space map, 2 visibility map, 3 initialization fork.</param>
/// <param name="Block">Its number in the fork, all of its files counted through.</param>
public readonly record struct WalBlockReference(RelationFileNode Relation, byte Fork, uint Block);
