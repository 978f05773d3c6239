namespace WalRus.Tests.Cli;

/// <summary>Exit codes, which stream says what, and that nothing secret is said; what needs a process runs the executable.</summary>
public sealed class ExitCodeTests
{
    [Fact]
    public async Task A_file_that_is_not_archived_ends_with_74_and_wal_g_s_words()
    {
        using var folder = new TemporaryFolder();
        var result = await BuiltProgram.RunAsync(
            Environment(folder), "wal-fetch", "0000000100000000000000FF", folder["none"]);
        Assert.Equal(74, result.ExitCode);
        Assert.Empty(result.Output);
        Assert.Matches(
            @"^ERROR: \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} Archive '0000000100000000000000FF' does not exist\.\r?\n$", result.Errors);
        Assert.False(File.Exists(folder["none"]));
    }

    [Fact]
    public async Task A_segment_is_pushed_fetched_and_prefetched()
    {
        using var folder = new TemporaryFolder();
        string[] wal =
        [
            SyntheticWal.Write(folder["pg_wal"], "000000010000000000000FFF"), SyntheticWal.Write(folder["pg_wal"], "000000010000000100000000"),
        ];
        var environment = Environment(folder);
        foreach (var path in wal)
        {
            var pushed = await BuiltProgram.RunAsync(environment, "wal-push", path);
            Assert.Equal(0, pushed.ExitCode);
            Assert.Empty(pushed.Output);
        }

        var target = Directory.CreateDirectory(folder["restored"]).FullName;
        var name = Path.GetFileName(wal[0]);
        var fetched = await BuiltProgram.RunAsync(environment, "wal-fetch", name, Path.Combine(target, "RECOVERYXLOG"));
        Assert.Equal(0, fetched.ExitCode);
        Assert.Equal(await File.ReadAllBytesAsync(wal[0]), await File.ReadAllBytesAsync(Path.Combine(target, "RECOVERYXLOG")));

        var prefetched = Path.Combine(target, ".wal-g", "prefetch", Path.GetFileName(wal[1]));
        for (var waited = 0; !File.Exists(prefetched) && waited < 600; waited++)
        {
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }

        Assert.Equal(await File.ReadAllBytesAsync(wal[1]), await File.ReadAllBytesAsync(prefetched));
    }

    [Theory]
    [InlineData("wal-push")]
    [InlineData("wal-fetch a")]
    [InlineData("backup-list extra")]
    [InlineData("nosuch")]
    [InlineData("wal-push --nosuch x")]
    public async Task Wrong_usage_ends_with_1_and_says_so_on_both_streams(string line)
    {
        var result = await InProcess.RunAsync(new Dictionary<string, string>(), line.Split(' '));
        Assert.Equal(1, result.ExitCode);
        Assert.StartsWith($"Error: {result.Output.TrimEnd()}", result.Errors, StringComparison.Ordinal);
        Assert.Single(result.Output.TrimEnd().Split('\n'));
    }

    [Theory]
    [InlineData("catchup-list")]
    [InlineData("pgbackrest backup-list")]
    [InlineData("completion bash")]
    public async Task A_command_of_wal_g_that_is_missing_fails_and_says_so(string line)
    {
        using var folder = new TemporaryFolder();
        var result = await InProcess.RunAsync(Environment(folder), line.Split(' '));
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("nothing was done", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_error_has_a_hint_on_a_line_of_its_own()
    {
        var result = await InProcess.RunAsync(new Dictionary<string, string>(), "backup-list");
        Assert.Equal(1, result.ExitCode);
        var lines = result.Errors.TrimEnd().Split('\n');
        Assert.Contains("Failed to find any configured storage", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("HINT: ", lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Json_log_lines_hold_code_and_hint()
    {
        var result = await InProcess.RunAsync(new Dictionary<string, string>(), "backup-list", "--log-format", "json");
        using var line = System.Text.Json.JsonDocument.Parse(result.Errors.TrimEnd());
        Assert.Equal("error", line.RootElement.GetProperty("level").GetString());
        Assert.Equal(nameof(ErrorCode.SettingMissing), line.RootElement.GetProperty("code").GetString());
        Assert.NotEmpty(line.RootElement.GetProperty("hint").GetString()!);
    }

    [Fact]
    public async Task The_log_level_and_destination_are_wal_g_s()
    {
        using var folder = new TemporaryFolder();
        var quiet = await InProcess.RunAsync(Environment(folder, ("WALG_LOG_LEVEL", "ERROR")), "backup-list");
        Assert.Equal((0, "", ""), (quiet.ExitCode, quiet.Output, quiet.Errors));
        var filed = await InProcess.RunAsync(Environment(folder, ("WALG_LOG_DESTINATION", folder["log"])), "backup-list");
        Assert.Empty(filed.Errors);
        Assert.Contains("List backups from storages: [default]", await File.ReadAllTextAsync(folder["log"]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Config_shows_each_source_and_no_secret()
    {
        using var folder = new TemporaryFolder();
        const string secret = "hunter2-hunter2-hunter2-hunter2-";
        File.WriteAllText(folder["walg.yaml"], $"WALG_LIBSODIUM_KEY: {secret}\nAWS_SECRET_ACCESS_KEY: {secret}\n");
        var environment = Environment(folder, ("PGPASSWORD", secret), ("WALG_CONFIG_PATH", folder["walg.yaml"]));
        foreach (var form in new[] { "--all", "--json", "--pretty", "--json --pretty --all" })
        {
            var result = await InProcess.RunAsync(environment, ["config", "--walg-upload-concurrency=3", .. form.Split(' ')]);
            Assert.Equal(0, result.ExitCode);
            Assert.DoesNotContain("hunter2", result.Output + result.Errors, StringComparison.Ordinal);
            Assert.Contains("--HIDDEN--", result.Output, StringComparison.Ordinal);
            Assert.Contains("walg.yaml:1", result.Output, StringComparison.Ordinal);
            Assert.Contains("flag --walg-upload-concurrency", result.Output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Config_ends_with_1_when_something_is_wrong()
    {
        using var folder = new TemporaryFolder();
        var result = await InProcess.RunAsync(Environment(folder, ("WALG_UPLOAD_CONCURRENCY", "none")), "config");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("invalid", result.Output, StringComparison.Ordinal);
        Assert.Contains("WALG_UPLOAD_CONCURRENCY is 'none'", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Version_and_help_need_no_settings()
    {
        var none = new Dictionary<string, string>();
        var version = await InProcess.RunAsync(none, "--version");
        Assert.Equal(0, version.ExitCode);
        Assert.Matches("^walrus version [0-9.]+\t[^\t]+\t-\tPostgreSQL\n$", version.Output);
        foreach (var line in new[] { "", "--help", "help", "help wal-push", "wal-push --help", "flags" })
        {
            var help = await InProcess.RunAsync(none, line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
            Assert.Equal(0, help.ExitCode);
            Assert.NotEmpty(help.Output);
            Assert.Empty(help.Errors);
        }
    }

    internal static Dictionary<string, string> Environment(TemporaryFolder folder, params (string Name, string Value)[] more)
    {
        Directory.CreateDirectory(folder["archive"]);
        var environment = new Dictionary<string, string> { ["WALG_FILE_PREFIX"] = folder["archive"] };
        foreach (var (name, value) in more)
        {
            environment[name] = value;
        }

        return environment;
    }
}
