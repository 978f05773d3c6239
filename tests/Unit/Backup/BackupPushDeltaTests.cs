using System.Text.Json;
using WalRus.Backup;
using WalRus.Delta;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

/// <summary>Deltas of real servers that are used meanwhile.</summary>
public sealed class BackupPushDeltaTests : IDisposable
{
    private const string Setup = """
        CREATE TABLE account AS SELECT n AS id, 1000 AS balance, repeat('x', 500) AS filler FROM generate_series(1, 5000) AS n;
        CREATE INDEX ON account (id);
        CREATE TABLE quiet AS SELECT n, md5(n::text) FROM generate_series(1, 20000) AS n;
        CREATE TABLE cut AS SELECT n, repeat('y', 1000) AS filler FROM generate_series(1, 3000) AS n;
        CREATE TABLE dropped AS SELECT n FROM generate_series(1, 1000) AS n;
        CREATE UNLOGGED TABLE unlogged AS SELECT n FROM generate_series(1, 10000) AS n;
        """;

    private const string Answer = """
        SELECT md5(string_agg(a::text, ',' ORDER BY a.id)) || (SELECT md5(string_agg(q::text, ',' ORDER BY q.n)) FROM quiet AS q)
            || (SELECT count(*) || '/' || coalesce(sum(n), 0) FROM cut) FROM account AS a
        """;

    private readonly BackupPushFixture fixture = new();

    public BackupPushDeltaTests() => fixture.Options = fixture.Options with { Delta = new() { MaxSteps = 3 } };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => fixture.Dispose();

    [Theory]
    [InlineData(13, IncrementFormat.Wi1, "pages", "page LSNs")]
    [InlineData(15, IncrementFormat.Wi1, "wal", "WAL map")]
    [InlineData(18, IncrementFormat.Native, "summaries", "WAL summaries")]
    public async Task A_chain_of_deltas_restores_to_the_primarys_data(
        int major, IncrementFormat format, string blocks, string source)
    {
        await using var cluster = await PostgresCluster.StartAsync(new()
        {
            Major = major,
            Settings = blocks == "summaries"
                ? new Dictionary<string, string> { ["summarize_wal"] = "on" }
                : new Dictionary<string, string> { ["wal_keep_size"] = "512MB" },
        });
        fixture.Options = fixture.Options with
        {
            DiskConcurrency = 2,
            TarSizeThresholdBytes = 4 << 20,
            Delta = fixture.Options.Delta with { Format = format, OpenSource = OpenerOf(blocks) },
        };
        await cluster.ExecuteAsync(Setup);
        await cluster.ExecuteAsync("VACUUM FREEZE");
        var full = await fixture.PushAsync(cluster);
        Assert.Null(full.Delta);
        Assert.Null(full.Fallback);

        await cluster.ExecuteAsync("UPDATE account SET balance = 7 WHERE id BETWEEN 100 AND 120; DELETE FROM cut WHERE n > 500; DROP TABLE dropped");
        await cluster.ExecuteAsync("VACUUM cut");
        await cluster.ExecuteAsync("CREATE DATABASE later");
        await cluster.ExecuteAsync("CREATE TABLE t AS SELECT generate_series(1, 100) AS n", "later");
        var first = await fixture.PushAsync(cluster, BackupPushFixture.RequestFor(cluster) with { VerifyPageChecksums = true });
        await cluster.ExecuteAsync("UPDATE account SET balance = 8 WHERE id BETWEEN 3000 AND 3010; INSERT INTO cut SELECT n, 'z' FROM generate_series(1, 5000) AS n");
        var second = await fixture.PushAsync(cluster);
        await CheckDocumentsAsync(full, first, second, format);
        foreach (var delta in (BackupDeltaFacts[])[first.Delta!, second.Delta!])
        {
            Assert.Null(delta.BlockSourceFallback);
            Assert.Equal(source, delta.BlockSource);

            // Of files that did not change nothing was read, and of those that did only what may have changed.
            Assert.True(blocks == "pages" || delta.ScannedBytes < 2 * 8192 * delta.ChangedBlockCount, $"{delta}");
        }

        var expected = await cluster.ScalarAsync<string>(Answer);
        await cluster.SwitchWalAsync();
        await using var restored = await RecoverAsync(cluster, full, first, second);
        Assert.Equal(expected, await restored.ScalarAsync<string>(Answer));
        Assert.Equal(100L, await restored.ScalarAsync<long>("SELECT count(*) FROM t", "later"));
        Assert.Equal(0L, await restored.ScalarAsync<long>("SELECT count(*) FROM unlogged"));
        Assert.False(await restored.ScalarAsync<bool>("SELECT to_regclass('dropped') IS NOT NULL"));
        await restored.StopAsync();
        await restored.Programs.RunAsync("pg_checksums", ["--check", "-D", restored.DataDirectory]);
    }

