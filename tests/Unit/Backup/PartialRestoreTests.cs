using Npgsql;
using WalRus.Backup;
using WalRus.Streaming;

namespace WalRus.Tests.Backup;

/// <summary>Databases and tables taken out of backups of a real server, which then runs on them.</summary>
public sealed class PartialRestoreTests : IDisposable
{
    private const string Setup = """
        CREATE TABLE orders (id bigserial PRIMARY KEY, note text, blob text);
        ALTER TABLE orders ALTER COLUMN blob SET STORAGE EXTERNAL;
        INSERT INTO orders (note, blob) SELECT md5(n::text), repeat(md5(n::text), 200) FROM generate_series(1, 500) AS n;
        CREATE INDEX orders_by_note ON orders (note);
        CREATE TABLE customers AS SELECT n AS id, repeat('c', 300) AS name FROM generate_series(1, 20000) AS n;
        CREATE TABLE suppliers AS SELECT generate_series(1, 1000) AS id;
        CREATE SCHEMA s;
        CREATE TABLE s.event (at int PRIMARY KEY, what text) PARTITION BY RANGE (at);
        CREATE TABLE s.event_low PARTITION OF s.event FOR VALUES FROM (0) TO (500);
        CREATE TABLE s.event_high PARTITION OF s.event FOR VALUES FROM (500) TO (1000);
        INSERT INTO s.event SELECT n, md5(n::text) FROM generate_series(0, 999) AS n;
        """;

    private const string Orders = "SELECT md5(string_agg(o::text, ',' ORDER BY o.id)) FROM orders AS o";
    private const string Events = "SELECT md5(string_agg(e::text, ',' ORDER BY e.at)) FROM s.event AS e";

    private readonly BackupPushFixture fixture = new();

    public PartialRestoreTests() => fixture.Options = fixture.Options with
    {
        Delta = new() { MaxSteps = 3 },
        TarSizeThresholdBytes = 2 << 20,
    };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => fixture.Dispose();

