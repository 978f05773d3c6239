using System.Diagnostics;
using System.Globalization;

namespace WalRus.Tests.EndToEnd;

/// <summary>
/// Servers that are used at random are backed up in every way there is, crash, are promoted, and are restored: each chain
/// must come back as the primary was at that moment, to the last row and page. WALRUS_TEST_DIFFERENTIAL says for how many
/// minutes (one short episode without it), WALRUS_TEST_SEED repeats one, WALRUS_TEST_MAJORS says of which versions; a
/// failure's text has the seed and what was done.
/// </summary>
public sealed class DifferentialTests
{
    private const int MaxFailures = 5;

    /// <summary>Two runs of one commit must come to one verdict; a long run is there to find what is new.</summary>
    private const int UsualSeed = 20261127;

    private static readonly TimeSpan? Duration = Given("WALRUS_TEST_DIFFERENTIAL") is { } minutes
        ? TimeSpan.FromMinutes(double.Parse(minutes, CultureInfo.InvariantCulture)) : null;

    private readonly SortedDictionary<string, int> counts = new(StringComparer.Ordinal);

    internal static int[] Majors { get; } = [13, 14, 15, 16, 17, 18];

    [Fact]
    public async Task Every_chain_restored_equals_the_primary_at_its_moment()
    {
        var seed = Given("WALRUS_TEST_SEED") is { } given ? int.Parse(given, CultureInfo.InvariantCulture)
            : Duration is null ? UsualSeed : Environment.TickCount;
        var watch = Stopwatch.StartNew();
        var failures = new List<Exception>();
        do
        {
            Say($"seed {seed}");
            try
            {
                await EpisodeAsync(seed++, rounds: Duration is null ? 3 : 8);
                Count("episode");
            }
            catch (InvalidOperationException failed)
            {
                // A long run goes on, so that one failure does not hide the others.
                Say($"FAILED: {failed.Message}\n{failed.InnerException}");
                failures.Add(failed);
            }

            Say(string.Join("; ", counts.Select(count => $"{count.Key}: {count.Value}")));
        }
        while (Duration is { } duration && watch.Elapsed < duration && failures.Count < MaxFailures);

        if (failures.Count > 0)
        {
            throw new AggregateException(failures);
        }
    }

    /// <summary>Some packages of PostgreSQL come without pg_basebackup.</summary>
    private static bool MakesStandbys(int major) =>
        PostgresPrograms.Has(major) && File.Exists(PostgresPrograms.OfMajor(major).PathOf("pg_basebackup"));

    private async Task EpisodeAsync(int seed, int rounds)
    {
        var random = new Random(seed);
        var available = (Given("WALRUS_TEST_MAJORS")?.Split(' ').Select(int.Parse) ?? Majors).Where(MakesStandbys).ToArray();
        Assert.SkipWhen(available.Length == 0, "No PostgreSQL is here.");
        var major = available[random.Next(available.Length)];
        await using var archived = await StartAsync(major, random);
        var actor = new RandomCluster(archived.Cluster, random);
        try
        {
            await ActAsync(archived, actor, random, seed, rounds);
        }
        catch (Exception failed) when (failed is not OperationCanceledException && failed.GetType().Name != "SkipException")
        {
            throw new InvalidOperationException(
                $"Seed {seed}, PostgreSQL {major}:\n{string.Join('\n', actor.Done)}\n{archived.Cluster.LogTail()}", failed);
        }
    }

    /// <summary>Small segments and many of them, or large ones; with and without checksums, page images and compression of WAL.</summary>
    private static Task<ArchivedCluster> StartAsync(int major, Random random)
    {
        string[] codecs = ["lz4", "zstd", "brotli", "none"];
        var settings = new Dictionary<string, string>
        {
            ["WALG_DELTA_MAX_STEPS"] = $"{RandomBackups.MaxSteps}",
            ["WALG_TAR_SIZE_THRESHOLD"] = "8388608",
            ["WALG_USE_WAL_DELTA"] = "true",
            ["WALG_COMPRESSION_METHOD"] = codecs[random.Next(codecs.Length)],
        };
        var server = new Dictionary<string, string>
        {
            ["autovacuum"] = "on",
            ["autovacuum_naptime"] = "1s",
            ["wal_keep_size"] = "512MB",
            ["wal_compression"] = random.Next(2) == 0 ? "on" : "off",
            ["full_page_writes"] = random.Next(4) == 0 ? "off" : "on",
        };
        if (major >= 17 && random.Next(4) != 0)
        {
            server["summarize_wal"] = "on";
        }

        int? megabytes = random.Next(2) == 0 ? 1 : null;
        var hasChecksums = random.Next(3) != 0;
        return ArchivedCluster.StartAsync(
            major, null, settings, server, options => options with { WalSegmentMegabytes = megabytes, DataChecksums = hasChecksums });
    }

    private async Task ActAsync(ArchivedCluster archived, RandomCluster actor, Random random, int seed, int rounds)
    {
        var backups = new RandomBackups(archived, actor, random, Count);
        var promotion = new RandomPromotion(archived, actor, backups, random, Count);
        var moments = new List<RecordedMoment>();
        for (var round = 0; round < rounds; round++)
        {
            if (round > 0 && (round == rounds - 1 || random.Next(4) == 0))
            {
                await promotion.PromoteAsync($"aside_{seed}_{round}");
            }
            else if (round > 0 && random.Next(4) == 0)
            {
                await backups.PushAndCrashAsync();
            }

            actor.MayCreateTablespaces = true;
            await actor.ActAsync(random.Next(8, 25));
            await backups.PushAsync();
            actor.MayCreateTablespaces = false;
            await actor.ActAsync(random.Next(0, 5));
            if (round == rounds - 1 || random.Next(2) == 0)
            {
                moments.Add(await RecordedMoment.TakeAsync(archived, $"moment_{seed}_{round}"));
                await moments[^1].CompareAsync(archived);
                Count("chain restored and compared");
            }
        }

        // What was once true stays restorable, on whatever timeline it was.
        if (moments.Count > 1)
        {
            await moments[random.Next(moments.Count - 1)].CompareAsync(archived);
            Count("earlier moment restored and compared");
        }
    }

    private void Count(string what) => counts[what] = counts.GetValueOrDefault(what) + 1;

    private static string? Given(string variable) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? value : null;

    private static void Say(string text)
    {
        TestContext.Current.TestOutputHelper!.WriteLine(text);
        Console.WriteLine($"differential: {text}");
    }
}
