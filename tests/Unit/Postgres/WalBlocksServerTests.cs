using System.Globalization;
using System.Text.RegularExpressions;
using WalRus.Postgres;

namespace WalRus.Tests.Postgres;

/// <summary>Blocks and files that WAL of real servers tells of, read here and by the server's own pg_waldump.</summary>
public sealed partial class WalBlocksServerTests
{
    private static readonly string[] Forks = ["main", "fsm", "vm", "init"];

    /// <summary>Those that a server without an extension of its own has.</summary>
    private static readonly string[] Managers =
    [
        "XLOG", "Transaction", "Storage", "CLOG", "Database", "Tablespace", "MultiXact", "RelMap", "Standby", "Heap2", "Heap", "Btree",
        "Hash", "Gin", "Gist", "Sequence", "SPGist", "BRIN", "CommitTs", "ReplicationOrigin", "Generic", "LogicalMessage",
    ];

    [Theory]
    [MemberData(nameof(WalRecordServerTests.Majors), MemberType = typeof(WalRecordServerTests))]
    public async Task Blocks_and_changes_of_files_are_those_of_pg_waldump(int major)
    {
        var settings = new Dictionary<string, string>
        {
            ["max_prepared_transactions"] = "5",
            ["wal_level"] = "logical",
            ["wal_keep_size"] = "1GB",
            ["track_commit_timestamp"] = "on",
        };
        await using var cluster = await PostgresCluster.StartAsync(
            new() { Major = major, Archiving = false, WalSegmentMegabytes = 1, Settings = settings });
        await WalWorkload.RunAsync(cluster);
        await cluster.StopAsync();

        var folder = Path.Combine(cluster.DataDirectory, "pg_wal");
        var segments = Directory.GetFiles(folder).Select(file => Path.GetFileName(file))
            .Where(name => WalFileName.TryParse(name, out _)).Order(StringComparer.Ordinal).ToList();
        var dump = Path.Combine(cluster.WorkFolder, "waldump");

        // It ends with an error where the last segment's WAL does, having printed everything before.
        await cluster.Programs.RunAsync(
            "/bin/sh",
            ["-c", $"'{cluster.Programs.PathOf("pg_waldump")}' -p '{folder}' {segments[0]} {segments[^1]} > '{dump}' || true"]);
        var printed = new HashSet<string>();
        var expected = File.ReadLines(dump).Select(line => Printed(line, printed)).OfType<string>().ToList();
        Assert.Equal(Managers.Order(), printed.Order());
        Assert.True(expected.Count > 50_000, $"{expected.Count}");
        foreach (var kind in new[] { "Created", "Truncated", "Removed", "DatabaseCopied", "DatabaseRemoved", " vm ", " fsm ", " init " })
        {
            Assert.Contains(expected, line => line.Contains(kind, StringComparison.Ordinal));
        }

        var read = Read(folder, segments);
        Assert.Equal(expected, read);
    }

    private static List<string> Read(string folder, List<string> segments)
    {
        var lines = new List<string>();
        var content = new WalRecordContent();
        var reader = new WalRecordReader(
            WalFileName.Parse(segments[0]).StartLsn(SyntheticWal.Small),
            header => Math.Max(WalRecordContent.HeaderBytes, WalFileChangeDecoder.BytesWanted(header)),
            16 << 20,
            0);
        foreach (var segment in segments)
        {
            ReadOnlySpan<byte> bytes = File.ReadAllBytes(Path.Combine(folder, segment));
            while (reader.Read(ref bytes) == WalReadState.Record)
            {
                var record = reader.Record;
                Assert.True(content.TryRead(record), $"{record.Start}");
                var line = new List<string> { $"{record.Start}" };
                foreach (var block in content.Blocks)
                {
                    line.Add($"{block.Relation} {Forks[block.Fork]} {block.Block}");
                }

                Assert.True(WalFileChangeDecoder.TryDecode(
                    record, content.DataOffset, change => line.Add(Describe(change))), $"{record.Start}");
                Assert.False(WalFileChangeDecoder.EndsCompleteWal(record, content.DataOffset), $"{record.Start}");
                lines.Add(string.Join(" | ", line));
            }
        }

        return lines;
    }

