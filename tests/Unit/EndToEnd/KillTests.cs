using System.Diagnostics;

namespace WalRus.Tests.EndToEnd;

/// <summary>
/// kill -9 at random moments of a push, a backup and a restore: the archive stays consistent, nothing half-visible, and
/// the next try succeeds. The seed is in the failure's text; WALRUS_TEST_KILLS sets how many for each operation and store.
/// </summary>
public sealed class KillTests
{
    private const string Segment = "000000010000000000000001";

    private static readonly int Kills =
        int.Parse(Environment.GetEnvironmentVariable("WALRUS_TEST_KILLS") ?? "9", System.Globalization.CultureInfo.InvariantCulture);

    private readonly int seed = Environment.TickCount;

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
        var usual = await MeasureAsync(() => WalRusProgram.SucceedAsync(environment, "wal-push", segment));
        var random = new Random(seed);

        for (var i = 0; i < Kills; i++)
        {
            await place.RemoveAsync();
            await WalRusProgram.RunAndKillAsync(["wal-push", segment], environment, usual * random.NextDouble());
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
        var usual = await MeasureAsync(() => archived.WalRusAsync("backup-push", data));
        var random = new Random(seed);

        var killed = 0;
        for (var i = 0; i < Kills; i++)
        {
            var before = await ListedAsync(archived.Environment);
            var was = await WalRusProgram.RunAndKillAsync(
                ["backup-push", data], archived.Environment, usual * random.NextDouble());
            killed += was ? 1 : 0;
            var after = await ListedAsync(archived.Environment);

            Assert.True(was ? after.Length - before.Length is 0 or 1 : after.Length == before.Length + 1, $"seed {seed}, kill {i}");
        }

        Assert.True(killed > 0, "no backup was killed in time");
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
        var usual = await MeasureAsync(() => WalRusProgram.SucceedAsync(environment, "backup-push", standby.DataDirectory));
        var random = new Random(seed);

        var remnants = 0;
        for (var i = 0; i < (Kills + 1) / 2; i++)
        {
            await place.RemoveAsync("basebackups_005/");
            await WalRusProgram.RunAndKillAsync(
                ["backup-push", standby.DataDirectory], environment, usual * (0.2 + (0.7 * random.NextDouble())));
            if ((await ListedAsync(environment)).Length == 0)
            {
                remnants += (await place.KeysAsync()).Length > 0 ? 1 : 0;
                await WalRusProgram.SucceedAsync(environment, "backup-push", standby.DataDirectory);
            }

            using var folder = new TemporaryFolder();
            await ArchivedCluster.GiveToServerAsync(folder.FullName);
            await WalRusProgram.SucceedAsync(environment, "backup-fetch", folder["data"], "LATEST");
        }

        Assert.True(remnants > 0, $"no killed backup left anything, seed {seed}");
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
        var usual = await MeasureAsync(() => archived.WalRusAsync("backup-fetch", folder["first"], "LATEST"));
        var random = new Random(seed);

        for (var i = 0; i < Kills; i++)
        {
            var destination = folder[$"r{i}"];
            var killed = await WalRusProgram.RunAndKillAsync(
                ["backup-fetch", destination, "LATEST"], archived.Environment, usual * random.NextDouble());
            if (killed)
            {
                // pg_control is the last file of all: without it PostgreSQL does not start.
                var control = Path.Combine(destination, "global", "pg_control");
                Assert.True(!File.Exists(control) || IsWhole(destination, folder["first"]), $"seed {seed}, kill {i}");
            }

            if (Directory.Exists(destination))
            {
                Directory.Delete(destination, recursive: true);
            }
        }

        await using var recovered = await archived.RecoverAsync("LATEST", "--target-immediate");
        Assert.Equal(1, await recovered.ScalarAsync<int>("SELECT 1"));
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

    private static async Task<TimeSpan> MeasureAsync(Func<Task> work)
    {
        var watch = Stopwatch.StartNew();
        await work();
        return watch.Elapsed;
    }
}
