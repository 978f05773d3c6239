using System.Globalization;
using Npgsql;

namespace WalRus.Tests.EndToEnd;

/// <summary>Does things to a real server at random, of every kind that leaves different traces in files and WAL; the seed decides which.</summary>
internal sealed class RandomCluster(PostgresCluster first, Random random)
{
    private readonly Dictionary<string, List<string>> tables = new() { ["postgres"] = [] };
    private readonly List<string> tablespaces = [];
    private PostgresCluster cluster = first;
    private int next;

    /// <summary>What was done, newest last: for a failure's text.</summary>
    public List<string> Done { get; } = [];

    /// <summary>False after a backup: replay makes a younger tablespace where the primary still has it.</summary>
    public bool MayCreateTablespaces { get; set; } = true;

    /// <summary>
    /// While a backup is made only what PostgreSQL's manual allows then: copying a database that changes does not go well
    /// with it, nor does a crash.
    /// </summary>
    public bool IsBackingUp { get; set; }

    private string AnyDatabase => tables.Keys.ElementAt(random.Next(tables.Count));

    private string AnyTablespace =>
        tablespaces.Count == 0 || random.Next(2) == 0 ? "pg_default" : tablespaces[random.Next(tablespaces.Count)];

    /// <summary>Goes on with another server, which may have lost or never seen some of what was done.</summary>
    public async Task FollowAsync(PostgresCluster successor)
    {
        cluster = successor;
        tables.Clear();
        foreach (var database in await cluster.QueryAsync("SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY oid"))
        {
            tables[database] = [.. await cluster.QueryAsync(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^t[0-9]+$' ORDER BY oid", database)];
        }

        tablespaces.Clear();
        tablespaces.AddRange(await cluster.QueryAsync("SELECT spcname FROM pg_tablespace WHERE spcname ~ '^ts' ORDER BY oid"));
    }

    public async Task ActAsync(int count)
    {
        for (; count > 0; count--)
        {
            await ActAsync();
        }
    }

    /// <summary>Changes rows of a table of its own until cancelled, also while a backup is made.</summary>
    public async Task KeepBusyAsync(CancellationToken cancellationToken)
    {
        await cluster.ExecuteAsync("CREATE TABLE IF NOT EXISTS busy AS SELECT n AS id, 0 AS v FROM generate_series(1, 3000) AS n");
        while (!cancellationToken.IsCancellationRequested)
        {
            await cluster.ExecuteAsync(
                "UPDATE busy SET v = v + 1 WHERE id % 50 = (random() * 50)::int; INSERT INTO busy SELECT n, 7 FROM generate_series(1, 20) AS n");
            await Task.Delay(20, CancellationToken.None);
        }
    }

    /// <summary>The server dies without warning and is started again.</summary>
    public async Task CrashAsync()
    {
        Done.Add("kill -9");
        await cluster.KillAsync();
        await cluster.StartAsync();
    }

    private Task ActAsync()
    {
        var database = AnyDatabase;
        var table = tables[database].Count > 0 ? tables[database][random.Next(tables[database].Count)] : null;
        return (random.Next(32), table) switch
        {
            (0, _) => CreateDatabaseAsync(),
            (1, _) => DropDatabaseAsync(),
            (2, _) => CreateTablespaceAsync(),
            (3, _) => RunAsync("CHECKPOINT", database),
            (4, _) => IsBackingUp ? Task.CompletedTask : CrashAsync(),
            (5, _) => random.Next(3) == 0 ? DropTablespaceAsync() : MoveDatabaseAsync(database),
            (6, _) => RunAsync("SELECT lo_from_bytea(0, decode(repeat('5f', 30000), 'hex')), lo_unlink(min(oid)) FROM pg_largeobject_metadata", database),
            (7, _) => SwitchSummariesAsync(),
            (8, _) => AbortAsync(database),
            (9 or 10 or 11 or 12, _) or (_, null) => CreateTableAsync(database),
            (13 or 14, { } name) => RunAsync(Insert(name), database),
            (15 or 16 or 17, { } name) => RunAsync($"UPDATE {name} SET b = b + 1 WHERE id BETWEEN {random.Next(3000)} AND {random.Next(3000)}", database),
            (18, { } name) => DropTableAsync(database, name),
            (19 or 20, { } name) => ShrinkAsync(database, name),
            (21, { } name) => RunAsync(random.Next(2) == 0 ? $"TRUNCATE {name}" : $"TRUNCATE {name}; {Insert(name)}", database),
            (22, { } name) => RunAsync($"VACUUM {(random.Next(2) == 0 ? "FULL" : "FREEZE")} {name}", database),
            (23, { } name) => RunAsync($"REINDEX TABLE {name}", database),
            (24, { } name) => RunAsync($"ALTER TABLE {name} SET {(random.Next(3) == 0 ? "UNLOGGED" : "LOGGED")}", database),
            (25 or 26, { } name) => RunAsync($"ALTER TABLE {name} SET TABLESPACE {AnyTablespace}", database),
            (27, { } name) => ClusterAsync(database, name),
            (28, { } name) => RunAsync($"ALTER TABLE {name} ALTER b TYPE {(random.Next(2) == 0 ? "numeric" : "bigint")}", database),
            (_, { } name) => RunAsync(Index(name), database),
        };
    }

    private string Insert(string table) => random.Next(5) == 0
        ? $"INSERT INTO {table} SELECT n, (SELECT string_agg(md5((n + m)::text), '') FROM generate_series(1, 300) AS m), n FROM generate_series(1, 20) AS n"
        : $"INSERT INTO {table} SELECT n, repeat('{(char)random.Next('a', 'z')}', {random.Next(1, 400)}), n FROM generate_series(1, {random.Next(1, 4000)}) AS n";

    private string Index(string table)
    {
        string[] kinds = ["(id)", "(b, id)", "USING hash (id)", "USING brin (b)", "USING gin ((ARRAY[id % 100, id % 7]))", "USING gist (point(id, id))"];
        return $"CREATE INDEX ON {table} {kinds[random.Next(kinds.Length)]}{(random.Next(3) == 0 ? $" TABLESPACE {AnyTablespace}" : "")}";
    }

    private async Task CreateTableAsync(string database)
    {
        var name = Name("t");
        var unlogged = random.Next(6) == 0 ? "UNLOGGED " : "";
        var place = random.Next(3) == 0 ? $" TABLESPACE {AnyTablespace}" : "";
        await RunAsync($"CREATE {unlogged}TABLE {name} (id int, a text, b bigint, s serial){place}", database);
        tables[database].Add(name);
        await RunAsync(Insert(name), database);
    }

    private async Task DropTableAsync(string database, string name)
    {
        await RunAsync($"DROP TABLE {name}", database);
        tables[database].Remove(name);
    }

    /// <summary>A vacuum that gives the end of the table back to the file system.</summary>
    private async Task ShrinkAsync(string database, string name)
    {
        await RunAsync($"DELETE FROM {name} WHERE ctid >= (SELECT coalesce(max(ctid), '(0,0)') FROM {name} WHERE id = {random.Next(1, 2000)})", database);
        await RunAsync($"VACUUM {name}", database);
    }

    private async Task ClusterAsync(string database, string name)
    {
        await RunAsync($"CREATE INDEX IF NOT EXISTS {name}_order ON {name} (id, s)", database);
        await RunAsync($"CLUSTER {name} USING {name}_order", database);
    }

    /// <summary>Files that come and go, pages that are written for nothing.</summary>
    private async Task AbortAsync(string database)
    {
        var name = Name("t");
        await RunAsync(
            $"BEGIN; CREATE TABLE {name} (id int, a text, b bigint); {Insert(name)}; SAVEPOINT s; TRUNCATE {name}; ROLLBACK TO s; {Insert(name)}; ROLLBACK",
            database);
    }

    private async Task CreateDatabaseAsync()
    {
        if (tables.Count > 4)
        {
            return;
        }

        var name = Name("d");
        var strategy = cluster.Major >= 15 ? $" STRATEGY {(random.Next(2) == 0 ? "file_copy" : "wal_log")}" : "";
        var template = random.Next(3) == 0 && !IsBackingUp ? tables.Keys.Last() : "template1";

        // PostgreSQL refuses a place where the template has tables of its own already; template1 has none.
        var place = random.Next(3) == 0 && template == "template1" ? $" TABLESPACE {AnyTablespace}" : "";
        await RunAsync($"CREATE DATABASE {name} TEMPLATE {template}{strategy}{place}", template == "postgres" ? "template1" : "postgres");
        tables.Add(name, template == "template1" ? [] : [.. tables[template]]);
    }

    private async Task DropDatabaseAsync()
    {
        if (tables.Count > 2)
        {
            var name = tables.Keys.Skip(1).ElementAt(random.Next(tables.Count - 1));
            await RunAsync($"DROP DATABASE {name}", "postgres");
            tables.Remove(name);
        }
    }

    /// <summary>Its files are copied to another tablespace, which WAL tells of in one record.</summary>
    private async Task MoveDatabaseAsync(string database)
    {
        // PostgreSQL refuses while tables of it are there on their own account.
        var place = AnyTablespace;
        var isSettled = await cluster.ScalarAsync<long>(
            $"SELECT count(*) FROM pg_class AS c JOIN pg_tablespace AS t ON t.oid = c.reltablespace WHERE t.spcname = '{place}'", database) == 0;
        if (!IsBackingUp && database != "postgres" && isSettled)
        {
            await RunAsync($"ALTER DATABASE {database} SET TABLESPACE {place}", "postgres");
        }
    }

    private async Task CreateTablespaceAsync()
    {
        if (MayCreateTablespaces && !IsBackingUp && tablespaces.Count < 2)
        {
            var name = Name("ts");
            await RunAsync($"CREATE TABLESPACE {name} LOCATION '{await cluster.CreateFolderAsync(name)}'", "postgres");
            tablespaces.Add(name);
        }
    }

    private async Task DropTablespaceAsync()
    {
        if (IsBackingUp || tablespaces.Count == 0)
        {
            return;
        }

        // What a database has in its own tablespace is listed as in none: its other tables go there first, then it is moved.
        var name = tablespaces[0];
        var settled = await cluster.QueryAsync(
            $"SELECT datname FROM pg_database AS d JOIN pg_tablespace AS t ON t.oid = d.dattablespace WHERE spcname = '{name}' ORDER BY 1");
        foreach (var database in tables.Keys)
        {
            var (from, to) = settled.Contains(database) ? ("pg_default", name) : (name, "pg_default");
            await RunAsync($"ALTER TABLE ALL IN TABLESPACE {from} SET TABLESPACE {to}", database);
            await RunAsync($"ALTER INDEX ALL IN TABLESPACE {from} SET TABLESPACE {to}", database);
        }

        foreach (var database in settled)
        {
            await RunAsync($"ALTER DATABASE {database} SET TABLESPACE pg_default", "postgres");
        }

        try
        {
            await RunAsync($"DROP TABLESPACE {name}", "postgres");
            tablespaces.Remove(name);
        }
        catch (PostgresException refused) when (refused.SqlState == PostgresErrorCodes.DependentObjectsStillExist)
        {
            // A partitioned index has no file that could be moved, and belongs there all the same.
        }
    }

    /// <summary>Summaries with holes in them.</summary>
    private async Task SwitchSummariesAsync()
    {
        if (cluster.Major >= 17)
        {
            await RunAsync($"ALTER SYSTEM SET summarize_wal = {(random.Next(3) == 0 ? "off" : "on")}", "postgres");
            await RunAsync("SELECT pg_reload_conf()", "postgres");
        }
    }

    private async Task RunAsync(string sql, string database)
    {
        Done.Add($"{database}: {sql}");
        await cluster.ExecuteAsync(sql, database);
    }

    private string Name(string prefix) => prefix + (next++).ToString(CultureInfo.InvariantCulture);
}