    private static string Describe(WalFileChange change) =>
        $"{change.Kind} {change.Relation.Tablespace}/{change.Relation.Database}/{change.Relation.FileNode} {Forks[change.Fork]} {change.Block}";

    /// <summary>The same of a line of pg_waldump; null for one that is no record.</summary>
    private static string? Printed(string line, HashSet<string> managers)
    {
        if (Record().Match(line) is not { Success: true } match)
        {
            return null;
        }

        var (manager, what, text) = (match.Groups[1].Value, match.Groups[3].Value, match.Groups[4].Value);
        managers.Add(manager);
        var result = new List<string> { $"{Lsn.Parse(match.Groups[2].Value)}" };
        foreach (Match block in Block().Matches(text))
        {
            result.Add($"{block.Groups[1].Value} {(block.Groups[2].Length > 0 ? block.Groups[2].Value : "main")} {block.Groups[3].Value}");
        }

        var changes = (manager, what) switch
        {
            ("Storage", "CREATE") => [Describe(OfPath(text.Trim(), WalFileChangeKind.Created))],
            ("Storage", "TRUNCATE") when Truncate().Match(text) is { Success: true } cut =>
                [Describe(OfPath(cut.Groups[1].Value, WalFileChangeKind.Truncated) with { Block = Number(cut.Groups[2].Value) })],
            ("Transaction", "COMMIT" or "ABORT" or "COMMIT_PREPARED" or "ABORT_PREPARED") when Removed().Match(text) is { Success: true } list =>
                list.Groups[1].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries)
                    .Select(path => Describe(OfPath(path, WalFileChangeKind.Removed))),
            ("Database", "CREATE" or "CREATE_FILE_COPY") => [Folder(text[(text.IndexOf(" to ", StringComparison.Ordinal) + 4)..], WalFileChangeKind.DatabaseCopied)],
            ("Database", "CREATE_WAL_LOG") => [Folder(text["create dir ".Length..], WalFileChangeKind.DatabaseCreated)],
            ("Database", "DROP") => text["dir ".Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries)
                .Select(folder => Folder(folder, WalFileChangeKind.DatabaseRemoved)),
            _ => Enumerable.Empty<string>(),
        };
        return string.Join(" | ", result.Concat(changes));
    }

    private static string Folder(string folder, WalFileChangeKind kind)
    {
        var numbers = folder.Trim().Split('/').Select(Number).ToArray();
        return Describe(new WalFileChange(kind, new(numbers[0], numbers[1], 0)));
    }

    private static uint Number(string text) => uint.Parse(text, CultureInfo.InvariantCulture);

    private static WalFileChange OfPath(string path, WalFileChangeKind kind)
    {
        var parts = path.Split('/');
        var file = parts[^1].Split('_');
        var fork = file.Length > 1 ? (byte)Array.IndexOf(Forks, file[1]) : (byte)0;
        return parts[0] switch
        {
            "global" => new WalFileChange(kind, new(1664, 0, Number(file[0])), fork),
            "base" => new WalFileChange(kind, new(1663, Number(parts[1]), Number(file[0])), fork),
            _ => new WalFileChange(kind, new(Number(parts[1]), Number(parts[3]), Number(file[0])), fork),
        };
    }

    [GeneratedRegex(@"^rmgr: (\w+) .* lsn: (\S+), prev \S+, desc: (\w+) ?(.*)$")]
    private static partial Regex Record();

    [GeneratedRegex(@"blkref #\d+: rel (\d+/\d+/\d+)(?: fork (\w+))? blk (\d+)")]
    private static partial Regex Block();

    [GeneratedRegex(@"^(\S+) to (\d+) blocks")]
    private static partial Regex Truncate();

    [GeneratedRegex(@"; rels: ([^;]*)")]
    private static partial Regex Removed();
}
