namespace WalRus.Tests.EndToEnd;

/// <summary>
/// kill -9 at random moments of a push, a backup and a restore: the archive stays consistent, nothing half-visible, and
/// the next try succeeds. WALRUS_TEST_KILLS sets how many for each operation and store.
/// </summary>
public sealed class KillTests
{
    private const string Segment = "000000010000000000000001";

    [Theory]
    [InlineData("folder")]
    [InlineData("bucket")]
    public async Task A_push_that_is_killed_leaves_no_object_or_a_whole_one(string kind)
    {
        await using var place = await ArchivePlace.NewAsync(kind);
        using var folder = new TemporaryFolder();
        var environment = place.Settings;
        var segment = folder["pg_wal", Segment];
        Directory.CreateDirectory(folder["pg_wal"]);
        File.WriteAllBytes(segment, SyntheticWal.Segment(Segment, WalRus.Postgres.WalSegmentSize.Default));
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        string[] arguments = ["wal-push", segment];
        var moments = new KillMoments(9);
        await moments.MeasureAsync(arguments, environment);

        while (moments.Next())
        {
            await place.RemoveAsync();
            await moments.KillAsync(arguments, environment);
            if ((await place.KeysAsync()).Length > 0)
            {
                await WalRusProgram.SucceedAsync(environment, "wal-fetch", Segment, folder["fetched"]);
                Assert.Equal(File.ReadAllBytes(segment), File.ReadAllBytes(folder["fetched"]));
            }

            await WalRusProgram.SucceedAsync(environment, "wal-push", segment);
            Assert.Equal([$"wal_005/{Segment}.lz4"], await place.KeysAsync());
        }
    }

    [Theory]
    [InlineData("folder")]
    [InlineData("bucket")]
    public async Task A_backup_that_is_killed_is_not_listed_and_the_next_one_succeeds(string kind)
    {
        await using var place = await ArchivePlace.NewAsync(kind);
        await using var archived = await ArchivedCluster.StartAsync(15, place.Settings);
        var data = archived.Cluster.DataDirectory;
        string[] arguments = ["backup-push", data];
        var moments = new KillMoments(9);
        await moments.MeasureAsync(arguments, archived.Environment);

        while (moments.Next())
        {
            var before = await ListedAsync(archived.Environment);
            var was = await moments.KillAsync(arguments, archived.Environment);
            var after = await ListedAsync(archived.Environment);

            Assert.True(was ? after.Length - before.Length is 0 or 1 : after.Length == before.Length + 1, moments.Where);
        }

        await archived.WalRusAsync("backup-push", data);
        await using var recovered = await archived.RecoverAsync("LATEST", "--target-immediate");
        Assert.Equal(1, await recovered.ScalarAsync<int>("SELECT 1"));
    }

    /// <summary>All backups from one restartpoint have one name: what the killed one left is in the way of the next.</summary>
    [Theory]
    [InlineData("folder")]
    [InlineData("bucket")]
    public async Task A_standbys_backup_that_is_killed_is_made_again_under_its_name(string kind)
    {
        await using var place = await ArchivePlace.NewAsync(kind);
        await using var primary = await PostgresCluster.StartAsync();
        await using var standby = await primary.CreateStandbyAsync();
        var environment = new Dictionary<string, string>(place.Settings)
        {
            ["PGHOST"] = standby.Host,
            ["PGPORT"] = $"{standby.Port}",
            ["PGUSER"] = standby.User,
        };
        string[] arguments = ["backup-push", standby.DataDirectory];
        var moments = new KillMoments(5) { Since = ("Starting backup", 1), Within = (0, 0.9) };
        await moments.MeasureAsync(arguments, environment);

        var remnants = 0;
        while (moments.Next())
        {
            await place.RemoveAsync("basebackups_005/");
            await moments.KillAsync(arguments, environment);
            if ((await ListedAsync(environment)).Length == 0)
            {
                remnants += (await place.KeysAsync()).Length > 0 ? 1 : 0;
                await WalRusProgram.SucceedAsync(environment, arguments);
            }

            using var folder = new TemporaryFolder();
            await ArchivedCluster.GiveToServerAsync(folder.FullName);
            await WalRusProgram.SucceedAsync(environment, "backup-fetch", folder["data"], "LATEST");
        }

        Assert.True(remnants > 0, $"no killed backup left anything, {moments.Where}");
    }

