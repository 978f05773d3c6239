using System.Globalization;
using System.Text.RegularExpressions;
using WalRus.Postgres;

namespace WalRus.Tests.Postgres;

/// <summary>WAL of a real server under load, read here and by the server's own pg_waldump.</summary>
public sealed partial class WalRecordServerTests
{
    private const string Transactions = """
        CREATE TABLE kept (n int);
        CREATE TABLE dropped (n int);
        BEGIN; SAVEPOINT a; INSERT INTO kept VALUES (1); RELEASE a; SAVEPOINT b; DROP TABLE dropped; CREATE TABLE made (n int primary key);
        PREPARE TRANSACTION 'with lists';
        BEGIN; INSERT INTO kept VALUES (2); PREPARE TRANSACTION 'given up';
        SELECT txid_current();
        COMMIT PREPARED 'with lists';
        SELECT pg_create_restore_point('first point');
        ROLLBACK PREPARED 'given up';
        BEGIN; SAVEPOINT a; DROP TABLE made; CREATE TABLE other AS SELECT * FROM generate_series(1, 1000); ROLLBACK;
        BEGIN; INSERT INTO kept SELECT * FROM generate_series(1, 100); ROLLBACK;
        SELECT pg_create_restore_point('zweiter Punkt: ä'); CHECKPOINT;
        """;

    /// <summary>The versions with a pg_waldump on the test machines.</summary>
    public static TheoryData<int> Majors { get; } =
        Environment.GetEnvironmentVariable("WALRUS_TEST_FULL") == "1" ? [13, 15, 17, 18] : [13, 18];

    [Theory]
    [MemberData(nameof(Majors))]
    public async Task Commits_and_restore_points_are_those_of_pg_waldump(int major)
    {
        var settings = new Dictionary<string, string>
        {
            ["max_prepared_transactions"] = "5",
            ["wal_level"] = "logical",
            ["wal_keep_size"] = "1GB",
        };
        await using var cluster = await PostgresCluster.StartAsync(
            new() { Major = major, Archiving = false, WalSegmentMegabytes = 1, Settings = settings });
        string[] connection = ["-h", cluster.Host, "-p", $"{cluster.Port}", "-U", cluster.User, "postgres"];
        await cluster.Programs.RunAsync("pgbench", ["-i", "-q", .. connection]);
        await cluster.Programs.RunAsync("pgbench", ["-c", "4", "-t", "300", .. connection]);
        foreach (var statement in Transactions.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Aggregate(new List<string>(), JoinBlocks))
        {
            await cluster.ExecuteAsync(statement);
        }

        await cluster.ExecuteAsync("SELECT pg_switch_wal()");
        await cluster.Programs.RunAsync("pgbench", ["-c", "4", "-t", "100", .. connection]);
        await cluster.StopAsync();
        var folder = Path.Combine(cluster.DataDirectory, "pg_wal");
        var segments = Directory.GetFiles(folder).Select(file => Path.GetFileName(file))
            .Where(name => WalFileName.TryParse(name, out _)).Order(StringComparer.Ordinal).ToList();
        var printed = await WaldumpAsync(cluster, folder, segments);
        Assert.True(printed.Count > 1600, $"{printed.Count}");
        Assert.Contains(printed, line => line.StartsWith("ABORT_PREPARED", StringComparison.Ordinal));
        Assert.Equal(printed, Read(folder, segments));
    }

    /// <summary>Statements of one transaction must go over one connection, those outside each by itself.</summary>
    private static List<string> JoinBlocks(List<string> joined, string statement)
    {
        var last = joined.LastOrDefault() ?? "";
        if (last.StartsWith("BEGIN", StringComparison.Ordinal)
            && !last.Contains("PREPARE TRANSACTION", StringComparison.Ordinal) && !last.EndsWith("ROLLBACK", StringComparison.Ordinal))
        {
            joined[^1] = $"{last}; {statement}";
        }
        else
        {
            joined.Add(statement);
        }

        return joined;
    }

    private static List<string> Read(string folder, List<string> segments)
    {
        var lines = new List<string>();
        var size = WalSegmentSize.FromBytes(1 << 20);
        var reader = new WalRecordReader(WalFileName.Parse(segments[0]).StartLsn(size), WalFactDecoder.IsWanted);
        foreach (var segment in segments)
        {
            ReadOnlySpan<byte> bytes = File.ReadAllBytes(Path.Combine(folder, segment));
            while (reader.Read(ref bytes) == WalReadState.Record)
            {
                if (WalFactDecoder.Decode(reader.Record) is { } fact && Describe(fact) is { } line)
                {
                    lines.Add(line);
                }
            }
        }

        return lines;
    }

