namespace WalRus.WalG;

/// <summary>
/// The relations of one database, for partial restores. From <see cref="FilesMetadataWriter.BeginDatabase"/>. What has an
/// inheritance parent is written right after its top-level ancestor, as wal-g nests it.
/// </summary>
public sealed class DatabaseTablesWriter : IDisposable
{
    private const int BufferBytes = 32 * 1024;

    private readonly FilesMetadataWriter owner;
    private readonly SpoolChain chain;
    private bool hasTable;
    private bool hasSubtable;
    private bool isBroken;
    private bool isDisposed;

    internal DatabaseTablesWriter(FilesMetadataWriter owner, SpoolFile spool, string name, uint oid)
    {
        this.owner = owner;
        chain = new SpoolChain(spool, BufferBytes);
        chain.Json.WriteStartObject(name);
        chain.Json.WriteNumber("oid", oid);
    }

    /// <summary>Adds a relation without a parent.</summary>
    /// <param name="name">"schema.name".</param>
    /// <param name="fileNode">Its relfilenode; 0 for a partitioned table.</param>
    public void AddTable(string name, uint oid, uint fileNode)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        isBroken = true;
        EndTable();
        if (!hasTable)
        {
            chain.Json.WriteStartObject("tables_new");
            hasTable = true;
        }

        WriteMembers(name, oid, fileNode);
        isBroken = false;
    }

    /// <summary>Adds a descendant, of whatever level, of the last table added.</summary>
    /// <exception cref="InvalidOperationException">No table was added yet.</exception>
    public void AddSubtable(string name, uint oid, uint fileNode)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        if (!hasTable)
        {
            throw new InvalidOperationException("A subtable comes after its table.");
        }

        isBroken = true;
        if (!hasSubtable)
        {
            chain.Json.WriteStartObject("subtables");
            hasSubtable = true;
        }

        WriteMembers(name, oid, fileNode);
        chain.Json.WriteEndObject();
        isBroken = false;
    }

    /// <summary>Ends the database.</summary>
    public void Dispose()
    {
        if (isDisposed)
        {
            return;
        }

        isDisposed = true;
        try
        {
            owner.EndDatabase(chain, WriteEnd, isWhole: !isBroken);
        }
        finally
        {
            chain.Dispose();
        }
    }

    private void WriteMembers(string name, uint oid, uint fileNode)
    {
        chain.Json.WriteStartObject(name);
        chain.Json.WriteNumber("oid", oid);
        chain.Json.WriteNumber("relfilenode", fileNode);
    }

    private void EndTable()
    {
        if (hasSubtable)
        {
            chain.Json.WriteEndObject();
            hasSubtable = false;
        }

        if (hasTable)
        {
            chain.Json.WriteEndObject();
        }
    }

    private void WriteEnd()
    {
        EndTable();
        if (hasTable)
        {
            chain.Json.WriteEndObject();
        }

        chain.Json.WriteEndObject();
    }
}
