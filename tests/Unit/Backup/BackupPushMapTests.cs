using System.Collections.Concurrent;
using WalRus.Backup;
using WalRus.Delta;
using WalRus.Storage;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

/// <summary>Deltas whose changed blocks are known from WAL and from the server's summaries, of a real server, restored.</summary>
public sealed class BackupPushMapTests : IDisposable
{
    private const string Setup = """
        CREATE TABLE account AS SELECT n AS id, 1000 AS balance, repeat('x', 500) AS filler FROM generate_series(1, 30000) AS n;
        CREATE INDEX ON account (id);
        CREATE TABLE quiet AS SELECT n, md5(n::text) FROM generate_series(1, 100000) AS n;
        CREATE TABLE regrown AS SELECT n, repeat('y', 1000) AS filler FROM generate_series(1, 5000) AS n;
        """;

    private const string Answer = """
        SELECT md5(string_agg(a::text, ',' ORDER BY a.id)) || (SELECT md5(string_agg(q::text, ',' ORDER BY q.n)) FROM quiet AS q)
            || (SELECT md5(string_agg(r::text, ',' ORDER BY r.n)) FROM regrown AS r) FROM account AS a
        """;

    private readonly BackupPushFixture fixture = new();
    private readonly ConcurrentBag<string> opened = [];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => fixture.Dispose();

    [Fact]
    public async Task Deltas_by_wal_and_by_summaries_read_what_changed_and_restore_to_the_primarys_data()
    {
        var settings = new Dictionary<string, string> { ["summarize_wal"] = "on", ["wal_keep_size"] = "1GB", ["wal_log_hints"] = "on" };
        await using var cluster = await PostgresCluster.StartAsync(new() { Major = 18, Settings = settings });
        await cluster.ExecuteAsync(Setup);
        await cluster.ExecuteAsync("VACUUM FREEZE");
        var parent = await PushAsync(cluster, PageLsnSource.OpenAsync);
        var quiet = Path.Combine(cluster.DataDirectory, await cluster.ScalarAsync<string>("SELECT pg_relation_filepath('quiet')"));
        var shared = Path.Combine(cluster.DataDirectory, await cluster.ScalarAsync<string>("SELECT pg_relation_filepath('pg_authid')"));
        var file = Path.Combine(cluster.WorkFolder, "rows");
        await File.WriteAllLinesAsync(file, Enumerable.Range(1, 2000).Select(n => $"{n}\t{new string('r', 1000)}"), Token);

        foreach (var (open, name) in new[]
        {
            (WalMapSource.FromWal(fixture.Archive, fixture.Log), "WAL map"),
            (WalMapSource.FromSummaries(fixture.Archive, fixture.Log), "WAL summaries"),
        })
        {
            await cluster.ExecuteAsync("UPDATE account SET balance = balance + 1 WHERE id % 3000 = 7");
            await cluster.ExecuteAsync("DELETE FROM regrown WHERE n > 100");
            await cluster.ExecuteAsync("VACUUM regrown");
            await cluster.ExecuteAsync($"COPY regrown FROM '{file}'");
            Touch(quiet, shared);
            var result = await PushAsync(cluster, open);
            var delta = result.Delta!;
            Assert.Equal((name, null), (delta.BlockSource, delta.BlockSourceFallback));
            await OnlyChangedTablesAreOpenedAsync(cluster, parent);
            Assert.DoesNotContain(quiet, opened);
            Assert.DoesNotContain(shared, opened);
            parent = result;

            // Of what was cut off all is looked at; of the large tables the few pages that changed.
            var regrown = await cluster.ScalarAsync<long>("SELECT pg_relation_size('regrown')");
            Assert.InRange(delta.ScannedBytes, 10 * 8192, regrown + (300 * 8192));
        }

        // The same for who does not know: it has to look into a file that is merely newer.
        Touch(quiet, shared);
        await PushAsync(cluster, PageLsnSource.OpenAsync);
        Assert.Contains(quiet, opened);
        Assert.Contains(shared, opened);

        var expected = await cluster.ScalarAsync<string>(Answer);
        await cluster.SwitchWalAsync();
        await using var restored = await RestoreAsync(cluster);
        Assert.Equal(expected, await restored.ScalarAsync<string>(Answer));
        await restored.StopAsync();
        await restored.Programs.RunAsync("pg_checksums", ["--check", "-D", restored.DataDirectory]);
    }

    [Fact]
    public async Task Without_summaries_every_page_is_looked_at_with_a_warning_or_the_backup_fails_as_told()
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { Major = 18 });
        await cluster.ExecuteAsync("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n");
        var source = WalMapSource.FromSummaries(fixture.Archive, fixture.Log, summaryTimeout: TimeSpan.Zero);
        await PushAsync(cluster, source);
        await cluster.ExecuteAsync("UPDATE t SET n = n + 1");
        var delta = await PushAsync(cluster, source);
        Assert.Equal("page LSNs", delta.Delta!.BlockSource);
        Assert.Contains("summarize_wal is off", delta.Delta.BlockSourceFallback, StringComparison.Ordinal);
        Assert.Contains(nameof(LogEvents.BackupWarning), fixture.Log.Names);

        fixture.Options = fixture.Options with { Delta = fixture.Options.Delta with { RequireSource = true } };
        var refused = await Assert.ThrowsAsync<WalRusException>(() => fixture.PushAsync(cluster));
        Assert.Equal(ErrorCode.ChangedBlocksUnknown, refused.Code);
    }

    private Task<BackupPushResult> PushAsync(PostgresCluster cluster, ChangedBlockSourceOpener open)
    {
        fixture.Options = fixture.Options with { Delta = new() { MaxSteps = 5, OpenSource = open } };
        opened.Clear();
        return fixture.PushAsync(cluster, (path, size) =>
        {
            opened.Add(path);
            return DataFile.TryOpen(path, size);
        });
    }

    private static void Touch(params string[] files)
    {
        foreach (var file in files)
        {
            File.SetLastWriteTimeUtc(file, DateTime.UtcNow);
        }
    }

    /// <summary>Each segment file that was opened has a page that changed since the parent, or is none of the parent's.</summary>
    private async Task OnlyChangedTablesAreOpenedAsync(PostgresCluster cluster, BackupPushResult parent)
    {
        var files = (await fixture.FilesAsync(parent)).GetProperty("Files");
        var tables = 0;
        foreach (var path in opened)
        {
            var name = "/" + Path.GetRelativePath(cluster.DataDirectory, path);
            if (RelationSegment.TryParse(name, out _))
            {
                tables++;
                var content = await File.ReadAllBytesAsync(path, Token);
                Assert.True(
                    !files.TryGetProperty(name, out _)
                        || content.Chunk(8192).Any(page => PageChange.Of(page, parent.Backup.StartLsn) != PageState.Unchanged),
                    $"{name} did not change and was opened.");
            }
        }

        Assert.True(tables > 1, "No table was opened at all.");
    }

    private async Task<PostgresCluster> RestoreAsync(PostgresCluster origin)
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
            var names = (await fixture.KeysAsync()).Where(key => key.EndsWith("_backup_stop_sentinel.json", StringComparison.Ordinal)).Order(StringComparer.Ordinal);
            using var buffers = new NativeBufferPool(16 << 20);
            await new BackupFetch(fixture.Archive, new BackupFetchOptions { Fsync = false }, buffers, fixture.Log).RunAsync(
                new BackupFetchRequest { Name = WalGLayout.SentinelOwner(ObjectKey.Parse(names.Last()))!.Value, Destination = restored.DataDirectory }, Token);
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
}
