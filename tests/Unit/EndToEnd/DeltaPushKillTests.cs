using System.Globalization;

namespace WalRus.Tests.EndToEnd;

/// <summary>
/// kill -9 at random moments of deltas: none that is listed is broken, and the next try finishes.
/// WALRUS_TEST_KILLS sets how many.
/// </summary>
public sealed class DeltaPushKillTests
{
    [Theory]
    [InlineData("folder")]
    [InlineData("bucket")]
    public async Task Deltas_that_are_killed_leave_every_listed_backup_whole_and_the_next_one_finishes(string kind)
    {
        await using var place = await ArchivePlace.NewAsync(kind);
        await using var archived = await ArchivedCluster.StartAsync(
            15, place.Settings, new Dictionary<string, string> { ["WALG_DELTA_MAX_STEPS"] = "1000" });
        var cluster = archived.Cluster;
        await cluster.ExecuteAsync("CREATE TABLE t AS SELECT n, 0 AS round, repeat('x', 300) AS filler FROM generate_series(1, 20000) AS n");
        await archived.WalRusAsync("backup-push", cluster.DataDirectory);
        await ChangeAsync(cluster, 1);
        var moments = new KillMoments(kind == "folder" ? 4 : 2) { Since = ("Starting backup", 1) };
        string[] arguments = ["backup-push", cluster.DataDirectory];
        await moments.MeasureAsync(arguments, archived.Environment);

        var round = 2;
        while (moments.Next())
        {
            await ChangeAsync(cluster, round++);
            var before = await ListedAsync(archived);
            var was = await moments.KillAsync(arguments, archived.Environment);
            var after = await ListedAsync(archived);
            Assert.True(was ? after.Length - before.Length is 0 or 1 : after.Length == before.Length + 1, moments.Where);
        }

        moments.Report($"delta push to a {kind}");
        await archived.WalRusAsync("backup-push", cluster.DataDirectory);
        var listed = await ListedAsync(archived);
        Assert.All(listed[1..], name => Assert.Contains("_D_", name, StringComparison.Ordinal));
        foreach (var name in listed.Take(listed.Length - 1))
        {
            using var folder = new TemporaryFolder();
            await ArchivedCluster.GiveToServerAsync(folder.FullName);
            await archived.WalRusAsync("backup-fetch", folder["data"], name);
        }

        var expected = await ArchivedCluster.FingerprintAsync(cluster, "t");
        await using var recovered = await archived.RecoverAsync("LATEST", "--target-immediate");
        Assert.Equal(expected, await ArchivedCluster.FingerprintAsync(recovered, "t"));
    }

    [Fact]
    public async Task A_delta_or_a_restore_of_its_chain_that_is_asked_to_stop_cleans_up_after_itself()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Signals of Unix.");
        await using var place = await ArchivePlace.NewAsync("folder");
        await using var archived = await ArchivedCluster.StartAsync(
            16, place.Settings, new Dictionary<string, string> { ["WALG_DELTA_MAX_STEPS"] = "5" });
        var data = archived.Cluster.DataDirectory;
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["tmp"]);
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        var slow = new Dictionary<string, string>(archived.Environment)
        {
            ["WALG_DISK_RATE_LIMIT"] = "2000000",
            ["WALG_NETWORK_RATE_LIMIT"] = "400000",
            ["TMPDIR"] = folder["tmp"],
        };
        await archived.WalRusAsync("backup-push", data);
        await archived.Cluster.ExecuteAsync("CREATE TABLE t AS SELECT n, repeat('x', 300) AS filler FROM generate_series(1, 20000) AS n");
        var stopped = await WalRusProgram.RunAndSignalAsync("TERM", "Starting backup", slow, "backup-push", data);
        AssertStopped(stopped, folder["tmp"]);
        Assert.DoesNotContain(await place.KeysAsync(), key => key.Contains("_D_", StringComparison.Ordinal));

        await archived.WalRusAsync("backup-push", data);
        Assert.Contains(await ListedAsync(archived), name => name.Contains("_D_", StringComparison.Ordinal));
        stopped = await WalRusProgram.RunAndSignalAsync("INT", "Restoring base_", slow, "backup-fetch", folder["data"], "LATEST");
        AssertStopped(stopped, folder["tmp"]);
        Assert.False(Directory.Exists(folder["data"]));
        await archived.WalRusAsync("backup-fetch", folder["data"], "LATEST");
    }

    private static void AssertStopped(ProgramResult stopped, string temporary)
    {
        Assert.Equal(1, stopped.ExitCode);
        Assert.Contains("Stopped by a signal", stopped.Errors, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(temporary));
    }

    private static Task ChangeAsync(PostgresCluster cluster, int round) => cluster.ExecuteAsync(
        string.Create(CultureInfo.InvariantCulture, $"UPDATE t SET round = {round} WHERE n % 50 = {round % 50}"));

    /// <summary>Oldest first.</summary>
    private static async Task<string[]> ListedAsync(ArchivedCluster archived) =>
        (await archived.WalRusAsync("backup-list")).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Where(line => line.StartsWith("base_", StringComparison.Ordinal)).Select(line => line.Split(' ')[0]).ToArray();
}
