namespace WalRus.Tests.EndToEnd;

/// <summary>PostgreSQL takes a failed restore_command for the end of the archive; the one that walrus writes tells the two apart.</summary>
public sealed class RecoveryStopTests
{
    [Fact]
    public async Task A_segment_that_cannot_be_read_stops_a_recovery_instead_of_ending_it_early()
    {
        await using var archived = await ArchivedCluster.StartAsync(15);
        var cluster = archived.Cluster;
        await archived.WalRusAsync("backup-push", cluster.DataDirectory);
        await cluster.ExecuteAsync("CREATE TABLE newest AS SELECT 1 AS x");
        var last = await cluster.SwitchWalAsync();
        await cluster.KillAsync();
        var path = Directory.EnumerateFiles(Path.Combine(archived.ArchiveFolder, "wal_005"), last + "*").Single();
        var whole = await File.ReadAllBytesAsync(path);
        await File.WriteAllBytesAsync(path, whole[..(whole.Length / 2)]);

        await using var restored = await PostgresCluster.OverExistingAsync(new PostgresClusterOptions
        {
            Major = cluster.Major,
            Archiving = false,
            Environment = archived.Environment,
        });
        await archived.WalRusAsync("backup-fetch", restored.DataDirectory, "LATEST", "--recover");
        restored.WriteSettings();
        await restored.TakeOwnershipAsync();
        try
        {
            await restored.StartAsync();
        }
        catch (InvalidOperationException)
        {
            // It may stop before it says that it has started.
        }

        await PostgresCluster.UntilAsync(() => Task.FromResult(!restored.IsRunning));
        Assert.True(File.Exists(Path.Combine(restored.DataDirectory, "recovery.signal")));
        Assert.Contains($"exit code {ErrorCodes.ExitStopsRecovery}", restored.LogTail(), StringComparison.Ordinal);

        await File.WriteAllBytesAsync(path, whole);
        await restored.StartAsync();
        await PostgresCluster.UntilAsync(async () => !await restored.ScalarAsync<bool>("SELECT pg_is_in_recovery()"));
        Assert.Equal(1, await restored.ScalarAsync<int>("SELECT x FROM newest"));
    }

    [Fact]
    public async Task Without_the_flag_every_failure_keeps_the_exit_codes_of_wal_g()
    {
        using var folder = new TemporaryFolder();
        var settings = new Dictionary<string, string> { ["WALG_FILE_PREFIX"] = folder["none"], ["WALG_PREFETCH_DIR"] = folder.FullName };
        string[] fetch = ["wal-fetch", "0000000100000000000000A1", folder["x"]];
        var plain = (await WalRusProgram.RunAsync(fetch, settings)).ExitCode;
        var stopping = (await WalRusProgram.RunAsync([.. fetch, "--stop-recovery"], settings)).ExitCode;
        Assert.Equal((1, ErrorCodes.ExitStopsRecovery), (plain, stopping));

        Directory.CreateDirectory(folder["none"]);
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        Assert.Equal(ErrorCodes.ExitWalNotFound, (await WalRusProgram.RunAsync([.. fetch, "--stop-recovery"], settings)).ExitCode);
    }
}
