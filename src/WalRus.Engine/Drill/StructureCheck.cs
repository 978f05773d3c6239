using System.Globalization;
using WalRus.Backup;
using WalRus.Protocol;

namespace WalRus.Drill;

/// <summary>
/// PostgreSQL's amcheck over every B-tree index and (since 14) every heap of all databases. Relations are listed a page
/// at a time; what is wrong with one does not keep the others from being looked at.
/// </summary>
internal sealed class StructureCheck(PostgresConnectionSettings connection, bool heapAllIndexed, IProgress<TransferProgress>? progress)
{
    private const int ListedProblems = 10;
    private const int RelationsAPage = 500;
    private const string Schema = "walrus_drill";

    private const string IndexesSql =
        """
        SELECT c.oid::text, quote_ident(n.nspname) || '.' || quote_ident(c.relname)
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE a.amname = 'btree' AND c.relkind = 'i' AND i.indisvalid AND i.indisready AND c.relpersistence <> 't' AND c.oid > $1::oid
        ORDER BY c.oid LIMIT 500
        """;

    private const string HeapsSql =
        """
        SELECT c.oid::text, quote_ident(n.nspname) || '.' || quote_ident(c.relname)
        FROM pg_class c JOIN pg_am a ON a.oid = c.relam JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE a.amname = 'heap' AND c.relkind IN ('r', 'm', 't') AND c.relpersistence <> 't' AND c.oid > $1::oid
        ORDER BY c.oid LIMIT 500
        """;

    /// <summary>Since 15, a database knows the version of the collation that its text indexes were built with.</summary>
    private const string KnowsCollationSql = "SELECT EXISTS (SELECT FROM pg_proc WHERE proname = 'pg_database_collation_actual_version')";

    private const string CollationSql =
        "SELECT count(*) FROM pg_database WHERE datname = current_database() AND datcollversion <> pg_database_collation_actual_version(oid)";

    private readonly List<string> problems = [];
    private PostgresSession? session;
    private long problemCount;
    private long indexCount;
    private long heapCount;
    private bool isCollationOther;

