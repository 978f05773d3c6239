using WalRus.Backup;
using WalRus.Compression;
using WalRus.Delta;
using WalRus.Tests.Contracts;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

/// <summary>
/// Chains of backups that a server sends, deltas made here from whole files or by the server itself: each restored by
/// WalRus, verified by PostgreSQL with the manifest, and compared.
/// </summary>
public sealed class RemoteDeltaTests : IDisposable
{
    private const string Setup = """
        CREATE TABLE account AS SELECT n AS id, 1000 AS balance, repeat('x', 500) AS filler FROM generate_series(1, 3000) AS n;
        CREATE TABLE still AS SELECT n AS id, repeat('z', 700) AS filler FROM generate_series(1, 8000) AS n;
        CREATE TABLE shrinks AS SELECT n AS id, repeat('s', 700) AS filler FROM generate_series(1, 3000) AS n;
        CREATE TABLE goes AS SELECT 1 AS id;
        CREATE TABLE elsewhere TABLESPACE ts AS SELECT n AS id, repeat('y', 300) AS filler FROM generate_series(1, 5000) AS n;
        CREATE UNLOGGED TABLE scratch AS SELECT 1 AS x;
        """;

    private const string Answer = """
        SELECT md5(string_agg(a::text, ',' ORDER BY a.id))
            || (SELECT md5(string_agg(e::text, ',' ORDER BY e.id)) FROM elsewhere AS e)
            || (SELECT md5(string_agg(s::text, ',' ORDER BY s.id)) FROM shrinks AS s)
            || (SELECT md5(string_agg(s::text, ',' ORDER BY s.id)) FROM still AS s)
            || (SELECT md5(string_agg(c::text, ',' ORDER BY c.id)) FROM comes AS c)
        FROM account AS a
        """;

    private readonly BackupPushFixture fixture = new();

    public RemoteDeltaTests() => fixture.Options = fixture.Options with
    {
        TarSizeThresholdBytes = 8 << 20,
        Delta = new BackupDeltaOptions { MaxSteps = 5 },
    };

    public void Dispose() => fixture.Dispose();

    [Theory]
    [InlineData(13, true)]
    [InlineData(15, false)]
    public Task Deltas_of_pages_by_their_LSN_restore_and_verify(int major, bool hasChecksums) =>
        ChainAsync(new() { Major = major, DataChecksums = hasChecksums }, "page LSNs");

    [Theory]
    [InlineData(17, IncrementFormat.Wi1)]
    [InlineData(18, IncrementFormat.Native)]
    public Task Increments_that_the_server_makes_restore_and_verify(int major, IncrementFormat format)
    {
        fixture.Options = fixture.Options with { Delta = fixture.Options.Delta with { Format = format } };
        return ChainAsync(
            new() { Major = major, Settings = new Dictionary<string, string> { ["summarize_wal"] = "on" } }, RemoteSource.SummariesName);
    }