    [Fact]
    public async Task Tables_come_with_their_partitions_toast_and_indexes_out_of_a_delta()
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { Major = 17 });
        await FillAsync(cluster);
        await fixture.PushAsync(cluster);
        await cluster.ExecuteAsync("UPDATE orders SET note = 'changed' WHERE id BETWEEN 10 AND 20; DELETE FROM s.event WHERE at % 100 = 7", "shop");
        await cluster.ExecuteAsync("INSERT INTO orders (note, blob) SELECT 'new', repeat('z', 9000) FROM generate_series(1, 20); UPDATE customers SET id = id", "shop");
        var delta = await fixture.PushAsync(cluster);
        Assert.NotNull(delta.Delta);
        await cluster.ExecuteAsync("UPDATE orders SET note = 'later' WHERE id = 30; UPDATE customers SET id = id; INSERT INTO s.event VALUES (7, 'again')", "shop");
        var (orders, events) = (await cluster.ScalarAsync<string>(Orders, "shop"), await cluster.ScalarAsync<string>(Events, "shop"));
        await cluster.SwitchWalAsync();

        var (restored, result) = await FetchAsync(cluster, delta, ["shop/orders", "shop/s.event"]);
        await using var disposed = restored;
        Assert.Equal(2, result.ChainLength);
        await RemoteRestore.StartAsync(restored);
        Assert.Equal((orders, events), (await restored.ScalarAsync<string>(Orders, "shop"), await restored.ScalarAsync<string>(Events, "shop")));
        Assert.Equal(12L, await restored.ScalarAsync<long>("SET enable_seqscan = off; SELECT count(*) FROM orders WHERE note IN ('changed', 'later')", "shop"));
        Assert.Equal("again", await restored.ScalarAsync<string>("SET enable_seqscan = off; SELECT what FROM s.event WHERE at = 7", "shop"));
        await restored.ExecuteAsync("INSERT INTO orders (note) VALUES ('goes on'); CREATE EXTENSION amcheck", "shop");
        await restored.ExecuteAsync("SELECT bt_index_check('orders_by_note'::regclass, true), bt_index_check('orders_pkey'::regclass, true)", "shop");

        // What was not asked for is known and not there, but for pages that replay wrote.
        Assert.Equal("58P01", (await Assert.ThrowsAsync<PostgresException>(() => restored.ScalarAsync<long>("SELECT sum(id) FROM suppliers", "shop"))).SqlState);
        Assert.Equal("58P01", (await Assert.ThrowsAsync<PostgresException>(() => restored.ScalarAsync<long>("SELECT count(*) FROM t", "other"))).SqlState);
        await restored.ExecuteAsync("DROP TABLE suppliers, customers", "shop");
        await restored.ExecuteAsync("DROP DATABASE other");
    }

    [Fact]
    public async Task A_database_comes_whole_and_the_others_with_their_catalogs_alone()
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { Major = 14 });
        await FillAsync(cluster);
        var full = await fixture.PushAsync(cluster);
        var expected = await cluster.ScalarAsync<long>("SELECT sum(n) FROM t", "other");
        await cluster.SwitchWalAsync();
        var (restored, _) = await FetchAsync(cluster, full, ["oth*"]);
        await using var disposed = restored;
        await RemoteRestore.StartAsync(restored);
        Assert.Equal(expected, await restored.ScalarAsync<long>("SELECT sum(n) FROM t", "other"));
        Assert.Equal("58P01", (await Assert.ThrowsAsync<PostgresException>(() => restored.ScalarAsync<string>(Orders, "shop"))).SqlState);
        Assert.Equal(1, await restored.ScalarAsync<int>("SELECT 1"));
        await restored.ExecuteAsync("DROP DATABASE shop");
    }

    [Fact]
    public async Task What_the_backup_does_not_have_is_refused_before_anything_is_written()
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { Major = 17 });
        await cluster.ExecuteAsync("CREATE TABLE t AS SELECT 1 AS n");
        var full = await fixture.PushAsync(cluster);
        foreach (var wrong in new[] { "shop", "postgres/nothing", "postgres/s.t", "/t", "a/b/c/d", "" })
        {
            var refused = await Assert.ThrowsAsync<WalRusException>(() => PlanAsync(full, ["postgres/t", wrong]));
            Assert.Equal(ErrorCode.InvalidArgument, refused.Code);
        }

        fixture.Options = fixture.Options with { CollectTableNames = false };
        var unlisted = await fixture.PushAsync(cluster);
        Assert.Contains("does not list", (await Assert.ThrowsAsync<WalRusException>(() => PlanAsync(unlisted, ["postgres"]))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("shop", "shop", null, true)]
    [InlineData("shop", "shops", null, false)]
    [InlineData("s*p", "shop", null, true)]
    [InlineData("*", "", null, true)]
    [InlineData("ab*ba", "aba", null, false)]
    [InlineData("a*b*c", "aXbYbZc", null, true)]
    [InlineData("a*b*c", "aXcYb", null, false)]
    [InlineData("shop/orders", "shop", "public.orders", true)]
    [InlineData("shop/s/orders*", "shop", "s.orders_2024", true)]
    [InlineData("shop/s.t", "shop", "public.s.t", false)]
    [InlineData("a.c", "abc", null, false)]
    public void A_star_is_any_text_and_nothing_else_is_special(string pattern, string database, string? table, bool expected)
    {
        var parsed = RelationPattern.Parse(pattern);
        Assert.Equal(expected, parsed.IsOfDatabase(database) && (table is null ? parsed.Table is null : parsed.IsOfTable(table)));
    }

    private static async Task FillAsync(PostgresCluster cluster)
    {
        await cluster.ExecuteAsync("CREATE DATABASE shop");
        await cluster.ExecuteAsync("CREATE DATABASE other");
        await cluster.ExecuteAsync(Setup, "shop");
        await cluster.ExecuteAsync("CREATE TABLE t AS SELECT generate_series(1, 20000) AS n", "other");

        // Catalogs that were written anew have numbers like users' tables.
        await cluster.ExecuteAsync("VACUUM FULL pg_index", "shop");
        await cluster.ExecuteAsync("VACUUM FULL pg_attribute", "other");
    }

    private Task<RestorePlan> PlanAsync(BackupPushResult backup, string[] only) =>
        new BackupFetch(fixture.Archive, new BackupFetchOptions(), new NativeBufferPool(16 << 20), fixture.Log).PlanAsync(
            new BackupFetchRequest { Name = backup.Backup.Name, Destination = fixture.Folder["nowhere"], RestoreOnly = only }, Token);

    private async Task<(PostgresCluster Restored, BackupFetchResult Result)> FetchAsync(
        PostgresCluster origin, BackupPushResult backup, string[] only)
    {
        var restored = await PostgresCluster.OverExistingAsync(new()
        {
            Major = origin.Major,
            Archiving = false,
            Settings = new Dictionary<string, string> { ["restore_command"] = $"cp \"{origin.ArchiveFolder}/%f\" \"%p\"" },
        });
        try
        {
            var fetch = new BackupFetch(fixture.Archive, new BackupFetchOptions { Fsync = false }, new NativeBufferPool(16 << 20), fixture.Log);
            var result = await fetch.RunAsync(
                new BackupFetchRequest { Name = backup.Backup.Name, Destination = restored.DataDirectory, RestoreOnly = only }, Token);
            return (restored, result);
        }
        catch
        {
            await restored.DisposeAsync();
            throw;
        }
    }
}
