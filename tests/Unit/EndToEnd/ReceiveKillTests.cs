using WalRus.Postgres;

namespace WalRus.Tests.EndToEnd;

/// <summary>
/// wal-receive killed at random moments under load, and ended as a service is: no segment is missing or differs from what the
/// server wrote. WALRUS_TEST_KILLS sets how many kills.
/// </summary>
public sealed class ReceiveKillTests
{
    private static readonly WalSegmentSize Size = WalSegmentSize.FromBytes(1 << 20);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("folder")]
    [InlineData("bucket")]
    public async Task A_receiver_that_is_killed_leaves_no_gap_and_no_broken_segment(string kind)
    {
        await using var place = await ArchivePlace.NewAsync(kind);
        await using var cluster = await PostgresCluster.StartAsync(new() { WalSegmentMegabytes = 1 });
        using var folder = new TemporaryFolder();
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        var environment = SettingsOf(cluster, place);
        await WalRusProgram.SucceedAsync(environment, "wal-receive", "--create-slot");
        using var done = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var load = LoadAsync(cluster, done.Token);
        var moments = new KillMoments(5) { Since = ("Receiving", 1), OfEndless = TimeSpan.FromSeconds(1) };
        while (moments.Next())
        {
            Assert.True(await moments.KillAsync(["wal-receive", folder["received"]], environment), $"it ended by itself, {moments.Where}");
        }

        await done.CancelAsync();
        await load;
        var last = await cluster.SwitchWalAsync();
        var end = WalFileName.Parse(last).Next(Size).StartLsn(Size);
        await WalRusProgram.SucceedAsync(environment, "wal-receive", folder["received"], "--endpos", end.ToString());

        var names = (await place.KeysAsync()).Select(key => key["wal_005/".Length..].Split('.')[0]).Distinct().Order(StringComparer.Ordinal).ToList();
        Assert.Equal(last, names[^1]);
        for (var name = WalFileName.Parse(names[0]); name <= WalFileName.Parse(last); name = name.Next(Size))
        {
            await WalRusProgram.SucceedAsync(environment, "wal-fetch", $"{name}", folder[$"{name}"]);
            Assert.True(
                File.ReadAllBytes(Path.Combine(cluster.ArchiveFolder, $"{name}")).AsSpan().SequenceEqual(File.ReadAllBytes(folder[$"{name}"])),
                $"{name} differs, {moments.Where}");
        }

        moments.Report($"receiver into a {kind}, {names.Count} segments");
        Assert.DoesNotContain(Directory.GetFiles(folder["received"]), file => Path.GetFileName(file).Length == WalFileName.Length);
    }

    [Fact]
    public async Task Ended_as_a_service_is_it_tells_the_server_what_is_stored_and_keeps_the_rest()
    {
        await using var place = await ArchivePlace.NewAsync("folder");
        await using var cluster = await PostgresCluster.StartAsync(new() { WalSegmentMegabytes = 1 });
        using var folder = new TemporaryFolder();
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        var environment = SettingsOf(cluster, place);
        await WalRusProgram.SucceedAsync(environment, "wal-receive", "--create-slot");
        var last = await cluster.SwitchWalAsync();
        await cluster.ExecuteAsync("CREATE TABLE t (n int)");
        var ended = await WalRusProgram.RunAndSignalAsync("TERM", $"Archived {last}", environment, "wal-receive", folder["received"]);
        Assert.True(ended.ExitCode == 0, ended.Errors);
        Assert.Contains("durable to", ended.Errors, StringComparison.Ordinal);
        var next = WalFileName.Parse(last).Next(Size);
        Assert.Equal(
            next.StartLsn(Size).ToString(), await cluster.ScalarAsync<string>("SELECT restart_lsn::text FROM pg_replication_slots"));
        await WalRusProgram.SucceedAsync(environment, "wal-receive", "--drop-slot");
        Assert.Empty(await cluster.QueryAsync("SELECT 1 FROM pg_replication_slots"));
    }

    private static async Task LoadAsync(PostgresCluster cluster, CancellationToken cancellationToken)
    {
        await cluster.ExecuteAsync("CREATE TABLE load (n int, x text)");
        while (!cancellationToken.IsCancellationRequested)
        {
            await cluster.ExecuteAsync("INSERT INTO load SELECT n, md5(n::text) FROM generate_series(1, 3000) AS n");
        }
    }

    private static Dictionary<string, string> SettingsOf(PostgresCluster cluster, ArchivePlace place) => new(place.Settings)
    {
        ["PGHOST"] = cluster.Host,
        ["PGPORT"] = $"{cluster.Port}",
        ["PGUSER"] = cluster.User,
    };
}
