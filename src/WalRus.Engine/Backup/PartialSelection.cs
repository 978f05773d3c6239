using System.Globalization;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>
/// The relations of a partial restore, gathered from a backup's list in several readings: its order is random, so what
/// belongs to a table may stand before it. Memory follows what is chosen, not what there is.
/// </summary>
internal sealed class PartialSelection(IReadOnlyList<RelationPattern> patterns)
{
    private const string ToastPrefix = "pg_toast.pg_toast_";
    private const string ToastIndexSuffix = "_index";

    private readonly Dictionary<string, Database> databases = new(StringComparer.Ordinal);
    private readonly HashSet<RelationPattern> matched = [];
    private readonly Dictionary<uint, Database> byOid = [];

    /// <summary>True when tables were named, and not databases alone.</summary>
    public bool HasTables => databases.Values.Any(database => database.HasTables);

    /// <summary>First reading: databases, the tables that patterns name, and where the catalogs are.</summary>
    public void TakeNamed(DatabaseTable relation)
    {
        if (!databases.TryGetValue(relation.Database, out var database))
        {
            database = new Database
            {
                IsWhole = Match(relation.Database, null),
                HasTables = patterns.Any(one => one.Table is not null && one.IsOfDatabase(relation.Database)),
            };
            databases.Add(relation.Database, database);
        }

        if (relation.Table is not { } table)
        {
            database.Oid = relation.Oid;
            return;
        }

        if (relation.Oid < PartialRestore.FirstUserOid)
        {
            // A catalog that was rewritten has a number like a user's table.
            if (relation.FileNode >= PartialRestore.FirstUserOid)
            {
                database.FileNodes.Add(relation.FileNode);
            }

            if (PartialRestore.IsNeeded(relation.Oid))
            {
                database.Catalogs[relation.FileNode] = relation.Oid;
            }
        }
        else if (database.HasTables && (Match(relation.Database, table) || (relation.Parent is { } parent && Match(relation.Database, parent))))
        {
            database.Relations.Add(relation.Oid);
        }
    }

    /// <exception cref="WalRusException"><see cref="ErrorCode.InvalidArgument"/>.</exception>
    public void ThrowIfUnmatched(BackupName backup)
    {
        foreach (var database in databases.Values)
        {
            byOid[database.Oid] = database;
        }

        if (databases.Count == 0)
        {
            throw new WalRusException(
                ErrorCode.InvalidArgument,
                $"Backup '{backup}' does not list its databases and tables, so it cannot be restored in part.",
                "Remote backups, WAL-RUS's, and those made with WALG_DISABLE_PARTIAL_RESTORE have no such list: restore the whole.");
        }

        if (patterns.FirstOrDefault(pattern => !matched.Contains(pattern)) is { } unmatched)
        {
            throw new WalRusException(
                ErrorCode.InvalidArgument,
                $"Backup '{backup}' has no '{unmatched.Text}'.",
                $"Its databases are: {string.Join(", ", databases.Keys.Order(StringComparer.Ordinal).Take(20))}.");
        }
    }

    /// <summary>Second reading: TOAST tables and their indexes, which are named by their table's oid.</summary>
    public void TakeToast(DatabaseTable relation)
    {
        if (relation.Table is { } table && table.StartsWith(ToastPrefix, StringComparison.Ordinal)
            && databases.GetValueOrDefault(relation.Database) is { HasTables: true } database)
        {
            var owner = table.AsSpan(ToastPrefix.Length);
            owner = owner.EndsWith(ToastIndexSuffix) ? owner[..^ToastIndexSuffix.Length] : owner;
            if (uint.TryParse(owner, NumberStyles.None, CultureInfo.InvariantCulture, out var oid) && database.Relations.Contains(oid))
            {
                database.Parts.Add(relation.Oid);
            }
        }
    }

    public void TakeIndex(uint databaseOid, uint index, uint table)
    {
        if (byOid.GetValueOrDefault(databaseOid) is { } database && (database.Relations.Contains(table) || database.Parts.Contains(table)))
        {
            database.Parts.Add(index);
        }
    }

    /// <summary>All sequences of a database come with its tables: they are small, and without them a table takes no rows.</summary>
    public void TakeSequence(uint databaseOid, uint sequence) => byOid.GetValueOrDefault(databaseOid)?.Parts.Add(sequence);

    /// <summary>Last reading: the numbers of the files of all that was gathered.</summary>
    public void TakeFiles(DatabaseTable relation)
    {
        if (relation is { Table: not null, FileNode: > 0 } && databases.GetValueOrDefault(relation.Database) is { } database
            && (database.Relations.Contains(relation.Oid) || database.Parts.Contains(relation.Oid)))
        {
            database.FileNodes.Add(relation.FileNode);
        }
    }

    /// <summary>The catalog that says what belongs to a table whose file this is, or null.</summary>
    public (uint Database, uint Catalog)? CatalogOf(string relative) =>
        PartialRestore.RelationOf(relative) is { } relation && byOid.GetValueOrDefault(relation.Database) is { HasTables: true } database
            && database.Catalogs.TryGetValue(relation.FileNode, out var catalog)
            ? (relation.Database, catalog)
            : null;

    /// <summary>True for every file that is not a user's relation, and for those of the choice.</summary>
    public bool Includes(string relative) =>
        PartialRestore.RelationOf(relative) is not { } relation
            || relation.Database < PartialRestore.FirstUserOid
            || relation.FileNode < PartialRestore.FirstUserOid
            || (byOid.GetValueOrDefault(relation.Database) is { } database
                && (database.IsWhole || database.FileNodes.Contains(relation.FileNode)));

    private bool Match(string database, string? table)
    {
        var isMatch = false;
        foreach (var pattern in patterns)
        {
            if (pattern.IsOfDatabase(database)
                && (table is null ? pattern.Table is null : pattern.IsOfTable(table)))
            {
                isMatch = true;
                matched.Add(pattern);
            }
        }

        return isMatch;
    }

    private sealed class Database
    {
        public uint Oid { get; set; }

        public bool IsWhole { get; init; }

        public bool HasTables { get; init; }

        /// <summary>By relfilenode.</summary>
        public Dictionary<uint, uint> Catalogs { get; } = [];

        /// <summary>OIDs of the tables that patterns name.</summary>
        public HashSet<uint> Relations { get; } = [];

        /// <summary>OIDs of what belongs to them.</summary>
        public HashSet<uint> Parts { get; } = [];

        /// <summary>What is restored, beside all below <see cref="PartialRestore.FirstUserOid"/>.</summary>
        public HashSet<uint> FileNodes { get; } = [];
    }
}