    private static string? Describe(WalFact fact) => fact.Kind switch
    {
        WalFactKind.RestorePoint => $"RESTORE_POINT {fact.Lsn} {fact.Name}",
        WalFactKind.Commit => $"COMMIT {fact.Lsn} {fact.Xid} {Text(fact.Time)}",
        WalFactKind.Abort => $"ABORT {fact.Lsn} {fact.Xid} {Text(fact.Time)}",
        WalFactKind.CommitPrepared => $"COMMIT_PREPARED {fact.Lsn} {fact.Xid} {Text(fact.Time)}",
        WalFactKind.AbortPrepared => $"ABORT_PREPARED {fact.Lsn} {fact.Xid} {Text(fact.Time)}",
        WalFactKind.CheckpointOnline or WalFactKind.CheckpointShutdown =>
            $"CHECKPOINT {fact.Lsn} {fact.NextXid} {(fact.Kind == WalFactKind.CheckpointOnline ? fact.OldestRunningXid : 0)}",
        WalFactKind.RunningTransactions => $"RUNNING {fact.Lsn} {fact.NextXid} {fact.OldestRunningXid}",
        WalFactKind.Switch => $"SWITCH {fact.Lsn}",
        _ => null,
    };

    private static string? Text(DateTimeOffset? time) =>
        time?.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture);

    /// <summary>The same lines made of pg_waldump's output.</summary>
    private static async Task<List<string>> WaldumpAsync(PostgresCluster cluster, string folder, List<string> segments)
    {
        // It ends with an error where the last segment's WAL does, having printed everything before.
        var printed = Path.Combine(cluster.WorkFolder, "waldump");
        await cluster.Programs.RunAsync(
            "/bin/sh",
            ["-c", $"'{cluster.Programs.PathOf("pg_waldump")}' -p '{folder}' {segments[0]} {segments[^1]} > '{printed}' || true"],
            new Dictionary<string, string> { ["TZ"] = "UTC" });
        var lines = new List<string>();
        foreach (var line in File.ReadLines(printed))
        {
            if (Line().Match(line) is not { Success: true } match)
            {
                continue;
            }

            var (manager, xid, what) = (match.Groups[1].Value, match.Groups[2].Value, match.Groups[4].Value);
            var lsn = Lsn.Parse(match.Groups[3].Value);
            var text = match.Groups[5].Value;
            if (manager == "Transaction" && Ended().Match(text) is { Success: true } ended)
            {
                lines.Add($"{what} {lsn} {(ended.Groups[1].Length > 0 ? ended.Groups[1].Value : xid)} {ended.Groups[2].Value}");
            }
            else if (manager == "Standby" && Running().Match(text) is { Success: true } running)
            {
                lines.Add($"RUNNING {lsn} {running.Groups[1].Value} {running.Groups[2].Value}");
            }
            else if (manager == "XLOG")
            {
                lines.AddRange(XLogLine(what, lsn, text));
            }
        }

        return lines;
    }

    private static string[] XLogLine(string what, Lsn lsn, string text) => what switch
    {
        "RESTORE_POINT" => [$"RESTORE_POINT {lsn} {text.Trim()}"],
        "SWITCH" => [$"SWITCH {lsn}"],
        "CHECKPOINT_ONLINE" or "CHECKPOINT_SHUTDOWN" when Checkpoint().Match(text) is { Success: true } match =>
            [$"CHECKPOINT {lsn} {match.Groups[1].Value} {match.Groups[2].Value}"],
        _ => [],
    };

    [GeneratedRegex(@"^rmgr: (\w+) .* tx: +(\d+), lsn: (\S+), prev \S+, desc: (\w+) ?(.*)$")]
    private static partial Regex Line();

    [GeneratedRegex(@"^(?:(\d+): )?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}) UTC")]
    private static partial Regex Ended();

    [GeneratedRegex(@"nextXid (\d+) latestCompletedXid \d+ oldestRunningXid (\d+)")]
    private static partial Regex Running();

    [GeneratedRegex(@"xid \d+:(\d+);.*oldest running xid (\d+);")]
    private static partial Regex Checkpoint();
}
