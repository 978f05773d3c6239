using WalRus.Backup;
using WalRus.Delta;
using WalRus.Postgres;
using WalRus.Tests.Contracts;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

/// <summary>What a real server's delta does about a parent that is not, or no longer, its own.</summary>
public sealed class DeltaParentTests : IAsyncLifetime
{
    private readonly BackupPushFixture fixture = new();
    private PostgresCluster cluster = null!;
    private BackupPushResult full = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private BackupPushRequest Request => BackupPushFixture.RequestFor(cluster);

    public async ValueTask InitializeAsync()
    {
        fixture.Options = fixture.Options with { Delta = new() { MaxSteps = 3 } };
        cluster = await PostgresCluster.StartAsync(new() { Major = 15, DataChecksums = false });
        await cluster.ExecuteAsync("CREATE TABLE t AS SELECT n, repeat('x', 200) FROM generate_series(1, 5000) AS n; CHECKPOINT");
        full = await fixture.PushAsync(cluster);
    }

    public async ValueTask DisposeAsync()
    {
        await cluster.DisposeAsync();
        fixture.Dispose();
    }

    [Fact]
    public async Task A_parent_of_another_cluster_or_ahead_of_the_server_is_refused_and_nothing_is_left()
    {
        var keys = await fixture.KeysAsync();
        await RewriteAsync(sentinel => sentinel with { SystemIdentifier = 12345 });
        var refused = await fixture.PushAsync(cluster).FailsAsync(ErrorCode.BackupParentUnusable);
        Assert.Contains("12345", refused.Message, StringComparison.Ordinal);
        await RewriteAsync(sentinel => sentinel with { FinishLsn = new Lsn(0xFF000000) });
        refused = await fixture.PushAsync(cluster).FailsAsync(ErrorCode.BackupParentUnusable);
        Assert.Contains("0/FF000000", refused.Message, StringComparison.Ordinal);
        await RewriteAsync(sentinel => sentinel with { PgVersion = 140001 });
        await fixture.PushAsync(cluster).FailsAsync(ErrorCode.BackupParentUnusable);
        Assert.Equal(keys, await fixture.KeysAsync());
        Assert.False(await cluster.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'walrus')"));
    }

