using WalRus.Postgres;
using WalRus.Tests.Verification;

namespace WalRus.Tests.Cli;

/// <summary>wal-show and wal-verify as wal-g prints them, and what they end with.</summary>
public sealed class WalVerifyCommandTests
{
    [Fact]
    public async Task Integrity_is_printed_as_wal_g_prints_it()
    {
        using var archive = new FolderArchive();
        archive.Segments(1, [1, 2, 4]);
        archive.Backup(1, 1);
        string[] arguments = ["wal-verify", "integrity", "timeline", "--timeline", "1", "--lsn", "0/5000028", "--walg-upload-concurrency", "1"];
        var text = await InProcess.RunAsync(archive.Environment, arguments);
        Assert.Equal(0, text.ExitCode);
        Assert.Equal(
            """
            [wal-verify] integrity check status: FAILURE
            [wal-verify] integrity check details:
            +-----+--------------------------+--------------------------+----------------+--------------+
            | TLI | START                    | END                      | SEGMENTS COUNT |       STATUS |
            +-----+--------------------------+--------------------------+----------------+--------------+
            |   1 | 000000010000000000000001 | 000000010000000000000002 |              2 |        FOUND |
            |   1 | 000000010000000000000003 | 000000010000000000000003 |              1 | MISSING_LOST |
            |   1 | 000000010000000000000004 | 000000010000000000000004 |              1 |        FOUND |
            +-----+--------------------------+--------------------------+----------------+--------------+
            [wal-verify] timeline check status: OK
            [wal-verify] timeline check details:
            Highest timeline found in storage: 1
            Current cluster timeline: 1

            """.ReplaceLineEndings("\n"),
            text.Output);

        var json = await InProcess.RunAsync(archive.Environment, [.. arguments, "--json"]);
        Assert.Equal(0, json.ExitCode);
        Assert.Equal(
            """{"integrity":{"status":"FAILURE","details":[{"timeline_id":1,"start_segment":"000000010000000000000001","end_segment":"000000010000000000000002","segments_count":2,"status":"FOUND"},{"timeline_id":1,"start_segment":"000000010000000000000003","end_segment":"000000010000000000000003","segments_count":1,"status":"MISSING_LOST"},{"timeline_id":1,"start_segment":"000000010000000000000004","end_segment":"000000010000000000000004","segments_count":1,"status":"FOUND"}]},"timeline":{"status":"OK","details":{"current_timeline_id":1,"highest_storage_timeline_id":1}}}""",
            json.Output);
    }

