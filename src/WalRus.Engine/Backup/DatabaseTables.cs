using WalRus.Protocol;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>
/// Collects which files belong to which tables, for partial restores: every database that takes connections, one after
/// the other, streamed to the metadata's spool. Source: wal-g's DatabasesByNames.
/// </summary>
internal static class DatabaseTables
{
    private const string Doing = "Reading the names of tables";

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);

    private static readonly PostgresStatement Databases = new(Doing, """
        SELECT CAST(d.oid AS pg_catalog.int8), CAST(d.datname AS pg_catalog.text)
        FROM pg_catalog.pg_database AS d WHERE d.datallowconn ORDER BY 2
        """);

    /// <summary>
    /// What has storage, and what has none but has parts that do (partitioned tables and indexes). A descendant comes right
    /// after its top-level ancestor, which is null for what has no parent.
    /// </summary>
    private static readonly PostgresStatement Relations = new(Doing, """
        WITH RECURSIVE tree(relation, ancestor) AS (
            SELECT i.inhrelid, i.inhparent FROM pg_catalog.pg_inherits AS i
            WHERE i.inhseqno OPERATOR(pg_catalog.=) 1 AND NOT EXISTS (
                SELECT 1 FROM pg_catalog.pg_inherits AS p WHERE p.inhrelid OPERATOR(pg_catalog.=) i.inhparent)
            UNION ALL
            SELECT i.inhrelid, t.ancestor FROM pg_catalog.pg_inherits AS i
            JOIN tree AS t ON t.relation OPERATOR(pg_catalog.=) i.inhparent
            WHERE i.inhseqno OPERATOR(pg_catalog.=) 1),
        relation(name, oid, node, kind, ancestor) AS (
            SELECT pg_catalog.concat(n.nspname, '.', c.relname), c.oid,
                   CASE WHEN c.relfilenode OPERATOR(pg_catalog.<>) 0 THEN c.relfilenode
                        ELSE pg_catalog.pg_relation_filenode(c.oid) END,
                   c.relkind, t.ancestor
            FROM pg_catalog.pg_class AS c
            JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
            LEFT JOIN tree AS t ON t.relation OPERATOR(pg_catalog.=) c.oid)
        SELECT r.name, CAST(r.oid AS pg_catalog.int8), CAST(coalesce(r.node, 0) AS pg_catalog.int8),
               CAST(r.ancestor AS pg_catalog.int8)
        FROM relation AS r
        WHERE r.node IS NOT NULL OR r.kind OPERATOR(pg_catalog.=) 'p' OR r.kind OPERATOR(pg_catalog.=) 'I'
        ORDER BY coalesce(r.ancestor, r.oid), r.ancestor IS NOT NULL, r.oid
        """)
    {
        Limit = Limit,
    };

    /// <summary>Adds every database; one that cannot be connected to is left out with a warning.</summary>
    public static async Task CollectAsync(
        PostgresConnectionSettings settings,
        FilesMetadataWriter metadata,
        BackupWarnings warnings,
        CancellationToken cancellationToken)
    {
        var databases = new List<(uint Oid, string Name)>();
        var session = await PostgresSession.OpenAsync(settings, null, cancellationToken).ConfigureAwait(false);
        await using (session.ConfigureAwait(false))
        {
            await session.QueryAsync(
                Databases, row => databases.Add(((uint)row.GetInt64(0), row.GetString(1))), cancellationToken)
                .ConfigureAwait(false);
        }

        foreach (var (oid, name) in databases)
        {
            await CollectAsync(settings, metadata, oid, name, warnings, cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task CollectAsync(
        PostgresConnectionSettings settings,
        FilesMetadataWriter metadata,
        uint oid,
        string name,
        BackupWarnings warnings,
        CancellationToken cancellationToken)
    {
        PostgresSession session;
        try
        {
            session = await PostgresSession.OpenAsync(settings, name, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException failure)
        {
            warnings.Add($"The tables of database '{name}' are not listed for partial restores: {failure.Message}");
            return;
        }

        await using (session.ConfigureAwait(false))
        {
            using var tables = metadata.BeginDatabase(name, oid);
            long? lastTop = null;
            await session.QueryAsync(
                Relations,
                row =>
                {
                    var (table, number, node) = (row.GetString(0), row.GetInt64(1), (uint)row.GetInt64(2));
                    if (!row.IsDBNull(3) && row.GetInt64(3) == lastTop)
                    {
                        tables.AddSubtable(table, (uint)number, node);
                        return;
                    }

                    // An ancestor without storage of any kind (a foreign table) is not listed: its parts stand alone.
                    tables.AddTable(table, (uint)number, node);
                    lastTop = row.IsDBNull(3) ? number : null;
                },
                cancellationToken).ConfigureAwait(false);
        }
    }
}
