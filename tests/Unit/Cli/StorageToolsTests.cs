using System.Text;

namespace WalRus.Tests.Cli;

/// <summary>"st" and "copy" by their command lines.</summary>
public sealed class StorageToolsTests : IDisposable
{
    private const string Full = "base_000000010000000000000003";

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task A_file_is_put_listed_read_and_removed()
    {
        var environment = Archive("a");
        environment["WALG_COMPRESSION_METHOD"] = "zstd";
        File.WriteAllText(folder["local"], "some content");
        await SucceedAsync(environment, "st", "put", folder["local"], "dir/name");
        var again = await InProcess.RunAsync(environment, "st", "put", folder["local"], "dir/name");
        Assert.Equal(1, again.ExitCode);
        Assert.Contains("object dir/name.zst already exists. To overwrite it, add the -f flag", again.Errors, StringComparison.Ordinal);
        await SucceedAsync(environment, "st", "put", "-f", folder["local"], "dir/name");
        var input = await InProcess.RunAsync(environment, "from input"u8.ToArray(), ["st", "put", "-s", "--no-compress", "dir/plain"]);
        Assert.True(input.ExitCode == 0, input.Errors);

        Assert.Equal("some content", (await SucceedAsync(environment, "st", "cat", "dir/name.zst", "--decompress")).Output);
        Assert.Equal("from input", (await SucceedAsync(environment, "st", "cat", "dir/plain")).Output);
        await SucceedAsync(environment, "st", "get", "dir/name.zst", folder["got"]);
        Assert.Equal("some content", File.ReadAllText(folder["got"]));
        Assert.Equal(1, (await InProcess.RunAsync(environment, "st", "get", "dir/name.zst", folder["got"])).ExitCode);

        var listed = (await SucceedAsync(environment, "st", "ls", "-r")).Output.Split('\n');
        Assert.Equal("type size last modified", string.Join(' ', listed[0].Split(' ', StringSplitOptions.RemoveEmptyEntries)[..4]));
        Assert.Matches(@"^obj  \d+ +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? \+0000 UTC +dir/name\.zst  $", listed[1]);
        Assert.Contains("plain", (await SucceedAsync(environment, "st", "stat", "dir/plain")).Output, StringComparison.Ordinal);
        Assert.Equal(1, (await InProcess.RunAsync(environment, "st", "stat", "dir/none")).ExitCode);

        await SucceedAsync(environment, "st", "rm", "dir/plain");
        Assert.Equal(1, (await InProcess.RunAsync(environment, "st", "rm", "dir/plain")).ExitCode);
        await SucceedAsync(environment, "st", "rm", "dir/*.zst", "--glob");
        Assert.Single((await SucceedAsync(environment, "st", "ls")).Output.TrimEnd('\n').Split('\n'));
    }

    [Fact]
    public async Task Names_that_lead_elsewhere_and_wrong_words_are_refused()
    {
        var environment = Archive("a");
        File.WriteAllText(folder["secret"], "x");
        foreach (var words in new[]
        {
            ["st", "cat", "../secret"], ["st", "rm", "a/../../secret"], ["st", "put", folder["secret"], "../there"],
            ["st", "rm", "/"], ["st"], ["st", "none"], ["st", "transfer"], ["st", "put", "one"], ["st", "ls", "-t", "none"],
            ["st", "transfer", "pg-wals"], ["st", "transfer", "pg-wals", "-s", "default"], ["st", "put", folder.FullName, "x"],
            ["copy"], new[] { "copy", "-t", "ftp://x/y" },
        })
        {
            var result = await InProcess.RunAsync(environment, words);
            Assert.True(result.ExitCode == 1, $"{string.Join(' ', words)}: {result.Errors}");
        }

        Assert.Equal(["a", "secret"], Directory.EnumerateFileSystemEntries(folder.FullName).Select(Path.GetFileName).Order());
    }

