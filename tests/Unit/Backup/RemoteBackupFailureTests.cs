using WalRus.Backup;
using WalRus.Protocol;
using WalRus.Tests.Contracts;

namespace WalRus.Tests.Backup;

/// <summary>What breaks a remote backup leaves nothing in the archive and no backup under way on the server.</summary>
public sealed class RemoteBackupFailureTests : IDisposable
{
    private readonly BackupPushFixture fixture = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => fixture.Dispose();

    [Fact]
    public async Task A_server_killed_in_the_middle_of_its_stream_leaves_nothing()
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { Major = 13 });
        await SlowlyAsync(cluster, () => cluster.KillAsync()).FailsAsync(ErrorCode.PostgresConnectionLost);
        Assert.Empty(await fixture.KeysAsync());
    }

    [Fact]
    public async Task A_cancelled_one_ends_at_once_here_and_on_the_server()
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { Major = 17 });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var push = SlowlyAsync(cluster, stop.CancelAsync, stop.Token);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => push);
        Assert.Empty(await fixture.KeysAsync());
        await PostgresCluster.UntilAsync(
            () => cluster.ScalarAsync<bool>("SELECT count(*) = 0 FROM pg_stat_progress_basebackup"));
        fixture.Options = fixture.Options with { DiskRateLimitBytesPerSecond = null };
        await fixture.PushAsync(cluster, new BackupPushRequest());
    }

    [Fact]
    public async Task A_promotion_in_the_middle_fails_it_and_leaves_nothing()
    {
        await using var primary = await PostgresCluster.StartAsync(new() { Major = 17 });
        await using var standby = await primary.CreateStandbyAsync();
        await SlowlyAsync(standby, () => standby.PromoteAsync(), rate: 8 << 20).FailsAsync(ErrorCode.PostgresTimelineChanged);
        Assert.Empty(await fixture.KeysAsync());
        fixture.Options = fixture.Options with { DiskRateLimitBytesPerSecond = null };
        Assert.Equal(2u, (await fixture.PushAsync(standby, new BackupPushRequest())).Backup.Timeline.Value);
    }

    [Fact]
    public async Task A_standbys_restores_and_a_second_of_the_same_restartpoint_is_refused()
    {
        await using var primary = await PostgresCluster.StartAsync(new() { Major = 17 });
        await primary.ExecuteAsync("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n");
        await using var standby = await primary.CreateStandbyAsync();
        var result = await fixture.PushAsync(standby, new BackupPushRequest());
        var keys = await fixture.KeysAsync();
        await fixture.PushAsync(standby, new BackupPushRequest()).FailsAsync(ErrorCode.BackupExists);
        Assert.Equal(keys, await fixture.KeysAsync());

        await primary.SwitchWalAsync();
        await using var restored = await RemoteRestore.FetchAsync(fixture, result, primary);
        await restored.Programs.RunAsync("pg_verifybackup", ["--no-parse-wal", restored.DataDirectory]);
        await RemoteRestore.StartAsync(restored);
        Assert.Equal(1000L, await restored.ScalarAsync<long>("SELECT count(*) FROM t"));
    }

    [Fact]
    public async Task WAL_that_is_not_archived_within_the_limit_fails_it()
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { Major = 15, ArchiveCommand = "false" });
        fixture.Options = fixture.Options with { StopBackupTimeout = TimeSpan.FromSeconds(2) };
        var failure = await fixture.PushAsync(cluster, new BackupPushRequest()).FailsAsync(ErrorCode.DeadlineExceeded);
        Assert.Contains("archived", failure.Message, StringComparison.Ordinal);
        Assert.Empty(await fixture.KeysAsync());
    }

    [Fact]
    public async Task Pages_that_the_server_finds_corrupt_are_counted_and_kept_as_they_are()
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { Major = 13 });
        await cluster.ExecuteAsync("CREATE TABLE t AS SELECT n, repeat('x', 700) AS filler FROM generate_series(1, 1000) AS n");
        var file = await cluster.ScalarAsync<string>("SELECT pg_relation_filepath('t')");
        await cluster.StopAsync();
        await using (var table = new FileStream(Path.Combine(cluster.DataDirectory, file), FileMode.Open))
        {
            foreach (var block in new[] { 3, 5, 20 })
            {
                table.Position = (block * 8192) + 5000;
                table.WriteByte((byte)'?');
            }
        }

        await cluster.StartAsync();
        var result = await fixture.PushAsync(cluster, new BackupPushRequest { VerifyPageChecksums = true });
        Assert.Equal(3, result.CorruptBlockCount);
        Assert.True(result.ChecksumsVerified);
        Assert.Contains(result.Warnings, warning => warning.Contains(file, StringComparison.Ordinal));
        await using var restored = await RemoteRestore.FetchAsync(fixture, result, cluster);
        Assert.Equal(
            await File.ReadAllBytesAsync(Path.Combine(cluster.DataDirectory, file), Token),
            await File.ReadAllBytesAsync(Path.Combine(restored.DataDirectory, file), Token));

        // Not asked for: not noticed, as with wal-g.
        Assert.Equal(0, (await fixture.PushAsync(cluster, new BackupPushRequest())).CorruptBlockCount);
    }

    [Fact]
    public async Task Roles_are_told_what_they_lack_and_a_role_with_no_more_than_that_is_enough()
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { Major = 15 });
        await cluster.ExecuteAsync("CREATE ROLE keeper LOGIN");
        await PushAsAsync(cluster, "keeper").FailsAsync(ErrorCode.PostgresPrivilegeMissing);
        await cluster.ExecuteAsync("ALTER ROLE keeper REPLICATION");
        var failure = await PushAsAsync(cluster, "keeper").FailsAsync(ErrorCode.PostgresPrivilegeMissing);
        Assert.Equal("As a superuser: GRANT pg_read_all_settings TO <role>;", failure.Hint);
        await cluster.ExecuteAsync("GRANT pg_read_all_settings TO keeper");
        await PushAsAsync(cluster, "keeper");
    }

    [Fact]
    public async Task A_tablespace_in_place_is_a_folder_like_any_other()
    {
        await using var cluster = await PostgresCluster.StartAsync(new()
        {
            Major = 17,
            Settings = new Dictionary<string, string> { ["allow_in_place_tablespaces"] = "on" },
        });
        await cluster.ExecuteAsync("CREATE TABLESPACE inside LOCATION ''");
        await cluster.ExecuteAsync("CREATE TABLE t TABLESPACE inside AS SELECT generate_series(1, 1000) AS n");
        var result = await fixture.PushAsync(cluster, new BackupPushRequest());
        Assert.Empty((await fixture.SentinelAsync(result)).GetProperty("Spec").GetProperty("tablespaces").EnumerateArray());
        await cluster.SwitchWalAsync();
        await using var restored = await RemoteRestore.FetchAsync(fixture, result, cluster);
        await restored.Programs.RunAsync("pg_verifybackup", ["--no-parse-wal", restored.DataDirectory]);
        await RemoteRestore.StartAsync(restored);
        Assert.Equal(1000L, await restored.ScalarAsync<long>("SELECT count(*) FROM t"));
    }

    private Task<BackupPushResult> PushAsAsync(PostgresCluster cluster, string role) =>
        new BackupPush(fixture.Archive, cluster.Settings(role), fixture.Options, fixture.Log).RunAsync(new BackupPushRequest(), Token);

    /// <summary>A backup at a rate that takes seconds; something happens once its data flows.</summary>
    private async Task<BackupPushResult> SlowlyAsync(
        PostgresCluster cluster, Func<Task> happening, CancellationToken? cancellationToken = null, long rate = 2 << 20)
    {
        fixture.Options = fixture.Options with { DiskRateLimitBytesPerSecond = rate };
        var flows = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var progress = new ActionProgress(step =>
        {
            if (step.BytesDone > 0)
            {
                flows.TrySetResult();
            }
        });
        var push = fixture.PushAsync(cluster, new BackupPushRequest { Progress = progress }, cancellationToken);
        await Task.WhenAny(push, flows.Task);
        if (flows.Task.IsCompleted)
        {
            await happening();
        }

        return await push;
    }

    private sealed class ActionProgress(Action<TransferProgress> report) : IProgress<TransferProgress>
    {
        public void Report(TransferProgress value) => report(value);
    }
}