    [Fact]
    public async Task Deep_reads_everything_and_ends_with_1_for_damage()
    {
        using var folder = new TemporaryFolder();
        var environment = GoldenFolder.Unpack(GoldenArchive.InRepository().Single(golden => golden.Name == "walg-pg18-lzma-walmap"), folder);
        var good = await InProcess.RunAsync(environment, "wal-verify", "deep", "--backup-name", "LATEST");
        Assert.Equal((0, "[wal-verify] deep check status: OK, 10 objects read, 1 segments, 3 backups\n"), (good.ExitCode, good.Output));
        await File.WriteAllTextAsync(folder["archive", "wal_005", "000000010000000000000009.lzma"], "x", TestContext.Current.CancellationToken);
        var damaged = await InProcess.RunAsync(environment, "wal-verify", "deep", "--backup-name", "LATEST");
        Assert.Equal(1, damaged.ExitCode);
        Assert.StartsWith(
            "[wal-verify] deep ERROR ObjectUnreadable wal_005/000000010000000000000009.lzma: ", damaged.Output, StringComparison.Ordinal);
        Assert.Contains("make a new backup", damaged.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_nothing_is_looked_at_the_details_are_null()
    {
        using var archive = new FolderArchive();
        archive.Segments(1, [4]);
        archive.Backup(1, 4);
        var json = await InProcess.RunAsync(
            archive.Environment, "wal-verify", "integrity", "--timeline=1", "--lsn=0/4000028", "--json");
        Assert.Equal("""{"integrity":{"status":"OK","details":null}}""", json.Output);
    }

    [Fact]
    public async Task Without_a_position_and_a_server_the_check_is_an_error()
    {
        using var archive = new FolderArchive();
        archive.Segments(1, [4]);
        var environment = new Dictionary<string, string>(archive.Environment) { ["PGHOST"] = "127.0.0.1", ["PGPORT"] = "1" };
        var failed = await InProcess.RunAsync(environment, "wal-verify", "integrity");
        Assert.Equal((1, ""), (failed.ExitCode, failed.Output));
        Assert.Contains("127.0.0.1:1", failed.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("wal-verify", "at least one of the following checks should be specified: integrity, timeline, deep")]
    [InlineData("wal-verify deep --json", "--json does not go with deep")]
    [InlineData("wal-verify nonsense", "invalid check specified: nonsense")]
    [InlineData("wal-verify integrity --lsn 0/4000028", "--timeline and --lsn belong together")]
    [InlineData("wal-verify integrity --lsn x --timeline 1", "is not a timeline and a position")]
    [InlineData("wal-restore", "accepts between 1 and 2 arg(s), received 0")]
    [InlineData("wal-restore a b --timeline 1", "is not a timeline to go with one folder")]
    public async Task Wrong_usage_is_told(string line, string message)
    {
        using var archive = new FolderArchive();
        var wrong = await InProcess.RunAsync(archive.Environment, line.Split(' '));
        Assert.Equal(1, wrong.ExitCode);
        Assert.Contains(message, wrong.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lost_segments_are_shown_and_wal_show_ends_with_0()
    {
        using var archive = new FolderArchive();
        archive.Segments(1, [1, 4]);
        archive.Segments(2, [4]);
        archive.History(2, (1, Lsn.Parse("0/4000100")));
        archive.Wal("000000010000000000000002.json", "000000010000000000000003.partial", "000000010000000000000004.lz4", "0000000300000000000000FF.history");
        var json = await InProcess.RunAsync(archive.Environment, "wal-show", "--detailed-json");
        Assert.Equal(0, json.ExitCode);
        Assert.Equal(
            """[{"id":1,"parent_id":0,"switch_point_lsn":0,"start_segment":"000000010000000000000001","end_segment":"000000010000000000000004","segments_count":2,"missing_segments":["000000010000000000000003","000000010000000000000002"],"segment_range_size":4,"status":"LOST_SEGMENTS"},{"id":2,"parent_id":1,"switch_point_lsn":67109120,"start_segment":"000000020000000000000004","end_segment":"000000020000000000000004","segments_count":1,"missing_segments":[],"segment_range_size":1,"status":"OK"}]""",
            json.Output);
    }

    [Fact]
    public async Task A_damaged_history_or_sentinel_hides_nothing_and_ends_with_1()
    {
        using var archive = new FolderArchive();
        archive.Segments(1, [1]);
        archive.Segments(2, [2]);
        await File.WriteAllTextAsync(Path.Combine(archive.Root, "wal_005", "00000002.history"), "nonsense", TestContext.Current.CancellationToken);
        var shown = await InProcess.RunAsync(archive.Environment, "wal-show");
        Assert.Equal(1, shown.ExitCode);
        Assert.Contains("000000020000000000000002", shown.Output, StringComparison.Ordinal);
        Assert.Contains("00000002.history", shown.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_empty_archive_is_shown_as_an_empty_table()
    {
        using var archive = new FolderArchive();
        var shown = await InProcess.RunAsync(archive.Environment, "wal-show", "--without-backups");
        Assert.Equal((0, 4), (shown.ExitCode, shown.Output.Count(character => character == '\n')));
        Assert.Equal("[]", (await InProcess.RunAsync(archive.Environment, "wal-show", "--detailed-json")).Output);
    }
}