    [Fact]
    public async Task Read_checks_name_what_is_missing()
    {
        var environment = Archive("a");
        File.WriteAllText(folder["a", "here"], "x");
        await SucceedAsync(environment, "st", "check", "read", "here");
        var missing = await InProcess.RunAsync(environment, "st", "check", "read", "b", "here", "c");
        Assert.Equal(1, missing.ExitCode);
        Assert.Contains("files are missing: b, c", missing.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_copy_goes_by_configuration_files_or_places_and_says_before_what_it_would_do()
    {
        var environment = Golden("a");
        Directory.CreateDirectory(folder["b"]);
        Directory.CreateDirectory(folder["c"]);
        File.WriteAllText(folder["from.json"], $$"""{"WALG_FILE_PREFIX":"{{folder["a"]}}"}""");
        File.WriteAllText(folder["to.yaml"], $"WALG_FILE_PREFIX: {folder["b"]}\nWALG_COMPRESSION_METHOD: zstd\n");
        var plan = await SucceedAsync([], "copy", "--from", folder["from.json"], "--to", folder["to.yaml"], "-b", Full, "--dry-run");
        Assert.Matches($"(?m)^{Full} new +asked ", plan.Output);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder["b"]));

        await SucceedAsync([], "copy", "-f", folder["from.json"], "-t", folder["to.yaml"], "-b", "LATEST", "-w", "--recode");
        var listed = await SucceedAsync([], "--config", folder["to.yaml"], "backup-list");
        Assert.Equal(4, listed.Output.TrimEnd('\n').Split('\n').Length);
        Assert.NotEmpty(Directory.GetFiles(folder["b", "wal_005"], "*.zst"));

        await SucceedAsync(environment, "copy", "-t", $"file://{folder["c"]}", "-b", Full);
        Assert.NotEmpty(Directory.GetFiles(folder["c", "wal_005"], "*.lzma"));
    }

    [Fact]
    public async Task Failover_storages_are_reached_by_their_names_and_backups_move_between_them()
    {
        Golden("a");
        Directory.CreateDirectory(folder["b"]);
        File.WriteAllText(
            folder["wal-g.json"],
            $$$"""{"WALG_FILE_PREFIX":"{{{folder["b"]}}}","WALG_FAILOVER_STORAGES":{"old":{"WALG_FILE_PREFIX":"{{{folder["a"]}}}"} } }""");
        string[] config = ["--config", folder["wal-g.json"]];
        Assert.DoesNotContain("wal_005", (await SucceedAsync([], [.. config, "st", "ls"])).Output, StringComparison.Ordinal);
        Assert.Contains("wal_005/", (await SucceedAsync([], [.. config, "st", "-t", "OLD", "ls"])).Output, StringComparison.Ordinal);
        Assert.Contains("wal_005/", (await SucceedAsync([], [.. config, "st", "ls", "--target=all"])).Output, StringComparison.Ordinal);

        await SucceedAsync([], [.. config, "st", "transfer", "-s", "old", "backups"]);
        await SucceedAsync([], [.. config, "st", "transfer", "pg-wals", "--source=old", "-c", "3"]);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder["a"]));
        var listed = await SucceedAsync(new() { ["WALG_FILE_PREFIX"] = folder["b"] }, "backup-list");
        Assert.Equal(4, listed.Output.TrimEnd('\n').Split('\n').Length);
    }

    [Fact]
    public async Task What_a_listed_backup_consists_of_is_removed_only_by_force()
    {
        var environment = Golden("a");
        var refused = await InProcess.RunAsync(environment, "st", "rm", $"basebackups_005/{Full}/tar_partitions");
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("--force", refused.Errors, StringComparison.Ordinal);
        await SucceedAsync(environment, "st", "rm", "--force", $"basebackups_005/{Full}/tar_partitions");
        Assert.False(Directory.Exists(folder["a", "basebackups_005", Full, "tar_partitions"]));
    }

    /// <summary>.NET keeps 100 ns of a file's time, wal-g the whole: the last two digits differ, and with them the width.</summary>
    private static async Task<ProgramResult> SucceedAsync(Dictionary<string, string> environment, params string[] arguments)
    {
        var result = await InProcess.RunAsync(environment, arguments);
        Assert.True(result.ExitCode == 0, $"{string.Join(' ', arguments)}: {result.Errors}");
        return result;
    }

    private Dictionary<string, string> Archive(string name)
    {
        Directory.CreateDirectory(folder[name]);
        return new() { ["WALG_FILE_PREFIX"] = folder[name] };
    }

    private Dictionary<string, string> Golden(string name)
    {
        var environment = Archive(name);
        GoldenArchive.InRepository().Single(archive => archive.Name == "walg-pg18-lzma-walmap").Unpack(folder[name]);
        return environment;
    }
}
