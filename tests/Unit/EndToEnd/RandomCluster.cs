using System.Globalization;

namespace WalRus.Tests.EndToEnd;

/// <summary>Does things to a real server at random, of every kind that leaves different traces in files and WAL; the seed decides which.</summary>
internal sealed class RandomCluster(PostgresCluster cluster, Random random)
{
    private readonly Dictionary<string, List<string>> tables = new() { ["postgres"] = [] };
    private readonly List<string> tablespaces = [];
    private int next;

    /// <summary>What was done, newest last: for a failure's text.</summary>
    public List<string> Done { get; } = [];

    /// <summary>False after a backup: replay makes a younger tablespace where the primary still has it.</summary>
    public bool MayCreateTablespaces { get; set; } = true;

    private string AnyDatabase => tables.Keys.ElementAt(random.Next(tables.Count));

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

    private Task ActAsync()
    {
        var database = AnyDatabase;
        var table = tables[database].Count > 0 ? tables[database][random.Next(tables[database].Count)] : null;
        return (random.Next(22), table) switch
        {
            (0, _) => CreateDatabaseAsync(),
            (1, _) => DropDatabaseAsync(),
            (2, _) => CreateTablespaceAsync(),
            (3, _) => RunAsync("CHECKPOINT", database),
            (4, _) => CrashAsync(),
            (5 or 6 or 7, _) or (_, null) => CreateTableAsync(database),
            (8 or 9, { } name) => RunAsync(Insert(name), database),
            (10 or 11 or 12, { } name) => RunAsync($"UPDATE {name} SET b = b + 1 WHERE id BETWEEN {random.Next(3000)} AND {random.Next(3000)}", database),
            (13, { } name) => DropTableAsync(database, name),
            (14 or 15, { } name) => ShrinkAsync(database, name),
            (16, { } name) => RunAsync($"TRUNCATE {name}", database),
            (17, { } name) => RunAsync($"VACUUM {(random.Next(2) == 0 ? "FULL" : "FREEZE")} {name}", database),
            (18, { } name) => RunAsync($"REINDEX TABLE {name}", database),
            (19, { } name) => RunAsync($"ALTER TABLE {name} SET {(random.Next(3) == 0 ? "UNLOGGED" : "LOGGED")}", database),
            (20, { } name) when tablespaces.Count > 0 => RunAsync($"ALTER TABLE {name} SET TABLESPACE {AnyTablespace()}", database),
            (_, { } name) => RunAsync($"CREATE INDEX ON {name} ({(random.Next(2) == 0 ? "id" : "b, id")})", database),
        };
    }

    private string AnyTablespace() => random.Next(2) == 0 ? "pg_default" : tablespaces[random.Next(tablespaces.Count)];

    private string Insert(string table) => random.Next(5) == 0
        ? $"INSERT INTO {table} SELECT n, (SELECT string_agg(md5((n + m)::text), '') FROM generate_series(1, 300) AS m), n FROM generate_series(1, 20) AS n"
        : $"INSERT INTO {table} SELECT n, repeat('{(char)random.Next('a', 'z')}', {random.Next(1, 400)}), n FROM generate_series(1, {random.Next(1, 4000)}) AS n";

    private async Task CreateTableAsync(string database)
    {
        var name = Name("t");
        var unlogged = random.Next(6) == 0 ? "UNLOGGED " : "";
        var place = tablespaces.Count > 0 && random.Next(3) == 0 ? $" TABLESPACE {AnyTablespace()}" : "";
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

    private async Task CreateDatabaseAsync()
    {
        if (tables.Count > 4)
        {
            return;
        }

        var name = Name("d");
        var strategy = cluster.Major >= 15 ? $" STRATEGY {(random.Next(2) == 0 ? "file_copy" : "wal_log")}" : "";
        var template = random.Next(3) == 0 ? tables.Keys.Last() : "template1";
        await RunAsync($"CREATE DATABASE {name} TEMPLATE {template}{strategy}", template == "postgres" ? "template1" : "postgres");
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

    private async Task CreateTablespaceAsync()
    {
        if (MayCreateTablespaces && tablespaces.Count < 2)
        {
            var name = Name("ts");
            await RunAsync($"CREATE TABLESPACE {name} LOCATION '{await cluster.CreateFolderAsync(name)}'", "postgres");
            tablespaces.Add(name);
        }
    }

    private async Task CrashAsync()
    {
        Done.Add("kill -9");
        await cluster.KillAsync();
        await cluster.StartAsync();
    }

    private async Task RunAsync(string sql, string database)
    {
        Done.Add($"{database}: {sql}");
        await cluster.ExecuteAsync(sql, database);
    }

    private string Name(string prefix) => prefix + (next++).ToString(CultureInfo.InvariantCulture);
}
