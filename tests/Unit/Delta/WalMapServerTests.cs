using System.Text.RegularExpressions;
using WalRus.Archiving;
using WalRus.Compression;
using WalRus.Delta;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Storage.FileSystem;
using WalRus.Streaming;
using WalRus.Tests.Contracts;
using WalRus.Wal;
using WalRus.WalG;

namespace WalRus.Tests.Delta;

/// <summary>
/// What sources say of real servers' WAL, applied to the files of before, must give the files of after: page by page, with
/// everything that makes files another without a block in a record.
/// </summary>
public sealed partial class WalMapServerTests
{
    private const string Before = """
        CREATE TABLE untouched AS SELECT g AS n, repeat('u', 200) AS t FROM generate_series(1, 20000) AS g;
        CREATE TABLE updated AS SELECT g AS n, repeat('a', 200) AS t FROM generate_series(1, 20000) AS g;
        CREATE INDEX ON updated (n);
        CREATE TABLE shortened AS SELECT g AS n, repeat('c', 500) AS t FROM generate_series(1, 20000) AS g;
        CREATE TABLE cleared AS SELECT g AS n FROM generate_series(1, 5000) AS g;
        VACUUM (FREEZE) untouched, updated, shortened, cleared;
        """;

    private static readonly string[] Forks = ["main", "fsm", "vm", "init"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<int> Majors { get; } =
        Environment.GetEnvironmentVariable("WALRUS_TEST_FULL") == "1" ? [13, 14, 15, 16, 17, 18] : [13, 18];

    [Theory]
    [MemberData(nameof(Majors))]
    public async Task Every_source_finds_every_page_that_changed(int major)
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { Major = major, Archiving = false, WalSegmentMegabytes = 1, Settings = Settings(major) });
        await MakeAsync(cluster);
        await cluster.StopAsync();
        var before = PageSnapshot.Take(cluster.DataDirectory);

        await cluster.StartAsync();
        await ChangeAsync(cluster);
        await cluster.StopAsync();
        var after = PageSnapshot.Take(cluster.DataDirectory);
        using var folder = new TemporaryFolder();
        var (archive, empty) = (Open(folder["archive"]), Open(folder["empty"]));
        await PushAsync(archive, Path.Combine(cluster.DataDirectory, "pg_wal"), after.Control, folder["data"]);

        Assert.Contains(after.Files, file => before.Files.TryGetValue(file.Key, out var old) && file.Value.Zip(old)
            .Any(pages => PageHeader.Read(pages.First).IsNew && !PageHeader.Read(pages.Second).IsNew));

        var range = Range(cluster, before.Control, after.Control);
        var remote = range with { DataDirectory = null };
        var log = new RecordingLog();
        await AssertFindsAllAsync(WalMapSource.FromWal(archive, log), remote, before, after, "from sidecars");
        Assert.Contains(log.Events, one => one.Name == nameof(LogEvents.ChangedBlockMapBuilt) && SomeSidecars().IsMatch(one.Message));
        await ReplaceSidecarsAsync(archive);
        await AssertFindsAllAsync(WalMapSource.FromWal(archive, log), remote, before, after, "beside the sidecars of another cluster");
        Assert.Contains(log.Events, one => one.Name == nameof(LogEvents.WalDeltaNotUsed) && one.Message.Contains("it belongs to the cluster", StringComparison.Ordinal));
        Assert.Contains(log.Events, one => one.Name == nameof(LogEvents.WalDeltaNotUsed) && one.Message.Contains("another tool", StringComparison.Ordinal));
        foreach (var sidecar in Directory.GetFiles(folder["archive"], "*_delta*", SearchOption.AllDirectories))
        {
            File.Delete(sidecar);
        }

