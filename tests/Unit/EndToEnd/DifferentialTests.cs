using System.Diagnostics;
using System.Globalization;
using WalRus.WalG;

namespace WalRus.Tests.EndToEnd;

/// <summary>
/// Servers that are used at random are backed up in every way there is, crash, and are restored: each chain must come
/// back as the primary was at that moment, to the last row and page. WALRUS_TEST_DIFFERENTIAL says for how many minutes
/// (one short round without it), WALRUS_TEST_SEED repeats a run; the seed and what was done are in a failure's text.
/// </summary>
public sealed class DifferentialTests
{
    private static readonly int[] Majors = [13, 14, 15, 16, 17, 18];

    /// <summary>Settings of one backup-push; the flags that go with it; whether it reads the data directory.</summary>
    private static readonly (string Name, Dictionary<string, string> Settings, bool IsLocal)[] Ways =
    [
        ("page scan", new() { ["WALRUS_DELTA_SOURCE"] = "pages" }, true),
        ("page scan, native", new() { ["WALRUS_DELTA_SOURCE"] = "pages", ["WALRUS_INCREMENT_FORMAT"] = "native" }, true),
        ("WAL map", new() { ["WALRUS_DELTA_SOURCE"] = "wal" }, true),
        ("WAL summaries", new() { ["WALRUS_DELTA_SOURCE"] = "summaries", ["WALRUS_INCREMENT_FORMAT"] = "native" }, true),
        ("remote", [], false),
    ];

    private static readonly TimeSpan? Duration =
        Environment.GetEnvironmentVariable("WALRUS_TEST_DIFFERENTIAL") is { Length: > 0 } minutes
            ? TimeSpan.FromMinutes(double.Parse(minutes, CultureInfo.InvariantCulture)) : null;

    [Fact]
    public async Task Every_chain_restored_equals_the_primary_at_its_moment()
    {
        var seed = Environment.GetEnvironmentVariable("WALRUS_TEST_SEED") is { Length: > 0 } given
            ? int.Parse(given, CultureInfo.InvariantCulture) : Environment.TickCount;
        var watch = Stopwatch.StartNew();
        do
        {
            TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
            await EpisodeAsync(seed++, rounds: Duration is null ? 3 : 8);
        }
        while (Duration is { } duration && watch.Elapsed < duration);
    }

    private static async Task EpisodeAsync(int seed, int rounds)
    {
        var random = new Random(seed);
        var available = Majors.Where(PostgresPrograms.Has).ToArray();
        Assert.SkipUnless(Clients("pg_dumpall") is not null, "No pg_dumpall is here.");
        Assert.SkipWhen(available.Length == 0, "No PostgreSQL is here.");
        var major = available[random.Next(available.Length)];
        var server = new Dictionary<string, string> { ["autovacuum"] = "on", ["autovacuum_naptime"] = "1s" };
        if (major >= 17)
        {
            server["summarize_wal"] = "on";
        }

        var more = new Dictionary<string, string> { ["WALG_DELTA_MAX_STEPS"] = "6", ["WALG_TAR_SIZE_THRESHOLD"] = "8388608", ["WALG_USE_WAL_DELTA"] = "true" };
        await using var archived = await ArchivedCluster.StartAsync(major, null, more, server);
        var cluster = archived.Cluster;
        var actor = new RandomCluster(cluster, random);
        var ways = new List<string>();
        try
        {
            for (var round = 0; round < rounds; round++)
            {
                actor.MayCreateTablespaces = true;
                await actor.ActAsync(random.Next(8, 25));
                ways.Add(await PushWhileBusyAsync(archived, actor, Ways[random.Next(Ways.Length)]));
                actor.MayCreateTablespaces = false;
                await actor.ActAsync(random.Next(0, 5));
                if (round == rounds - 1 || random.Next(3) == 0)
                {
                    await CompareAsync(archived, $"moment_{round}");
                }
            }
        }
        catch (Exception failed) when (failed is not OperationCanceledException)
        {
            throw new InvalidOperationException(
                $"Seed {seed}, PostgreSQL {major}, backups by {string.Join(", ", ways)}, after:\n{string.Join('\n', actor.Done)}", failed);
        }
    }

