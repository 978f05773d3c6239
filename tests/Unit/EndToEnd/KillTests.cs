using System.Diagnostics;

namespace WalRus.Tests.EndToEnd;

/// <summary>
/// kill -9 at random moments of a push, a backup and a restore: the archive stays consistent, nothing half-visible, and
/// the next try succeeds. The seed is in the failure's text; WALRUS_TEST_KILLS sets how many.
/// </summary>
public sealed class KillTests
{
    private static readonly int Kills =
        int.Parse(Environment.GetEnvironmentVariable("WALRUS_TEST_KILLS") ?? "17", System.Globalization.CultureInfo.InvariantCulture);

    private readonly int seed = Environment.TickCount;

    [Fact]
    public async Task A_push_that_is_killed_leaves_no_object_or_a_whole_one()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["archive"]);
        var environment = new Dictionary<string, string> { ["WALG_FILE_PREFIX"] = folder["archive"] };
        const string name = "000000010000000000000001";
        var size = WalRus.Postgres.WalSegmentSize.Default;
        Directory.CreateDirectory(folder["pg_wal"]);
        File.WriteAllBytes(folder["pg_wal", name], SyntheticWal.Segment(name, size));
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        var usual = await MeasureAsync(() => WalRusProgram.SucceedAsync(environment, "wal-push", folder["pg_wal", name]));
        var random = new Random(seed);

        for (var i = 0; i < Kills; i++)
        {
            Directory.Delete(folder["archive"], recursive: true);
            Directory.CreateDirectory(folder["archive"]);
            await ArchivedCluster.GiveToServerAsync(folder["archive"]);
            await WalRusProgram.RunAndKillAsync(["wal-push", folder["pg_wal", name]], environment, usual * random.NextDouble());

            var visible = VisibleObjects(folder["archive"]);
            if (visible.Length > 0)
            {
                await WalRusProgram.SucceedAsync(environment, "wal-fetch", name, folder["fetched"]);
                Assert.Equal(File.ReadAllBytes(folder["pg_wal", name]), File.ReadAllBytes(folder["fetched"]));
            }

            await WalRusProgram.SucceedAsync(environment, "wal-push", folder["pg_wal", name]);
            Assert.Equal([$"wal_005/{name}.lz4"], VisibleObjects(folder["archive"]));
        }
    }

    [Fact]
    public async Task A_backup_that_is_killed_is_not_listed_and_the_next_one_succeeds()
    {
        await using var archived = await ArchivedCluster.StartAsync(15);
        var data = archived.Cluster.DataDirectory;
        var usual = await MeasureAsync(() => archived.WalRusAsync("backup-push", data));
        var random = new Random(seed);

        var killed = 0;
        for (var i = 0; i < Kills; i++)
        {
            var before = await ListedAsync(archived);
            var was = await WalRusProgram.RunAndKillAsync(
                ["backup-push", data], archived.Environment, usual * random.NextDouble());
            killed += was ? 1 : 0;
            var after = await ListedAsync(archived);

            Assert.True(was ? after.Length - before.Length is 0 or 1 : after.Length == before.Length + 1, $"seed {seed}, kill {i}");
        }

        Assert.True(killed > 0, "no backup was killed in time");
        await archived.WalRusAsync("backup-push", data);
        await using var recovered = await archived.RecoverAsync("LATEST", "--target-immediate");
        Assert.Equal(1, await recovered.ScalarAsync<int>("SELECT 1"));
    }

    [Fact]
    public async Task A_restore_that_is_killed_cannot_be_started_and_the_next_one_succeeds()
    {
        await using var archived = await ArchivedCluster.StartAsync(15);
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

    private static bool IsWhole(string destination, string reference) =>
        Directory.EnumerateFiles(reference, "*", SearchOption.AllDirectories)
            .All(file => new FileInfo(Path.Combine(destination, Path.GetRelativePath(reference, file))) is { Exists: true } copy
                && copy.Length == new FileInfo(file).Length);

    private static async Task<string[]> ListedAsync(ArchivedCluster archived) =>
        (await archived.WalRusAsync("backup-list")).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private static async Task<TimeSpan> MeasureAsync(Func<Task> work)
    {
        var watch = Stopwatch.StartNew();
        await work();
        return watch.Elapsed;
    }

    /// <summary>What a listing shows: wal-g and WalRus hide temporary names.</summary>
    private static string[] VisibleObjects(string archive) =>
        [.. Directory.EnumerateFiles(archive, "*", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(archive, path).Replace('\\', '/'))
            .Where(key => !key.Contains(".tmp.", StringComparison.Ordinal))];
}
