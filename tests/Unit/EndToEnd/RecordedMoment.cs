using System.Globalization;
using System.Text.RegularExpressions;
using WalRus.WalG;

namespace WalRus.Tests.EndToEnd;

/// <summary>What a server was at a restore point, to be held against what a restore makes of the archive.</summary>
internal sealed partial class RecordedMoment
{
    private readonly string name;
    private readonly string timeline;
    private readonly string text;
    private readonly long[] sequences;
    private readonly string[] tablespaces;

    private RecordedMoment(string name, string timeline, string dump, string[] tablespaces)
    {
        this.name = name;
        this.timeline = timeline;
        this.tablespaces = tablespaces;
        (text, sequences) = Split(dump);
    }

    /// <summary>Makes the restore point and sees that its WAL is archived; nobody else may change anything meanwhile.</summary>
    public static async Task<RecordedMoment> TakeAsync(ArchivedCluster archived, string name)
    {
        var cluster = archived.Cluster;
        var dump = await DumpAsync(cluster);
        await cluster.ExecuteAsync($"SELECT pg_create_restore_point('{name}')");
        var segment = await cluster.SwitchWalAsync();
        var timeline = uint.Parse(segment.AsSpan(0, 8), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        return new RecordedMoment(name, $"{timeline}", dump, await TablespacesAsync(archived));
    }

    /// <summary>Restores to this moment on another server, and compares dumps; pages and indexes are checked too.</summary>
    public async Task CompareAsync(ArchivedCluster archived)
    {
        await using var restored = await RestoreAsync(
            archived,
            await PostgresCluster.OverExistingAsync(new()
            {
                Major = archived.Cluster.Major,
                Archiving = false,
                Environment = archived.Environment,
            }));
        await CheckAsync(restored);
        await restored.StopAsync();
        if (File.Exists(restored.Programs.PathOf("pg_checksums")) && await HasChecksumsAsync(archived.Cluster))
        {
            // Not every package has it; then the dumps are what has read the pages.
            await restored.Programs.RunAsync("pg_checksums", ["--check", "-D", restored.DataDirectory]);
        }
    }

    /// <summary>Recovers to this moment and opens on a timeline of its own.</summary>
    public async Task<PostgresCluster> RestoreAsync(ArchivedCluster archived, PostgresCluster place)
    {
        await ArchivedCluster.GiveToServerAsync(place.WorkFolder);
        string[] fetch = ["LATEST", "--target-name", name, "--target-timeline", timeline];
        string[] mapped = tablespaces.Length > 0
            ? ["--tablespace-mapping", string.Join(',', tablespaces.Select(oid => $"{oid}={Path.Combine(place.WorkFolder, $"ts_of_{oid}")}"))] : [];
        return await archived.RecoverAsync(place, [.. fetch, .. mapped]);
    }

    private static Task<bool> HasChecksumsAsync(PostgresCluster cluster) =>
        cluster.ScalarAsync<bool>("SELECT current_setting('data_checksums') = 'on'");

    private async Task CheckAsync(PostgresCluster restored)
    {
        var (restoredText, restoredSequences) = Split(await DumpAsync(restored));
        Assert.Equal(text, restoredText);

        // WAL logs a sequence ahead, so replay makes it skip up to 32 numbers, and never go back.
        Assert.Equal(sequences.Length, restoredSequences.Length);
        Assert.All(sequences.Zip(restoredSequences), pair => Assert.InRange(pair.Second, pair.First, pair.First + 32));
        foreach (var database in await restored.QueryAsync("SELECT datname FROM pg_database WHERE datallowconn"))
        {
            foreach (var table in await restored.QueryAsync("SELECT oid::regclass::text FROM pg_class WHERE relpersistence = 'u' AND relkind = 'r'", database))
            {
                Assert.Equal(0, await restored.ScalarAsync<long>($"SELECT count(*) FROM {table}", database));
            }
        }

        if (restored.Major >= 14 && Clients("pg_amcheck") is { } checker
            && await restored.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'amcheck')"))
        {
            await checker.RunAsync(
                "pg_amcheck",
                ["--all", "--install-missing", "--heapallindexed", "--parent-check", "-h", restored.Host, "-p", $"{restored.Port}", "-U", restored.User]);
        }
    }

    /// <summary>The newest version's programs that have this one: a client of a server of any version.</summary>
    private static PostgresPrograms? Clients(string program) => DifferentialTests.Majors.Reverse().Where(PostgresPrograms.Has)
        .Select(PostgresPrograms.OfMajor).FirstOrDefault(programs => File.Exists(programs.PathOf(program)));

    private static async Task<string[]> TablespacesAsync(ArchivedCluster archived)
    {
        var newest = Directory.EnumerateFiles(Path.Combine(archived.ArchiveFolder, WalGLayout.BackupFolder), $"*{WalGLayout.SentinelSuffix}")
            .MaxBy(File.GetLastWriteTimeUtc)!;
        var sentinel = BackupSentinel.Parse(await File.ReadAllBytesAsync(newest, TestContext.Current.CancellationToken));
        return [.. (sentinel.Tablespaces?.Entries ?? []).Select(entry => entry.Name)];
    }

    /// <summary>
    /// All databases as text. Left out: the random words that newer pg_dumps begin and end each with, and the places of
    /// tablespaces.
    /// </summary>
    private static async Task<string> DumpAsync(PostgresCluster cluster)
    {
        Assert.SkipUnless(Clients("pg_dumpall") is not null, "No pg_dumpall is here.");
        return await Clients("pg_dumpall")!.RunAsync(
            "pg_dumpall",
            ["--no-unlogged-table-data", "-h", cluster.Host, "-p", $"{cluster.Port}", "-U", cluster.User]);
    }

    private static (string Text, long[] Sequences) Split(string dump)
    {
        string[] left = ["\\restrict", "\\unrestrict", "CREATE TABLESPACE", SetValue];
        var lines = dump.Split('\n');
        return (
            string.Join('\n', lines.Where(line => !left.Any(start => line.StartsWith(start, StringComparison.Ordinal)))),
            [.. lines.Where(line => line.StartsWith(SetValue, StringComparison.Ordinal))
                .Select(line => long.Parse(Number().Match(line).Groups[1].ValueSpan, CultureInfo.InvariantCulture))]);
    }

    private const string SetValue = "SELECT pg_catalog.setval(";

    [GeneratedRegex("', ([0-9]+), ")]
    private static partial Regex Number();
}