    [Theory]
    [InlineData("folder")]
    [InlineData("bucket")]
    public async Task A_restore_that_is_killed_cannot_be_started_and_the_next_one_succeeds(string kind)
    {
        await using var place = await ArchivePlace.NewAsync(kind);
        await using var archived = await ArchivedCluster.StartAsync(15, place.Settings);
        await archived.WalRusAsync("backup-push", archived.Cluster.DataDirectory);
        using var folder = new TemporaryFolder();
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        var moments = new KillMoments(9);
        await moments.MeasureAsync(["backup-fetch", folder["first"], "LATEST"], archived.Environment);

        var destination = folder["data"];
        var control = Path.Combine(destination, "global", "pg_control");
        while (moments.Next())
        {
            // Over what the killed one before left, unless that had ended.
            DeleteFinished();
            if (await moments.KillAsync(["backup-fetch", destination, "LATEST"], archived.Environment))
            {
                // pg_control is the last file of all: without it PostgreSQL does not start.
                Assert.True(!File.Exists(control) || IsWhole(destination, folder["first"]), moments.Where);
            }
        }

        DeleteFinished();
        await archived.WalRusAsync("backup-fetch", destination, "LATEST");
        Assert.True(IsWhole(destination, folder["first"]), moments.Where);
        moments.Report($"restore from a {kind}");
        await using var recovered = await archived.RecoverAsync("LATEST", "--target-immediate");
        Assert.Equal(1, await recovered.ScalarAsync<int>("SELECT 1"));

        void DeleteFinished()
        {
            if (File.Exists(control))
            {
                Directory.Delete(destination, recursive: true);
            }
        }
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    public async Task A_backup_or_restore_that_is_asked_to_stop_cleans_up_after_itself(string signal)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Signals of Unix.");
        await using var place = await ArchivePlace.NewAsync("folder");
        await using var archived = await ArchivedCluster.StartAsync(15, place.Settings);
        var slow = new Dictionary<string, string>(archived.Environment)
        {
            ["WALG_DISK_RATE_LIMIT"] = "2000000",
            ["WALG_NETWORK_RATE_LIMIT"] = "400000",
        };
        var stopped = await WalRusProgram.RunAndSignalAsync(
            signal, "Starting backup", slow, "backup-push", archived.Cluster.DataDirectory);
        Assert.Equal(1, stopped.ExitCode);
        Assert.Contains("Stopped by a signal", stopped.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain(await place.KeysAsync(), key => key.StartsWith("basebackups_005/", StringComparison.Ordinal));
        await PostgresCluster.UntilAsync(async () => 0 == await archived.Cluster.ScalarAsync<long>(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'walrus'"));

        await archived.WalRusAsync("backup-push", archived.Cluster.DataDirectory);
        using var folder = new TemporaryFolder();
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        stopped = await WalRusProgram.RunAndSignalAsync(signal, "Restoring base_", slow, "backup-fetch", folder["data"], "LATEST");
        Assert.Equal(1, stopped.ExitCode);
        Assert.False(Directory.Exists(folder["data"]));
    }

    private static bool IsWhole(string destination, string reference) =>
        Directory.EnumerateFiles(reference, "*", SearchOption.AllDirectories)
            .All(file => new FileInfo(Path.Combine(destination, Path.GetRelativePath(reference, file))) is { Exists: true } copy
                && copy.Length == new FileInfo(file).Length);

    /// <summary>The backups' lines, without the heading.</summary>
    private static async Task<string[]> ListedAsync(IReadOnlyDictionary<string, string> environment) =>
        (await WalRusProgram.SucceedAsync(environment, "backup-list"))
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Where(line => line.StartsWith("base_", StringComparison.Ordinal)).ToArray();
}