        await AssertFindsAllAsync(WalMapSource.FromWal(archive, log), remote, before, after, "from archived WAL");
        await AssertFindsAllAsync(WalMapSource.FromWal(empty, log), range, before, after, "from pg_wal");
        if (major >= 17)
        {
            await cluster.StartAsync();
            await AssertFindsAllAsync(WalMapSource.FromSummaries(empty, log, summaryTimeout: TimeSpan.FromSeconds(30)), range, before, after, "from summaries");
            Assert.Equal(0, log.Count(nameof(LogEvents.WalSummaryMissing)));
            await AssertSummariesAreThoseOfPgWalsummaryAsync(cluster);
            await AssertGapsAreReadFromWalAsync(cluster, range, before, after, empty);
        }
    }

    [Fact]
    public async Task What_is_missing_or_foreign_is_said()
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { Major = 17, Archiving = false, WalSegmentMegabytes = 1, Settings = Settings(16) });
        await cluster.ExecuteAsync("CREATE TABLE t AS SELECT generate_series(1, 100000) AS n");
        await cluster.StopAsync();
        var control = PageSnapshot.Take(cluster.DataDirectory).Control;
        await cluster.StartAsync();
        await cluster.ExecuteAsync("UPDATE t SET n = n + 1");
        await cluster.StopAsync();
        var later = PageSnapshot.Take(cluster.DataDirectory).Control;
        using var folder = new TemporaryFolder();
        var archive = Open(folder["empty"]);
        var range = Range(cluster, control, later);
        var log = NullEventLog.Instance;

        await AssertUnknownAsync(WalMapSource.FromSummaries(archive, log, summaryTimeout: TimeSpan.Zero), range, "summarize_wal is off");
        await AssertUnknownAsync(WalMapSource.FromSummaries(archive, log), range with { PgVersion = 160004 }, "before version 17");
        await AssertUnknownAsync(WalMapSource.FromSummaries(archive, log), range with { DataDirectory = null }, "data directory");
        var wal = WalMapSource.FromWal(archive, log, TimeSpan.Zero);
        await AssertUnknownAsync(wal, range with { DataDirectory = null }, "was not archived within 0 s");
        await AssertUnknownAsync(wal, range with { SystemIdentifier = 7 }, "is of the cluster");

        // A gap, and WAL that is damaged.
        var previous = WalFileName.FromSegment(new TimelineId(1), SyntheticWal.Small.SegmentNumber(later.Redo) - 1, SyntheticWal.Small);
        var path = Path.Combine(cluster.DataDirectory, "pg_wal", previous.ToString());
        var bytes = await File.ReadAllBytesAsync(path, Token);
        bytes[500_000] ^= 1;
        await File.WriteAllBytesAsync(path, bytes, Token);
        await AssertUnknownAsync(wal, range, previous.ToString());
        File.Delete(path);
        await AssertUnknownAsync(wal, range, $"{previous} is not archived");
    }

    private static Dictionary<string, string> Settings(int major)
    {
        var settings = new Dictionary<string, string>
        {
            ["max_prepared_transactions"] = "5",
            ["wal_level"] = "logical",
            ["wal_keep_size"] = "1GB",
            ["track_commit_timestamp"] = "on",
            ["max_wal_size"] = "64MB",
        };
        if (major >= 17)
        {
            settings["summarize_wal"] = "on";
        }

        return settings;
    }

    private static async Task MakeAsync(PostgresCluster cluster)
    {
        foreach (var statement in Before.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            await cluster.ExecuteAsync(statement);
        }

        await cluster.ExecuteAsync($"CREATE TABLESPACE moves LOCATION '{await cluster.CreateFolderAsync("moves")}'");
        await cluster.ExecuteAsync("CREATE DATABASE mover");
        await cluster.ExecuteAsync("CREATE TABLE inside AS SELECT g AS n FROM generate_series(1, 10000) AS g", "mover");
        if (cluster.Major >= 15)
        {
            await cluster.ExecuteAsync("CREATE DATABASE one");
            await cluster.ExecuteAsync("CREATE DATABASE two");
            await cluster.ExecuteAsync("CREATE TABLE x(a int, b int, c int, d int, e int, f int); CREATE TABLE y(a int, b int, c int)", "two");
            await cluster.ExecuteAsync("CHECKPOINT");
            await cluster.ExecuteAsync("CREATE DATABASE again TEMPLATE one STRATEGY file_copy OID = 90000");
        }
    }

    private static async Task ChangeAsync(PostgresCluster cluster)
    {
        await cluster.ExecuteAsync("UPDATE updated SET t = repeat('b', 200) WHERE n % 500 = 0");
        await CutAndRegrowAsync(cluster);
        await cluster.ExecuteAsync("TRUNCATE cleared");
        await cluster.ExecuteAsync("ALTER DATABASE mover SET TABLESPACE moves");
        await cluster.ExecuteAsync("UPDATE inside SET n = n + 1", "mover");
        await cluster.ExecuteAsync("CHECKPOINT");
        await cluster.ExecuteAsync("ALTER DATABASE mover SET TABLESPACE pg_default");
        if (cluster.Major >= 15)
        {
            await cluster.ExecuteAsync("DROP DATABASE again");
            await cluster.ExecuteAsync("CREATE DATABASE again TEMPLATE two STRATEGY file_copy OID = 90000");
        }

        await WalWorkload.RunAsync(cluster);
        await cluster.ExecuteAsync("UPDATE updated SET t = repeat('z', 200) WHERE n % 777 = 0");
    }

    /// <summary>
    /// A table that several want to extend grows by more pages than they use: what comes back behind a cut as zeros is in no record.
    /// </summary>
    private static async Task CutAndRegrowAsync(PostgresCluster cluster)
    {
        const string ZeroPages = """
            SELECT count(*) FROM generate_series(0, pg_relation_size('shortened') / 8192 - 1) AS b
            WHERE b < 1200 AND (page_header(get_raw_page('shortened', b::int))).upper = 0
            """;
        var file = Path.Combine(cluster.WorkFolder, "rows");
        await File.WriteAllLinesAsync(file, Enumerable.Range(1001, 2000).Select(n => $"{n}\t{new string('r', 500)}"), Token);
        await cluster.ExecuteAsync("CREATE EXTENSION pageinspect");
        for (var round = 0; round == 0 || (round < 20 && await cluster.ScalarAsync<long>(ZeroPages) == 0); round++)
        {
            await cluster.ExecuteAsync("DELETE FROM shortened WHERE n > 200");
            await cluster.ExecuteAsync("VACUUM shortened");
            await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => cluster.ExecuteAsync($"COPY shortened FROM '{file}'")));
        }
    }

    private static Archive Open(string folder)
    {
        Directory.CreateDirectory(folder);
        return new Archive(new FileSystemObjectStore(folder), Codecs.Create("lz4"), Codecs.ReadOrder, Crypter: null);
    }

    /// <summary>Archives what the server has finished, and the segment it is in, as a switch would.</summary>
    private static async Task PushAsync(Archive archive, string walFolder, ControlFile end, string dataFolder)
    {
        using var buffers = new NativeBufferPool(64 << 20);
        var push = new WalPush(archive, new WalPushOptions { RecordsDelta = true, DataFolder = dataFolder }, buffers, NullEventLog.Instance);
        var last = WalFileName.FromLsn(end.Timeline, end.Redo, end.SegmentSize);
        foreach (var name in Directory.GetFiles(walFolder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal))
        {
            if (WalFileName.TryParse(name, out var segment) && segment <= last)
            {
                await push.RunAsync(new WalPushRequest { Path = Path.Combine(walFolder, name) }, Token);
            }
        }
    }

    /// <summary>
    /// Puts sidecars that say nothing changed in the place of the right ones: those of another cluster with all that belongs to
    /// them, and others alone, as wal-g would put them there.
    /// </summary>
    private static async Task ReplaceSidecarsAsync(Archive archive)
    {
        var nothing = new byte[DeltaSidecar.LocationBytes + sizeof(uint)];
        var isWhole = false;
        foreach (var entry in await archive.Store.ListAsync(new ListRequest { Folder = WalGLayout.WalFolder }))
        {
            var name = Path.GetFileNameWithoutExtension(entry.Key.ToString());
            if (!name.EndsWith("_delta", StringComparison.Ordinal))
            {
                continue;
            }

            await WriteAsync(WalGLayout.Wal(name), nothing);
            isWhole = !isWhole;
            if (isWhole)
            {
                var foreign = new DeltaFileChanges
                {
                    SystemIdentifier = 7,
                    SegmentSize = SyntheticWal.Small,
                    SidecarChecksum = Crc32C.Compute(nothing),
                    SidecarLength = nothing.Length,
                    Entries = ReadOnlyMemory<byte>.Empty,
                };
                await WriteAsync(WalGLayout.Wal(name + "_files"), foreign.ToBytes());
            }
        }

        async Task WriteAsync(ObjectKey key, byte[] content)
        {
            await using var writer = await archive.OpenWriteAsync(key, WriteCondition.None, Token);
            await writer.WriteAsync(content, Token);
            await writer.CompleteAsync(Token);
        }
    }

    private static ChangedBlockRange Range(PostgresCluster cluster, ControlFile from, ControlFile to) => new()
    {
        From = from.Redo,
        To = to.Redo,
        Timelines = TimelineHistory.WithoutPast(to.Timeline),
        SegmentSize = to.SegmentSize,
        PgVersion = cluster.Major * 10000,
        SystemIdentifier = to.SystemIdentifier,
        FileBlocks = 131072,
        DataDirectory = cluster.DataDirectory,
    };

    private static async Task AssertFindsAllAsync(
        ChangedBlockSourceOpener open, ChangedBlockRange range, PageSnapshot before, PageSnapshot after, string how)
    {
        await using var source = await open(range, Token);
        var (wrong, filesRead, unread) = await before.ApplyAsync(source, after, range.From);
        Assert.True(wrong.Count == 0, $"{how}: {wrong.Count} pages are not what they were, the first {string.Join("; ", wrong.Take(5))}");
        Assert.True(filesRead > 5 && unread.Count > filesRead, $"{how}: {filesRead} files read, {unread.Count} not");
    }

    private static async Task AssertUnknownAsync(ChangedBlockSourceOpener open, ChangedBlockRange range, string reason)
    {
        var failure = await Assert.ThrowsAsync<WalRusException>(() => open(range, Token));
        Assert.Equal(ErrorCode.ChangedBlocksUnknown, failure.Code);
        Assert.True(failure.Message.Contains(reason, StringComparison.Ordinal), failure.Message);
    }

    private static async Task AssertSummariesAreThoseOfPgWalsummaryAsync(PostgresCluster cluster)
    {
        var compared = 0;
        foreach (var path in Directory.GetFiles(Path.Combine(cluster.DataDirectory, "pg_wal", "summaries")))
        {
            var printed = (await cluster.Programs.RunAsync("pg_walsummary", ["-i", path])).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            var read = new List<string>();
            await using var file = File.OpenRead(path);
            WalSummary.Read(file, limit => read.Add($"{Text(limit)}: limit {limit.Block}"), block => read.Add($"{Text(block)}: block {block.Block}"));
            Assert.Equal(printed.Order(), read.Order());
            compared += read.Count;
        }

        Assert.True(compared > 1000, $"{compared}");

        static string Text(WalBlockReference at) =>
            $"TS {at.Relation.Tablespace}, DB {at.Relation.Database}, REL {at.Relation.FileNode}, FORK {Forks[at.Fork]}";
    }

    private static async Task AssertGapsAreReadFromWalAsync(
        PostgresCluster cluster, ChangedBlockRange range, PageSnapshot before, PageSnapshot after, Archive archive)
    {
        var summaries = Directory.GetFiles(Path.Combine(cluster.DataDirectory, "pg_wal", "summaries")).Order(StringComparer.Ordinal)
            .Where(path => WalSummaryName.TryParse(Path.GetFileName(path), out var name) && name.End > range.From && name.Start < range.To).ToList();
        Assert.True(summaries.Count > 2, $"{summaries.Count}");
        var damaged = await File.ReadAllBytesAsync(summaries[1], Token);
        damaged[20] ^= 1;
        await File.WriteAllBytesAsync(summaries[1], damaged, Token);
        File.Delete(summaries[^1]);
        var log = new RecordingLog();
        await AssertFindsAllAsync(WalMapSource.FromSummaries(archive, log, summaryTimeout: TimeSpan.Zero), range, before, after, "from some summaries");
        Assert.Equal(2, log.Count(nameof(LogEvents.WalSummaryMissing)));
    }

    [GeneratedRegex("[1-9][0-9]* sidecars")]
    private static partial Regex SomeSidecars();
}
