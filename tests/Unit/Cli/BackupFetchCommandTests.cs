namespace WalRus.Tests.Cli;

/// <summary>backup-fetch's flags on an archive that wal-g wrote.</summary>
public sealed class BackupFetchCommandTests
{
    private const string Full = "base_000000010000000000000003";

    [Fact]
    public async Task A_restore_without_target_writes_no_recovery_settings()
    {
        using var folder = new TemporaryFolder();
        var result = await RunAsync(folder, folder["data"], Full);
        Assert.True(result.ExitCode == 0, result.Errors);
        Assert.Empty(result.Output);
        Assert.Contains($"Selecting the backup with name {Full}...", result.Errors, StringComparison.Ordinal);
        Assert.Contains("Backup to fetch will be searched in storages: [default]", result.Errors, StringComparison.Ordinal);
        Assert.True(File.Exists(folder["data", "global", "pg_control"]));
        Assert.False(File.Exists(folder["data", "recovery.signal"]));
    }

    [Fact]
    public async Task A_target_chooses_the_backup_and_writes_a_restore_command_with_this_call_s_flags()
    {
        using var folder = new TemporaryFolder();
        var result = await RunAsync(
            folder, folder["data"], "--target-name", "point_a", "--target-action=pause", "--walg-download-concurrency", "3",
            "--aws-secret-access-key=hunter2", "--walg-file-prefix", folder["archive"]);
        Assert.True(result.ExitCode == 0, result.Errors);
        var written = await File.ReadAllTextAsync(folder["data", "postgresql.auto.conf"], TestContext.Current.CancellationToken);
        Assert.Contains("recovery_target_name = 'point_a'", written, StringComparison.Ordinal);
        Assert.Contains("recovery_target_action = 'pause'", written, StringComparison.Ordinal);
        Assert.Contains("wal-fetch \"%f\" \"%p\"", written, StringComparison.Ordinal);
        Assert.Contains("--walg-download-concurrency=3", written, StringComparison.Ordinal);
        Assert.Contains("--walg-file-prefix=", written, StringComparison.Ordinal);
        Assert.True(File.Exists(folder["data", "recovery.signal"]));
        Assert.DoesNotContain("hunter2", written + result.Errors, StringComparison.Ordinal);
        Assert.Contains("restore_command does not hold AWS_SECRET_ACCESS_KEY", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_dry_run_prints_the_plan_and_makes_nothing()
    {
        using var folder = new TemporaryFolder();
        var result = await RunAsync(folder, folder["data"], "LATEST", "--target-time", "2026-11-22 21:06:46+00", "--dry-run");
        Assert.True(result.ExitCode == 0, result.Errors);
        Assert.Contains(Full, result.Output, StringComparison.Ordinal);
        Assert.Contains("recovery_target_time", result.Output, StringComparison.Ordinal);
        Assert.Matches(@"stop +commit of transaction 731 at 0/\w+, 2026-11-22T21:06:45\.\d{6}\+00:00", result.Output);
        Assert.False(Directory.Exists(folder["data"]));
    }

    [Fact]
    public async Task A_restore_point_that_is_not_archived_is_refused_with_the_nearest()
    {
        using var folder = new TemporaryFolder();
        var result = await RunAsync(folder, folder["data"], "--target-name", "point_x");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("holds no restore point 'point_x'", result.Errors, StringComparison.Ordinal);
        Assert.Contains("'point_a' (0/", result.Errors, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["data"]));
    }

    [Fact]
    public async Task An_unknown_backup_is_told_in_wal_g_s_words()
    {
        using var folder = new TemporaryFolder();
        var result = await RunAsync(folder, folder["data"], "base_0000000900000000000000FF");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("Backup 'base_0000000900000000000000FF' does not exist.", result.Errors, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["data"]));
    }

    [Fact]
    public async Task Neither_name_nor_target_is_wrong_usage()
    {
        using var folder = new TemporaryFolder();
        var result = await RunAsync(folder, folder["data"]);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("LATEST", result.Output, StringComparison.Ordinal);
        Assert.Contains("Usage:", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_and_user_data_exclude_each_other()
    {
        using var folder = new TemporaryFolder();
        var result = await RunAsync(folder, folder["data"], Full, "--target-user-data", "{}");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("exclude each other", result.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--target-time", "yesterday-ish")]
    [InlineData("--target-lsn", "12")]
    [InlineData("--target-xid", "-1")]
    [InlineData("--target-action", "explode")]
    public async Task A_target_that_is_none_is_refused(string flag, string value)
    {
        using var folder = new TemporaryFolder();
        var result = await RunAsync(folder, folder["data"], Full, "--target-name=x", $"{flag}={value}");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains($"{flag} '{value}' is not", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Backup_show_prints_facts_and_chain()
    {
        using var folder = new TemporaryFolder();
        var environment = GoldenFolder.Unpack(GoldenArchive.Open("walg-pg15-lz4-delta"), folder);
        var shown = await InProcess.RunAsync(environment, "backup-show", "LATEST");
        Assert.Equal(0, shown.ExitCode);
        Assert.Contains("kind:             delta, step 2\n", shown.Output, StringComparison.Ordinal);
        Assert.Contains($"restores from:    {Full}, base_000000010000000000000006_D_", shown.Output, StringComparison.Ordinal);
        var json = await InProcess.RunAsync(environment, "backup-show", Full, "--json");
        var list = await InProcess.RunAsync(environment, "backup-list", "--json", "--detail");
        Assert.StartsWith("[" + json.Output.TrimEnd(), list.Output, StringComparison.Ordinal);
    }

    private static Task<ProgramResult> RunAsync(TemporaryFolder folder, params string[] arguments)
    {
        var environment = GoldenFolder.Unpack(GoldenArchive.Open("walg-pg15-lz4-delta"), folder);
        return InProcess.RunAsync(environment, ["backup-fetch", .. arguments]);
    }
}