    private ChangedBlockSourceOpener OpenerOf(string blocks) => blocks switch
    {
        "wal" => WalMapSource.FromWal(fixture.Archive, fixture.Log),
        "summaries" => WalMapSource.FromSummaries(fixture.Archive, fixture.Log),
        _ => PageLsnSource.OpenAsync,
    };

    /// <summary>The chain's own files, without the WAL that came after: replay must have nothing to repair.</summary>
    private async Task<PostgresCluster> RecoverAsync(PostgresCluster origin, params BackupPushResult[] chain)
    {
        var restored = await PostgresCluster.OverExistingAsync(new()
        {
            Major = origin.Major,
            Archiving = false,
            Settings = new Dictionary<string, string>
            {
                ["restore_command"] = $"cp \"{origin.ArchiveFolder}/%f\" \"%p\"",
                ["recovery_target"] = "immediate",
                ["recovery_target_action"] = "promote",
            },
        });
        try
        {
            await DeltaChain.ExtractAsync(fixture, restored.DataDirectory, chain);
            restored.WriteSettings();
            await File.WriteAllTextAsync(Path.Combine(restored.DataDirectory, "recovery.signal"), "", Token);
            await restored.TakeOwnershipAsync();
            await restored.StartAsync();
            await PostgresCluster.UntilAsync(() => restored.ScalarAsync<bool>("SELECT NOT pg_is_in_recovery()"));
            return restored;
        }
        catch
        {
            await restored.DisposeAsync();
            throw;
        }
    }

    private async Task CheckDocumentsAsync(
        BackupPushResult full, BackupPushResult first, BackupPushResult second, IncrementFormat format)
    {
        Assert.Equal(BackupName.Delta(first.Backup.StartSegment, full.Backup.Name), first.Backup.Name);
        Assert.Equal($"base_{second.Backup.StartSegment}_D_{first.Backup.StartSegment}", second.Backup.Name.ToString());
        var sentinel = await fixture.SentinelAsync(second);
        string[] expected =
        [
            "LSN", "DeltaLSN", "DeltaFrom", "DeltaFullName", "DeltaCount",
            .. format == IncrementFormat.Native ? (string[])["IncrementFormat"] : [],
            "PgVersion", "FinishLSN", "SystemIdentifier", "UncompressedSize", "CompressedSize", "DataCatalogSize",
            "ChkpNum", "Version", "StartTime", "FinishTime", "DateFmt", "Hostname", "DataDir", "IsPermanent",
        ];
        Assert.Equal(expected, sentinel.EnumerateObject().Select(property => property.Name));
        Assert.Equal(first.Backup.StartLsn.Value, sentinel.GetProperty("DeltaLSN").GetUInt64());
        Assert.Equal(first.Backup.Name.ToString(), sentinel.GetProperty("DeltaFrom").GetString());
        Assert.Equal(full.Backup.Name.ToString(), sentinel.GetProperty("DeltaFullName").GetString());
        Assert.Equal(2, sentinel.GetProperty("DeltaCount").GetInt32());

        var files = (await fixture.FilesAsync(first)).GetProperty("Files").EnumerateObject().ToArray();
        Assert.Equal(first.Delta!.UnchangedFileCount, files.Count(file => Is(file, "IsSkipped")));
        Assert.Equal(first.Delta.IncrementedFileCount, files.Count(file => Is(file, "IsIncremented")));
        Assert.InRange(first.Delta.IncrementedFileCount, 3, 1000);
        Assert.True(first.Backup.UncompressedSize < full.Backup.UncompressedSize, "the delta is no smaller than the full backup");
        Assert.Equal(0, first.CorruptBlockCount);
        // Members are exactly the files that are not skipped.
        var members = (await fixture.MembersAsync(first)).Where(tar => tar.Key.StartsWith("part_", StringComparison.Ordinal))
            .SelectMany(tar => tar.Value).Order(StringComparer.Ordinal);
        Assert.Equal(
            files.Where(file => !Is(file, "IsSkipped")).Select(file => file.Name).Order(StringComparer.Ordinal), members);
    }

    private static bool Is(JsonProperty file, string flag) => file.Value.GetProperty(flag).GetBoolean();
}