    [Fact]
    public async Task A_parent_deleted_meanwhile_is_an_error_that_leaves_no_delta()
    {
        var isDeleted = false;
        IDataFile? Open(string path, long size)
        {
            if (!isDeleted)
            {
                isDeleted = true;
                File.Delete(fixture.Folder["archive", WalGLayout.Sentinel(full.Backup.Name).ToString()]);
            }

            return DataFile.TryOpen(path, size);
        }

        var refused = await fixture.PushAsync(cluster, Open).FailsAsync(ErrorCode.BackupParentUnusable);
        Assert.Contains("was deleted", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(await fixture.KeysAsync(), key => key.Contains("_D_", StringComparison.Ordinal));
        Assert.Null((await fixture.PushAsync(cluster)).Delta);
    }

    [Fact]
    public async Task A_permanent_delta_makes_its_chain_permanent()
    {
        var first = await fixture.PushAsync(cluster);
        var second = await fixture.PushAsync(cluster, Request with { Permanent = true });
        Assert.Equal(first.Backup.Name.ToString(), second.Delta!.Parent);
        foreach (var made in (BackupPushResult[])[full, first, second])
        {
            Assert.True((await fixture.JsonAsync(WalGLayout.Metadata(made.Backup.Name))).GetProperty("is_permanent").GetBoolean());
        }

        Assert.False((await fixture.SentinelAsync(full)).GetProperty("IsPermanent").GetBoolean());
    }

    [Fact]
    public async Task What_a_backup_would_be_is_said_without_making_it()
    {
        var push = new BackupPush(fixture.Archive, cluster.Settings(), fixture.Options, fixture.Log);
        var keys = await fixture.KeysAsync();
        var plan = await push.PlanAsync(Request, Token);
        Assert.Equal(full.Backup.Name, plan.Parent!.Name);
        Assert.Contains("number 1", plan.Reason, StringComparison.Ordinal);
        Assert.Null((await push.PlanAsync(Request with { Full = true }, Token)).Parent);
        await RewriteAsync(sentinel => sentinel with { SystemIdentifier = 12345 });
        await push.PlanAsync(Request, Token).FailsAsync(ErrorCode.BackupParentUnusable);
        Assert.Equal(keys, await fixture.KeysAsync());
    }

    /// <summary>Its pages have the LSNs of the template, which are older than the parent; only the OID is the dropped one's.</summary>
    [Fact]
    public async Task A_database_made_anew_under_a_dropped_ones_oid_is_taken_whole()
    {
        await cluster.ExecuteAsync("CREATE DATABASE shape");
        await cluster.ExecuteAsync("CREATE TABLE t AS SELECT n, 'new' AS v FROM generate_series(1, 3000) AS n", "shape");
        await cluster.ExecuteAsync("CREATE DATABASE taken OID = 54321 TEMPLATE template1");
        await cluster.ExecuteAsync("CREATE TABLE t AS SELECT n, 'old' AS v FROM generate_series(1, 3000) AS n", "taken");
        await cluster.ExecuteAsync("CHECKPOINT");
        full = await fixture.PushAsync(cluster, Request with { Full = true });
        await cluster.ExecuteAsync("DROP DATABASE taken");
        await cluster.ExecuteAsync("CREATE DATABASE taken OID = 54321 TEMPLATE shape STRATEGY = file_copy");
        var delta = await fixture.PushAsync(cluster);
        Assert.NotNull(delta.Delta);

        var folder = fixture.Folder["restored"];
        await DeltaChain.ExtractAsync(fixture, folder, full, delta);
        foreach (var path in Directory.EnumerateFiles(Path.Combine(cluster.DataDirectory, "base", "54321")))
        {
            var name = Path.GetFileName(path);
            if (uint.TryParse(name, out _))
            {
                Assert.True(
                    File.ReadAllBytes(path).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(folder, "base", "54321", name))), name);
            }
        }
    }

    [Fact]
    public async Task Checksums_turned_on_since_the_parent_make_a_full_backup()
    {
        await cluster.StopAsync();
        await cluster.Programs.RunAsync("pg_checksums", ["--enable", "-D", cluster.DataDirectory]);
        await cluster.StartAsync();
        var made = await fixture.PushAsync(cluster);
        Assert.Null(made.Delta);
        Assert.Contains("checksums were turned on", made.Fallback, StringComparison.Ordinal);
        Assert.Contains(made.Warnings, warning => warning.Contains("checksums were turned on", StringComparison.Ordinal));
        Assert.NotNull((await fixture.PushAsync(cluster)).Delta);
    }

    [Fact]
    public async Task A_source_that_cannot_be_opened_is_a_warning_or_an_error_if_it_is_required()
    {
        var asked = new List<ChangedBlockRange>();
        var delta = fixture.Options.Delta with
        {
            OpenSource = (range, _) =>
            {
                asked.Add(range);
                throw new WalRusException(ErrorCode.ChangedBlocksUnknown, "The WAL is gone.");
            },
        };
        fixture.Options = fixture.Options with { Delta = delta };
        var made = await fixture.PushAsync(cluster);
        Assert.Equal((full.Backup.StartLsn, made.Backup.StartLsn), (asked[0].From, asked[0].To));
        Assert.Equal((131072, cluster.DataDirectory), (asked[0].FileBlocks, asked[0].DataDirectory));
        Assert.Equal("page LSNs", made.Delta!.BlockSource);
        Assert.Contains("The WAL is gone", made.Fallback, StringComparison.Ordinal);
        Assert.Contains(made.Warnings, warning => warning.Contains("The WAL is gone", StringComparison.Ordinal));
        fixture.Options = fixture.Options with { Delta = delta with { RequireSource = true } };
        await fixture.PushAsync(cluster).FailsAsync(ErrorCode.ChangedBlocksUnknown);
    }

    private async Task RewriteAsync(Func<BackupSentinel, BackupSentinel> change)
    {
        var key = WalGLayout.Sentinel(full.Backup.Name);
        var original = BackupSentinel.Parse(await fixture.Store.GetAsync(key.ToString())) with
        {
            SystemIdentifier = full.Backup.SystemIdentifier, FinishLsn = full.Backup.FinishLsn, PgVersion = full.Backup.PgVersion,
        };
        await fixture.Store.PutAsync(WalGLayout.Metadata(full.Backup.Name).ToString(), change(original).ToMetadata().ToJson());
        await fixture.Store.PutAsync(key.ToString(), change(original).ToJson());
    }
}
