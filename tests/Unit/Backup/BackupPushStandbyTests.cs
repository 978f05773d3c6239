using WalRus.Backup;
using WalRus.Postgres;
using WalRus.Tests.Contracts;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

/// <summary>Backups taken from a standby: names, collisions, and a promotion in the middle.</summary>
public sealed class BackupPushStandbyTests : IAsyncLifetime
{
    private readonly BackupPushFixture fixture = new();
    private PostgresCluster primary = null!;
    private PostgresCluster standby = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        primary = await PostgresCluster.StartAsync(new() { Major = 17 });
        await primary.ExecuteAsync("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n");
        standby = await primary.CreateStandbyAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await standby.DisposeAsync();
        await primary.DisposeAsync();
        fixture.Dispose();
    }

    [Fact]
    public async Task A_standbys_backup_is_named_after_its_restartpoint_and_restores()
    {
        var result = await fixture.PushAsync(standby);
        var redo = Lsn.Parse(await standby.ScalarAsync<string>("SELECT redo_lsn::text FROM pg_control_checkpoint()"));
        Assert.Equal(redo, result.Backup.StartLsn);
        Assert.Equal(
            WalFileName.FromLsn(new TimelineId(1), new Lsn(redo.Value - 1), WalSegmentSize.Default), result.Backup.StartSegment);

        // All that the standby's copy needs comes from the primary's archive.
        await primary.SwitchWalAsync();
        await using var restored = await PostgresCluster.OverExistingAsync(new()
        {
            Major = 17,
            Archiving = false,
            Settings = new Dictionary<string, string> { ["restore_command"] = $"cp \"{primary.ArchiveFolder}/%f\" \"%p\"" },
        });
        await fixture.ExtractAsync(result, restored.DataDirectory);
        await File.WriteAllTextAsync(Path.Combine(restored.DataDirectory, "recovery.signal"), "", Token);
        restored.WriteSettings();
        await restored.TakeOwnershipAsync();
        await restored.StartAsync();
        Assert.Equal(1000L, await restored.ScalarAsync<long>("SELECT count(*) FROM t"));
    }

    [Fact]
    public async Task A_second_backup_from_the_same_restartpoint_is_refused_and_the_first_stays()
    {
        var first = await fixture.PushAsync(standby);
        var keys = await fixture.KeysAsync();
        var failure = await fixture.PushAsync(standby).FailsAsync(ErrorCode.BackupExists);
        Assert.Contains("CHECKPOINT", failure.Hint, StringComparison.Ordinal);
        Assert.Equal(keys, await fixture.KeysAsync());

        // Its sentinel gone, what it left is still not mixed with.
        var sentinel = WalGLayout.Sentinel(first.Backup.Name);
        await fixture.Store.DeleteAsync([sentinel], Token);
        failure = await fixture.PushAsync(standby).FailsAsync(ErrorCode.BackupExists);
        Assert.Contains(Environment.MachineName, failure.Message, StringComparison.Ordinal);
        Assert.Equal(keys.Except([sentinel.ToString()]), await fixture.KeysAsync());

        await primary.ExecuteAsync("CREATE TABLE more AS SELECT 1 AS n; ");
        await primary.ExecuteAsync("CHECKPOINT");
        await primary.SwitchWalAsync();
        await primary.ExecuteAsync("CHECKPOINT");
        await PostgresCluster.UntilAsync(async () =>
        {
            await standby.ExecuteAsync("CHECKPOINT");
            return await standby.ScalarAsync<string>("SELECT redo_wal_file FROM pg_control_checkpoint()")
                != first.Backup.StartSegment.ToString();
        });
        var second = await fixture.PushAsync(standby);
        Assert.NotEqual(first.Backup.Name, second.Backup.Name);
    }

    [Fact]
    public async Task Of_two_backups_of_one_name_at_the_same_time_one_wins()
    {
        var outcomes = await Task.WhenAll(TryAsync(), TryAsync(), TryAsync());
        Assert.Equal(1, outcomes.Count(outcome => outcome is null));
        Assert.All(outcomes.Where(outcome => outcome is not null), outcome => Assert.Equal(ErrorCode.BackupExists, outcome!.Code));
        Assert.Single(await fixture.KeysAsync(), key => key.EndsWith("sentinel.json", StringComparison.Ordinal));
        Assert.Contains(await fixture.KeysAsync(), key => key.EndsWith("pg_control.tar", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_promotion_in_the_middle_fails_the_backup_and_leaves_nothing()
    {
        var promoted = 0;
        var push = fixture.PushAsync(standby, (path, size) =>
        {
            if (path.Contains("/base/", StringComparison.Ordinal) && Interlocked.Exchange(ref promoted, 1) == 0)
            {
                standby.PromoteAsync().GetAwaiter().GetResult();
            }

            return DataFile.TryOpen(path, size);
        });
        await push.FailsAsync(ErrorCode.PostgresTimelineChanged);
        Assert.Empty(await fixture.KeysAsync());
        Assert.Equal(2u, (await fixture.PushAsync(standby)).Backup.Timeline.Value);
    }

    [Fact]
    public async Task Connecting_to_the_other_node_of_a_cluster_is_noticed_though_the_paths_are_the_same()
    {
        // Both servers claim the same data directory, as two machines with the same layout do.
        var link = fixture.Folder["data"];
        Directory.CreateSymbolicLink(link, standby.DataDirectory);
        var facts = await FactsAsync(primary) with { DataDirectory = link };
        var refused = Assert.Throws<WalRusException>(() => DataDirectoryCheck.Resolve(link, facts));
        Assert.Equal(ErrorCode.DataDirectoryMismatch, refused.Code);
        Assert.Contains("standby", refused.Message, StringComparison.Ordinal);

        facts = await FactsAsync(standby) with { DataDirectory = link };
        Assert.Equal(standby.DataDirectory, DataDirectoryCheck.Resolve(link, facts));
        Assert.Throws<WalRusException>(
            () => DataDirectoryCheck.Resolve(link, facts with { PostmasterStarted = facts.PostmasterStarted.AddHours(1) }));
        Assert.Throws<WalRusException>(
            () => DataDirectoryCheck.Resolve(link, facts with { SystemIdentifier = 7 }));
    }

    private static async Task<ServerFacts> FactsAsync(PostgresCluster cluster)
    {
        await using var session = await PostgresSession.OpenAsync(cluster.Settings(), null, Token);
        return await ServerFacts.ReadAsync(session, Token);
    }

    private async Task<WalRusException?> TryAsync()
    {
        try
        {
            await fixture.PushAsync(standby);
            return null;
        }
        catch (WalRusException failure)
        {
            return failure;
        }
    }

    /// <summary>The parent ended before the promotion, so the new timeline has it in its past; one made later on the old does not.</summary>
    [Fact]
    public async Task A_delta_follows_a_promotion_only_from_a_parent_that_ended_before_it()
    {
        fixture.Options = fixture.Options with { Delta = new() { MaxSteps = 5 } };
        var full = await fixture.PushAsync(primary);
        await primary.ExecuteAsync("UPDATE t SET n = n + 1000");
        await PostgresCluster.UntilAsync(async () =>
            await standby.ScalarAsync<int>("SELECT min(n) FROM t") == 1001);
        await standby.PromoteAsync();
        await standby.ExecuteAsync("UPDATE t SET n = n + 1000 WHERE n > 1500");
        var delta = await fixture.PushAsync(standby);
        Assert.Equal(full.Backup.Name.ToString(), delta.Delta!.Parent);
        Assert.Equal(2u, delta.Backup.Timeline.Value);

        // The old primary goes on for itself.
        await primary.ExecuteAsync("UPDATE t SET n = 7; CHECKPOINT");
        var strange = await fixture.PushAsync(primary, BackupPushFixture.RequestFor(primary) with { Full = true });
        await standby.ExecuteAsync("CHECKPOINT");
        var made = await fixture.PushAsync(standby);
        Assert.Null(made.Delta);
        Assert.Contains("left timeline 1", made.Fallback, StringComparison.Ordinal);
        fixture.Options = fixture.Options with
        {
            Delta = fixture.Options.Delta with { FromName = strange.Backup.Name.ToString() },
        };
        await fixture.PushAsync(standby).FailsAsync(ErrorCode.BackupParentUnusable);
    }
}