    [Fact]
    public async Task A_server_that_cannot_make_increments_is_said_and_its_pages_are_looked_at()
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { Major = 17 });
        await cluster.ExecuteAsync("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n");
        await fixture.PushAsync(cluster, new BackupPushRequest());

        // Summaries begin after the parent: the server knows a part of the changes only.
        await cluster.ExecuteAsync("ALTER SYSTEM SET summarize_wal = on");
        await cluster.ReloadAsync();
        await PostgresCluster.UntilAsync(() => cluster.ScalarAsync<bool>("SELECT current_setting('summarize_wal') = 'on'"));
        foreach (var path in Directory.GetFiles(Path.Combine(cluster.DataDirectory, "pg_wal", "summaries")))
        {
            File.Delete(path);
        }

        // Only a summary that ends behind the parent's start shows that those of its start are there to be deleted.
        var behind = await cluster.ScalarAsync<string>("SELECT pg_current_wal_lsn()::text");
        await cluster.ExecuteAsync("CHECKPOINT");
        await cluster.SwitchWalAsync();
        await cluster.ExecuteAsync("INSERT INTO t VALUES (-1)");
        await PostgresCluster.UntilAsync(() => cluster.ScalarAsync<bool>(
            $"SELECT count(*) > 0 FROM pg_available_wal_summaries() WHERE end_lsn >= '{behind}'"));
        foreach (var path in Directory.GetFiles(Path.Combine(cluster.DataDirectory, "pg_wal", "summaries")))
        {
            File.Delete(path);
        }

        var result = await fixture.PushAsync(cluster, new BackupPushRequest());
        Assert.Equal("page LSNs", result.Delta!.BlockSource);
        Assert.NotNull(result.Delta.BlockSourceFallback);
        Assert.Contains(result.Warnings, warning => warning.Contains("increment", StringComparison.Ordinal));
        await cluster.SwitchWalAsync();
        await using var restored = await RemoteRestore.FetchAsync(fixture, result, cluster);
        await restored.Programs.RunAsync("pg_verifybackup", ["--no-parse-wal", restored.DataDirectory]);
        await RemoteRestore.StartAsync(restored);
        Assert.Equal(1001L, await restored.ScalarAsync<long>("SELECT count(*) FROM t"));

        // A manifest that breaks off while it is sent: the session survives.
        var manifest = fixture.Folder["archive", $"basebackups_005/{result.Backup.Name}/tar_partitions/backup_manifest.tar"];
        await File.WriteAllBytesAsync(
            manifest, (await File.ReadAllBytesAsync(manifest, TestContext.Current.CancellationToken))[..100_000], TestContext.Current.CancellationToken);
        result = await fixture.PushAsync(cluster, new BackupPushRequest());
        Assert.Equal("page LSNs", result.Delta!.BlockSource);
        Assert.Contains("backup_manifest.tar", result.Delta.BlockSourceFallback, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_increment_of_a_promoted_standby_goes_on_from_the_primarys_backup()
    {
        var options = new PostgresClusterOptions
        {
            Major = 18,
            Settings = new Dictionary<string, string> { ["summarize_wal"] = "on" },
        };
        await using var primary = await PostgresCluster.StartAsync(options);
        await primary.ExecuteAsync("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n");
        await using var standby = await primary.CreateStandbyAsync();
        await fixture.PushAsync(primary, new BackupPushRequest());
        await primary.ExecuteAsync("INSERT INTO t VALUES (-1)");
        var position = await primary.ScalarAsync<string>("SELECT pg_current_wal_flush_lsn()::text");
        await PostgresCluster.UntilAsync(() => standby.ScalarAsync<bool>($"SELECT pg_last_wal_replay_lsn() >= '{position}'"));
        await standby.PromoteAsync();
        await standby.ExecuteAsync("INSERT INTO t VALUES (-2)");
        var delta = await fixture.PushAsync(standby, new BackupPushRequest());
        Assert.Equal(RemoteSource.SummariesName, delta.Delta!.BlockSource);
        Assert.Equal(2u, delta.Backup.Timeline.Value);
        await standby.SwitchWalAsync();
        await using var restored = await RemoteRestore.FetchAsync(fixture, delta, standby);
        await restored.Programs.RunAsync("pg_verifybackup", ["--no-parse-wal", restored.DataDirectory]);
        await RemoteRestore.StartAsync(restored);
        Assert.Equal(1002L, await restored.ScalarAsync<long>("SELECT count(*) FROM t"));
    }

    [Fact]
    public async Task A_database_made_again_under_its_old_OID_is_never_mixed_with_the_parents()
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { Major = 15 });
        await cluster.ExecuteAsync("CREATE DATABASE one OID 50000 STRATEGY file_copy");
        await fixture.PushAsync(cluster, new BackupPushRequest());
        await cluster.ExecuteAsync("DROP DATABASE one");
        await Task.Delay(1100, TestContext.Current.CancellationToken);
        await cluster.ExecuteAsync("CREATE DATABASE one OID 50000 STRATEGY file_copy");
        var result = await fixture.PushAsync(cluster, new BackupPushRequest());
        var files = await fixture.FilesAsync(result);
        Assert.DoesNotContain(
            files.GetProperty("Files").EnumerateObject(),
            file => file.Name.StartsWith("base/50000/", StringComparison.Ordinal) && file.Value.GetProperty("IsIncremented").GetBoolean());

        // The folder's files may come before the one that tells: then all of it is asked for once more.
        Assert.Equal(result.Delta is null, result.Fallback?.Contains("'base/50000' was made after", StringComparison.Ordinal) == true);
    }

    [Fact]
    public async Task A_copy_of_the_cluster_made_after_the_parent_is_backed_up_whole_and_that_is_said()
    {
        await using var primary = await PostgresCluster.StartAsync(new() { Major = 15 });
        var full = await fixture.PushAsync(primary, new BackupPushRequest());
        await Task.Delay(1100, TestContext.Current.CancellationToken);
        await using var standby = await primary.CreateStandbyAsync();
        await standby.PromoteAsync();
        var again = await fixture.PushAsync(standby, new BackupPushRequest());
        Assert.Null(again.Delta);
        Assert.Contains("was made after the parent backup", again.Fallback, StringComparison.Ordinal);
        Assert.Contains(again.Warnings, warning => warning.StartsWith("A full backup is made instead of a delta", StringComparison.Ordinal));
        Assert.DoesNotContain(await fixture.KeysAsync(), key => key.Contains("_D_", StringComparison.Ordinal));
        await standby.SwitchWalAsync();
        await using (var restored = await RemoteRestore.FetchAsync(fixture, again, standby))
        {
            await restored.Programs.RunAsync("pg_verifybackup", ["--no-parse-wal", restored.DataDirectory]);
        }

        fixture.Options = fixture.Options with { Delta = fixture.Options.Delta with { FromName = full.Backup.Name.ToString() } };
        await fixture.PushAsync(standby, new BackupPushRequest()).FailsAsync(ErrorCode.BackupParentUnusable);
    }

    private async Task ChainAsync(PostgresClusterOptions options, string blockSource)
    {
        await using var cluster = await PostgresCluster.StartAsync(options);
        var tablespace = await cluster.CreateFolderAsync("ts");
        await cluster.ExecuteAsync($"CREATE TABLESPACE ts LOCATION '{tablespace}'");
        await cluster.ExecuteAsync(Setup);
        fixture.Codec = Codecs.Create("lz4");
        var full = await fixture.PushAsync(cluster, new BackupPushRequest());
        Assert.Null(full.Delta);

        await cluster.ExecuteAsync("""
            UPDATE account SET balance = balance + 1 WHERE id % 1000 = 7;
            UPDATE elsewhere SET filler = 'changed' WHERE id = 77;
            CREATE TABLE comes AS SELECT n AS id FROM generate_series(1, 500) AS n;
            DROP TABLE goes;
            DELETE FROM shrinks WHERE id > 100;
            """);
        await cluster.ExecuteAsync("VACUUM shrinks");
        await cluster.ExecuteAsync("CREATE DATABASE fresh");
        var first = await PushBusyAsync(cluster);
        CheckDelta(full, first, blockSource);

        await cluster.ExecuteAsync("INSERT INTO shrinks SELECT n, 'again' FROM generate_series(1000, 9000) AS n; CREATE TABLE last AS SELECT 1 AS id");
        var second = await PushBusyAsync(cluster);
        CheckDelta(first, second, blockSource);
        Assert.Equal(2, second.Backup.DeltaCount);

        var expected = await cluster.ScalarAsync<string>(Answer);
        await cluster.SwitchWalAsync();
        await cluster.KillAsync();
        Directory.Delete(tablespace, recursive: true);
        await using var restored = await RemoteRestore.FetchAsync(fixture, second, cluster);
        await restored.Programs.RunAsync("pg_verifybackup", ["--no-parse-wal", "--exit-on-error", restored.DataDirectory]);
        await RemoteRestore.StartAsync(restored);
        Assert.Equal(expected, await restored.ScalarAsync<string>(Answer));
        Assert.Equal(0L, await restored.ScalarAsync<long>("SELECT count(*) FROM pg_class WHERE relname = 'goes'"));
        await restored.StopAsync();
        if (options.DataChecksums)
        {
            await restored.Programs.RunAsync("pg_checksums", ["--check", "-D", restored.DataDirectory]);
        }
    }

    private async Task<BackupPushResult> PushBusyAsync(PostgresCluster cluster)
    {
        var load = BusyServer.TransferAsync(cluster, out var stop);
        var push = await fixture.PushAsync(cluster, new BackupPushRequest());
        await stop.CancelAsync();
        await load;
        return push;
    }

    private static void CheckDelta(BackupPushResult parent, BackupPushResult delta, string blockSource)
    {
        Assert.Equal(BackupName.Delta(delta.Backup.StartSegment, parent.Backup.Name), delta.Backup.Name);
        Assert.Equal(parent.Backup.Name.ToString(), delta.Delta!.Parent);
        Assert.Equal(blockSource, delta.Delta.BlockSource);
        Assert.Null(delta.Delta.BlockSourceFallback);
        Assert.True(delta.Delta.IncrementedFileCount > 100, $"{delta.Delta.IncrementedFileCount} increments");
        Assert.True(delta.Delta.ChangedBlockCount > 5, $"{delta.Delta.ChangedBlockCount} pages");
        BusyServer.CheckWarnings(delta.Warnings);
    }
}
