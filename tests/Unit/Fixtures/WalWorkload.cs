using Npgsql;

namespace WalRus.Tests;

/// <summary>Makes a real server write records of every resource manager it has, of many kinds.</summary>
internal static class WalWorkload
{
    private const string Tables = """
        CREATE EXTENSION bloom;
        CREATE TABLE wide (n int, t text, p point, a int[], v tsvector);
        INSERT INTO wide SELECT g, md5(g::text), point(g % 97, g % 89), array[g % 7, g % 11], to_tsvector('simple', md5(g::text))
          FROM generate_series(1, 3000) AS g;
        CREATE INDEX ON wide USING btree (n);
        CREATE INDEX ON wide USING hash (t);
        CREATE INDEX ON wide USING gin (a);
        CREATE INDEX ON wide USING gin (v) WITH (fastupdate = on);
        CREATE INDEX ON wide USING gist (p);
        CREATE INDEX ON wide USING spgist (p);
        CREATE INDEX ON wide USING brin (n);
        CREATE INDEX ON wide USING bloom (n, t);
        CREATE SEQUENCE numbers;
        CREATE TABLE cut (n int, t text) WITH (fillfactor = 10);
        CREATE TABLE emptied (n int);
        CREATE UNLOGGED TABLE unlogged (n int primary key);
        """;

    private const string Changes = """
        INSERT INTO wide SELECT g, md5(g::text), point(g % 97, g % 89), array[g % 7, g % 11], to_tsvector('simple', md5(g::text))
          FROM generate_series(3001, 5000) AS g;
        UPDATE wide SET n = n + 1, t = md5(t) WHERE n % 5 = 0;
        DELETE FROM wide WHERE n % 3 = 0;
        SELECT nextval('numbers') FROM generate_series(1, 100);
        INSERT INTO cut SELECT g, repeat('x', 300) FROM generate_series(1, 600) AS g;
        DELETE FROM cut WHERE n > 100;
        INSERT INTO emptied SELECT generate_series(1, 5000);
        INSERT INTO unlogged SELECT generate_series(1, 500);
        """;

    /// <summary>Runs all of it in "postgres". Takes a second or two.</summary>
    public static async Task RunAsync(PostgresCluster cluster)
    {
        var folder = await cluster.CreateFolderAsync("space");
        var compressions = await cluster.QueryAsync(
            cluster.Major >= 15
                ? "SELECT unnest(enumvals) FROM pg_settings WHERE name = 'wal_compression' EXCEPT SELECT 'on'"
                : "VALUES ('on'), ('off')");
        await cluster.ExecuteAsync(Tables);
        foreach (var method in compressions)
        {
            await cluster.ExecuteAsync("CHECKPOINT");
            await cluster.ExecuteAsync($"SET wal_compression = {method}; {Changes}");
            await cluster.ExecuteAsync("VACUUM wide");
            await cluster.ExecuteAsync("VACUUM cut");
            await cluster.ExecuteAsync("TRUNCATE emptied, unlogged");
        }

        await cluster.ExecuteAsync("BEGIN; SAVEPOINT a; INSERT INTO emptied VALUES (1); SAVEPOINT b; TRUNCATE cut; DROP TABLE unlogged; COMMIT");
        await cluster.ExecuteAsync("BEGIN; CREATE TABLE never AS SELECT * FROM wide; ROLLBACK");
        await cluster.ExecuteAsync("CREATE TABLE prepared AS SELECT 1 AS n");
        await cluster.ExecuteAsync("BEGIN; DROP TABLE prepared; PREPARE TRANSACTION 'drops'");
        await cluster.ExecuteAsync("COMMIT PREPARED 'drops'");
        await cluster.ExecuteAsync("VACUUM FULL pg_class");
        await cluster.ExecuteAsync("DO $$ BEGIN FOR i IN 1..34000 LOOP PERFORM txid_current(); COMMIT; END LOOP; END $$");
        await cluster.ExecuteAsync($"CREATE TABLESPACE space LOCATION '{folder}'");
        await cluster.ExecuteAsync("CREATE TABLE moved AS SELECT * FROM wide; ALTER TABLE moved SET TABLESPACE space");
        await SharedLocksAsync(cluster);
        await cluster.ExecuteAsync("SELECT pg_replication_origin_create('elsewhere')");
        await cluster.ExecuteAsync("SELECT pg_replication_origin_session_setup('elsewhere'); INSERT INTO emptied SELECT generate_series(1, 300); "
            + "SELECT pg_replication_origin_session_reset()");
        await cluster.ExecuteAsync("SELECT pg_replication_origin_advance('elsewhere', '0/1000000')");
        await cluster.ExecuteAsync("SELECT pg_replication_origin_drop('elsewhere')");
        await DatabasesAsync(cluster);

        // Longer than a segment of 1 MiB, and of many pages.
        await cluster.ExecuteAsync("SELECT pg_logical_emit_message(true, 'long', repeat('x', 2500000))");
        await cluster.ExecuteAsync("SELECT pg_logical_emit_message(true, 'less', repeat('y', 50000))");
        await cluster.ExecuteAsync("DROP TABLE moved; DROP TABLE cut");
        await cluster.ExecuteAsync("DROP TABLESPACE space");
    }

    private static async Task SharedLocksAsync(PostgresCluster cluster)
    {
        await using var first = await cluster.ConnectAsync();
        await using var second = await cluster.ConnectAsync();
        foreach (var connection in new[] { first, second })
        {
            await using var command = new NpgsqlCommand("BEGIN; SELECT n FROM wide WHERE n < 50 FOR SHARE", connection);
            await command.ExecuteNonQueryAsync();
        }

        foreach (var connection in new[] { first, second })
        {
            await using var command = new NpgsqlCommand("COMMIT", connection);
            await command.ExecuteNonQueryAsync();
        }
    }

    private static async Task DatabasesAsync(PostgresCluster cluster)
    {
        var strategies = cluster.Major >= 15 ? new[] { "STRATEGY file_copy", "STRATEGY wal_log" } : [""];
        foreach (var strategy in strategies)
        {
            await cluster.ExecuteAsync($"CREATE DATABASE other {strategy}");
            await cluster.ExecuteAsync("CREATE TABLE inside AS SELECT generate_series(1, 100) AS n", "other");
            await cluster.ExecuteAsync("ALTER DATABASE other SET TABLESPACE space");
            await cluster.ExecuteAsync("DROP DATABASE other");
        }
    }
}