    public async Task<DrillFinding> RunAsync(CancellationToken cancellationToken)
    {
        var databases = await DrillDatabases.ListAsync(connection, cancellationToken).ConfigureAwait(false);
        foreach (var database in databases)
        {
            session = await PostgresSession.OpenAsync(connection, database, cancellationToken).ConfigureAwait(false);
            try
            {
                if (await InstallAsync(cancellationToken).ConfigureAwait(false) is not { } schema)
                {
                    return DrillFinding.Skipped(
                        "amcheck is not installed with this PostgreSQL (Debian has it in postgresql-N, RPM in postgresqlN-contrib).");
                }

                await CheckAsync(database, schema, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                await session!.DisposeAsync().ConfigureAwait(false);
            }
        }

        var looked = string.Create(
            CultureInfo.InvariantCulture, $"{indexCount} indexes and {heapCount} tables of {databases.Count} databases");
        return problemCount == 0
            ? DrillFinding.Passed(looked + (heapCount == 0 ? " (this amcheck knows no tables)" : ""))
            : throw Failed(looked);
    }

    private async Task<string?> InstallAsync(CancellationToken cancellationToken)
    {
        const string Available = "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'amcheck')";
        if (!await session!.QueryRowAsync(
            new PostgresStatement("Looking for amcheck", Available), row => row.GetBoolean(0), cancellationToken)
                .ConfigureAwait(false))
        {
            return null;
        }

        await session!.ExecuteAsync(
            new PostgresStatement(
                "Installing amcheck",
                $"CREATE SCHEMA IF NOT EXISTS {Schema}; CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA {Schema}; ALTER EXTENSION amcheck UPDATE"),
            cancellationToken).ConfigureAwait(false);
        return await session!.QueryRowAsync(
            new PostgresStatement(
                "Finding amcheck",
                "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'amcheck'"),
            row => row.GetString(0),
            cancellationToken).ConfigureAwait(false);
    }

    private async Task CheckAsync(string database, string schema, CancellationToken cancellationToken)
    {
        var before = problemCount;
        var all = heapAllIndexed ? "true" : "false";
        indexCount += await EachAsync(
            database, IndexesSql, $"SELECT NULL::text FROM {schema}.bt_index_check($1::oid::regclass, {all})", cancellationToken)
                .ConfigureAwait(false);
        var knowsHeaps = await session!.QueryRowAsync(
            new PostgresStatement(
                "Looking for verify_heapam",
                $"SELECT EXISTS (SELECT FROM pg_proc WHERE proname = 'verify_heapam' AND pronamespace = '{schema}'::regnamespace)"),
            row => row.GetBoolean(0),
            cancellationToken).ConfigureAwait(false);
        if (knowsHeaps)
        {
            heapCount += await EachAsync(
                database,
                HeapsSql,
                $"SELECT format('block %s, item %s: %s', blkno, offnum, msg) FROM {schema}.verify_heapam($1::oid::regclass) LIMIT 3",
                cancellationToken).ConfigureAwait(false);
        }

        isCollationOther |= problemCount > before && await IsCollationOtherAsync(cancellationToken)
            .ConfigureAwait(false);
    }

    private async Task<bool> IsCollationOtherAsync(CancellationToken cancellationToken) =>
        await session!.QueryRowAsync(
            new PostgresStatement("Looking for collation versions", KnowsCollationSql), row => row.GetBoolean(0), cancellationToken)
                .ConfigureAwait(false)
        && await session!.QueryRowAsync(
            new PostgresStatement("Comparing collations", CollationSql), row => row.GetInt64(0) > 0, cancellationToken)
                .ConfigureAwait(false);

    /// <summary>Runs a check on each relation of a list.</summary>
    /// <returns>How many there were.</returns>
    private async Task<long> EachAsync(
        string database, string list, string check, CancellationToken cancellationToken)
    {
        long total = 0;
        var page = new List<(string Oid, string Name)>(RelationsAPage);
        var last = "0";
        do
        {
            page.Clear();
            await session!.QueryAsync(
                new PostgresStatement("Listing relations", list) { Text = last },
                row => page.Add((row.GetString(0), row.GetString(1))),
                cancellationToken).ConfigureAwait(false);
            foreach (var (oid, name) in page)
            {
                last = oid;
                total++;
                progress?.Report(new TransferProgress("Drill: amcheck", $"{database}.{name}", 0, null));
                await OneAsync(database, name, check, oid, cancellationToken).ConfigureAwait(false);
            }
        }
        while (page.Count == RelationsAPage);
        return total;
    }

    private async Task OneAsync(
        string database, string relation, string check, string oid, CancellationToken cancellationToken)
    {
        var name = $"{database}.{relation}";
        try
        {
            var statement = new PostgresStatement(name, check) { Text = oid, Limit = null };
            await session!.QueryAsync(statement, row =>
            {
                // bt_index_check gives one empty row, verify_heapam a row for each thing that is wrong.
                if (!row.IsDBNull(0))
                {
                    Add($"{name}: {row.GetString(0)}");
                }
            }, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException broken) when (broken.Code == ErrorCode.PostgresQueryFailed)
        {
            Add(broken.Message);

            // The driver gives up a session in which the server met corrupt data.
            await session!.DisposeAsync().ConfigureAwait(false);
            session = await PostgresSession.OpenAsync(connection, database, cancellationToken).ConfigureAwait(false);
        }
    }

    private void Add(string problem)
    {
        problemCount++;
        if (problems.Count < ListedProblems)
        {
            problems.Add(problem);
        }
    }

    private WalRusException Failed(string looked)
    {
        var more = problemCount > problems.Count ? $"; and {problemCount - problems.Count} more" : "";
        return new WalRusException(
            ErrorCode.DrillFailed,
            $"amcheck found {problemCount} problems in {looked}: {string.Join("; ", problems)}{more}",
            isCollationOther
                ? "This machine sorts text by another version of the collation than the original: indexes on text may only seem damaged. Drill on the original's operating system."
                : "Look at the same relations on the original server: if they are damaged there too, the backup is true to it.");
    }
}
