using System.Diagnostics;
using System.Globalization;

namespace WalRus.Tests.EndToEnd;

/// <summary>
/// The executable's own chains: pushed by it, restored by it, killed at random moments of the restore. WALRUS_TEST_KILLS
/// sets how often.
/// </summary>
public sealed class ChainKillTests
{
    [Theory]
    [InlineData("folder", "wi1")]
    [InlineData("bucket", "native")]
    public async Task A_chain_restore_that_is_killed_cannot_be_started_and_a_retry_finishes(string kind, string format)
    {
        await using var place = await ArchivePlace.NewAsync(kind);
        var more = new Dictionary<string, string>
        {
            ["WALG_DELTA_MAX_STEPS"] = "5",
            ["WALRUS_INCREMENT_FORMAT"] = format,
            ["WALG_TAR_SIZE_THRESHOLD"] = "4194304",
        };
        await using var archived = await ArchivedCluster.StartAsync(16, place.Settings, more);
        var cluster = archived.Cluster;
        await cluster.ExecuteAsync("CREATE TABLE t AS SELECT n AS id, repeat('t', 400) AS x FROM generate_series(1, 20000) AS n");
        await archived.WalRusAsync("backup-push", cluster.DataDirectory);
        await cluster.ExecuteAsync("UPDATE t SET x = 'one' WHERE id % 500 = 0; CREATE TABLE u AS SELECT generate_series(1, 5000) AS n");
        await archived.WalRusAsync("backup-push", cluster.DataDirectory);
        await cluster.ExecuteAsync("DELETE FROM t WHERE id > 15000; DROP TABLE u; CREATE TABLE v AS SELECT generate_series(1, 3000) AS n");
        await cluster.ExecuteAsync("VACUUM t");
        await archived.WalRusAsync("backup-push", cluster.DataDirectory);
        var expected = await ArchivedCluster.FingerprintAsync(cluster, "t");

        using var folder = new TemporaryFolder();
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        var moments = new KillMoments(5);
        await moments.MeasureAsync(["backup-fetch", folder["whole"], "LATEST"], archived.Environment);
        var plan = await archived.WalRusAsync("backup-fetch", folder["plan"], "LATEST", "--dry-run");
        Assert.Equal(3, plan.Split('\n').Count(line => line.StartsWith("step ", StringComparison.Ordinal)));
        Assert.False(Directory.Exists(folder["plan"]));
        var destination = folder["data"];
        var control = Path.Combine(destination, "global", "pg_control");

        // The retry goes over what the killed one left; what has ended takes force.
        string[] Arguments() => ["backup-fetch", destination, "LATEST", .. File.Exists(control) ? (string[])["--force"] : []];
        while (moments.Next())
        {
            if (await moments.KillAsync(Arguments(), archived.Environment))
            {
                Assert.True(!File.Exists(control) || IsWhole(destination, folder["whole"]), moments.Where);
            }
        }

        await archived.WalRusAsync(Arguments());
        Assert.True(IsWhole(destination, folder["whole"]), moments.Where);
        moments.Report($"restore of a {format} chain from a {kind}");
        await using var recovered = await archived.RecoverAsync("LATEST", "--target-immediate");
        Assert.Equal(expected, await ArchivedCluster.FingerprintAsync(recovered, "t"));
        Assert.Equal(3000L, await recovered.ScalarAsync<long>("SELECT count(*) FROM v"));
        Assert.False(await recovered.ScalarAsync<bool>("SELECT to_regclass('u') IS NOT NULL"));
    }

    private static bool IsWhole(string destination, string reference) =>
        Directory.EnumerateFiles(reference, "*", SearchOption.AllDirectories).All(file =>
            Path.Combine(destination, Path.GetRelativePath(reference, file)) is var copy && File.Exists(copy)
                && File.ReadAllBytes(copy).AsSpan().SequenceEqual(File.ReadAllBytes(file)));
}
