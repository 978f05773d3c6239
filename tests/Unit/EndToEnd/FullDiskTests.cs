namespace WalRus.Tests.EndToEnd;

/// <summary>A disk that is really full, at each place walrus writes to: a clear error, nothing half-visible, a retry.</summary>
public sealed class FullDiskTests
{
    private const string Segment = "000000010000000000000001";

    [Fact]
    public async Task A_push_to_a_full_disk_fails_and_succeeds_once_there_is_room()
    {
        using var disk = SmallDisk.Mount(24);
        using var folder = new TemporaryFolder();
        var environment = new Dictionary<string, string> { ["WALG_FILE_PREFIX"] = disk.Path };
        var segment = await WriteSegmentAsync(folder);
        disk.Fill(leave: 4 << 20);
        await FailsAsync(environment, disk.Path, "wal-push", segment);
        Assert.Empty(disk.Files());

        disk.Free();
        await WalRusProgram.SucceedAsync(environment, "wal-push", segment);
        await WalRusProgram.SucceedAsync(environment, "wal-fetch", Segment, folder["fetched"]);
        Assert.Equal(File.ReadAllBytes(segment), File.ReadAllBytes(folder["fetched"]));
    }

    [Fact]
    public async Task A_fetch_to_a_full_disk_leaves_what_was_there_and_succeeds_once_there_is_room()
    {
        using var disk = SmallDisk.Mount(40);
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["archive"]);
        var environment = new Dictionary<string, string> { ["WALG_FILE_PREFIX"] = folder["archive"] };
        var segment = await WriteSegmentAsync(folder);
        await WalRusProgram.SucceedAsync(environment, "wal-push", segment);
        var destination = Path.Combine(disk.Path, "RECOVERYXLOG");
        await File.WriteAllTextAsync(destination, "an earlier one", TestContext.Current.CancellationToken);
        await ArchivedCluster.GiveToServerAsync(destination);
        disk.Fill(leave: 4 << 20);
        await FailsAsync(environment, destination, "wal-fetch", Segment, destination);
        Assert.Equal(["RECOVERYXLOG"], disk.Files());
        Assert.Equal("an earlier one", await File.ReadAllTextAsync(destination, TestContext.Current.CancellationToken));

        disk.Free();
        await WalRusProgram.SucceedAsync(environment, "wal-fetch", Segment, destination);
        Assert.Equal(File.ReadAllBytes(segment), File.ReadAllBytes(destination));
    }

    [Theory]
    [InlineData(2 << 20)] // within the tars
    [InlineData(0)] // at the very first object
    public async Task A_backup_to_a_full_disk_fails_whole_and_succeeds_once_there_is_room(int leave)
    {
        await using var cluster = await FilledClusterAsync();
        using var disk = SmallDisk.Mount(64);
        var environment = SettingsOf(cluster, disk.Path);
        disk.Fill(leave);
        await FailsAsync(environment, disk.Path, "backup-push", cluster.DataDirectory);
        Assert.Empty(disk.Files());
        await PostgresCluster.UntilAsync(async () => 0 == await cluster.ScalarAsync<long>(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'walrus'"));

        disk.Free();
        await WalRusProgram.SucceedAsync(environment, "backup-push", cluster.DataDirectory);
        using var restored = new TemporaryFolder();
        await ArchivedCluster.GiveToServerAsync(restored.FullName);
        await WalRusProgram.SucceedAsync(environment, "backup-fetch", restored["data"], "LATEST");
        await AssertSameTableAsync(cluster, restored["data"]);
    }

    [Fact]
    public async Task A_backup_whose_spool_has_no_room_fails_whole_and_names_the_folder()
    {
        await using var cluster = await FilledClusterAsync();
        using var disk = SmallDisk.Mount(8);
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["archive"]);
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        var environment = SettingsOf(cluster, folder["archive"]);
        environment["TMPDIR"] = disk.Path;
        disk.Fill(leave: 32 << 10);
        await FailsAsync(environment, disk.Path, "backup-push", cluster.DataDirectory);
        Assert.Empty(Directory.EnumerateFiles(folder["archive"], "*", SearchOption.AllDirectories));

        disk.Free();
        await WalRusProgram.SucceedAsync(environment, "backup-push", cluster.DataDirectory);
        Assert.Empty(disk.Files());
    }

    [Fact]
    public async Task A_restore_to_a_full_disk_leaves_nothing_and_succeeds_once_there_is_room()
    {
        await using var cluster = await FilledClusterAsync();
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["archive"]);
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        var environment = SettingsOf(cluster, folder["archive"]);
        await WalRusProgram.SucceedAsync(environment, "backup-push", cluster.DataDirectory);

        using var disk = SmallDisk.Mount(96);
        var destination = Path.Combine(disk.Path, "data");
        disk.Fill(leave: 12 << 20);
        await FailsAsync(environment, destination, "backup-fetch", destination, "LATEST");
        Assert.Empty(disk.Files());

        disk.Free();
        await WalRusProgram.SucceedAsync(environment, "backup-fetch", destination, "LATEST");
        await AssertSameTableAsync(cluster, destination);
    }

    /// <summary>A failure as an operator wants it: exit code 1, what is full by name, what to do next, no stack.</summary>
    private static async Task FailsAsync(IReadOnlyDictionary<string, string> environment, string path, params string[] arguments)
    {
        var result = await WalRusProgram.RunAsync(arguments, environment);
        Assert.True(result.ExitCode == 1, $"ended with {result.ExitCode}: {result.Errors}");
        Assert.True(
            result.Errors.Contains($"There is no room left on the disk that holds '{path}", StringComparison.Ordinal), result.Errors);
        Assert.Contains("HINT", result.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Errors, StringComparison.Ordinal);
    }

    private static async Task<string> WriteSegmentAsync(TemporaryFolder folder)
    {
        Directory.CreateDirectory(folder["pg_wal"]);
        await File.WriteAllBytesAsync(
            folder["pg_wal", Segment],
            SyntheticWal.Segment(Segment, WalRus.Postgres.WalSegmentSize.Default),
            TestContext.Current.CancellationToken);
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        return folder["pg_wal", Segment];
    }

    /// <summary>A cluster with some megabytes that no codec makes much smaller.</summary>
    private static async Task<PostgresCluster> FilledClusterAsync()
    {
        var cluster = await PostgresCluster.StartAsync();
        await cluster.ExecuteAsync("CREATE TABLE filled AS SELECT md5(n::text) AS a, md5((-n)::text) AS b FROM generate_series(1, 100000) AS n");
        await cluster.ExecuteAsync("CHECKPOINT");
        return cluster;
    }

    private static Dictionary<string, string> SettingsOf(PostgresCluster cluster, string archive) => new()
    {
        ["WALG_FILE_PREFIX"] = archive,
        ["PGHOST"] = cluster.Host,
        ["PGPORT"] = $"{cluster.Port}",
        ["PGUSER"] = cluster.User,
    };

    private static async Task AssertSameTableAsync(PostgresCluster cluster, string restored)
    {
        var path = await cluster.ScalarAsync<string>("SELECT pg_relation_filepath('filled')");
        Assert.Equal(
            await File.ReadAllBytesAsync(Path.Combine(cluster.DataDirectory, path), TestContext.Current.CancellationToken),
            await File.ReadAllBytesAsync(Path.Combine(restored, path), TestContext.Current.CancellationToken));
    }
}