    /// <summary>The newest version's programs that have this one: a client of a server of any version.</summary>
    private static PostgresPrograms? Clients(string program) => Majors.Reverse().Where(PostgresPrograms.Has)
        .Select(PostgresPrograms.OfMajor).FirstOrDefault(programs => File.Exists(programs.PathOf(program)));

    private static async Task<string> PushWhileBusyAsync(
        ArchivedCluster archived, RandomCluster actor, (string Name, Dictionary<string, string> Settings, bool IsLocal) way)
    {
        actor.Done.Add($"backup by {way.Name}");
        using var stop = new CancellationTokenSource();
        var busy = actor.KeepBusyAsync(stop.Token);
        var environment = new Dictionary<string, string>(archived.Environment);
        foreach (var (name, value) in way.Settings)
        {
            environment[name] = value;
        }

        try
        {
            await WalRusProgram.SucceedAsync(environment, way.IsLocal ? ["backup-push", archived.Cluster.DataDirectory] : ["backup-push"]);
        }
        finally
        {
            await stop.CancelAsync();
            await busy;
        }

        return way.Name;
    }

    /// <summary>Restores to this moment on another server, and compares dumps; pages and indexes are checked too.</summary>
    private static async Task CompareAsync(ArchivedCluster archived, string moment)
    {
        var cluster = archived.Cluster;
        var expected = await DumpAsync(cluster);
        await cluster.ExecuteAsync($"SELECT pg_create_restore_point('{moment}')");
        await cluster.SwitchWalAsync();
        using var places = new TemporaryFolder();
        await ArchivedCluster.GiveToServerAsync(places.FullName);
        string[] fetch = ["LATEST", "--target-name", moment];
        var known = await TablespacesOfLatestAsync(archived);
        string[] mapped = known.Count > 0 ? ["--tablespace-mapping", string.Join(',', known.Select(oid => $"{oid}={places[oid]}"))] : [];
        await using var restored = await archived.RecoverAsync([.. fetch, .. mapped]);
        Assert.Equal(expected, await DumpAsync(restored));
        if (cluster.Major >= 14 && Clients("pg_amcheck") is { } checker
            && await restored.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'amcheck')"))
        {
            await checker.RunAsync(
                "pg_amcheck", ["--all", "--install-missing", "-h", restored.Host, "-p", $"{restored.Port}", "-U", restored.User]);
        }

        await restored.StopAsync();
        if (File.Exists(restored.Programs.PathOf("pg_checksums")))
        {
            // Not every package has it; then the dumps are what has read the pages.
            await restored.Programs.RunAsync("pg_checksums", ["--check", "-D", restored.DataDirectory]);
        }
    }

    private static async Task<List<string>> TablespacesOfLatestAsync(ArchivedCluster archived)
    {
        var newest = Directory.EnumerateFiles(Path.Combine(archived.ArchiveFolder, WalGLayout.BackupFolder), $"*{WalGLayout.SentinelSuffix}")
            .MaxBy(File.GetLastWriteTimeUtc)!;
        var sentinel = BackupSentinel.Parse(await File.ReadAllBytesAsync(newest, TestContext.Current.CancellationToken));
        return [.. (sentinel.Tablespaces?.Entries ?? []).Select(entry => entry.Name)];
    }

    /// <summary>
    /// All databases as text. Left out: the random words that newer pg_dumps begin and end each with, the places of
    /// tablespaces, and what a sequence came to: WAL logs that ahead, so replay makes it skip numbers.
    /// </summary>
    private static async Task<string> DumpAsync(PostgresCluster cluster)
    {
        var dump = await Clients("pg_dumpall")!.RunAsync(
            "pg_dumpall",
            ["--no-unlogged-table-data", "--no-tablespaces", "-h", cluster.Host, "-p", $"{cluster.Port}", "-U", cluster.User]);
        string[] left = ["\\restrict", "\\unrestrict", "CREATE TABLESPACE", "SELECT pg_catalog.setval("];
        return string.Join('\n', dump.Split('\n').Where(line => !left.Any(start => line.StartsWith(start, StringComparison.Ordinal))));
    }
}
