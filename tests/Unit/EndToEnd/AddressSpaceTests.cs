namespace WalRus.Tests.EndToEnd;

/// <summary>The executable's bounds on memory, as ulimit -v and vm.overcommit_memory=2 see them.</summary>
public sealed class AddressSpaceTests
{
    [Fact]
    public async Task A_push_and_a_fetch_run_in_120_MB_of_address_space()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "ulimit -v is Linux's.");
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["archive"]);
        Directory.CreateDirectory(folder["pg_wal"]);
        const string name = "000000010000000000000001";
        var segment = SyntheticWal.Segment(name, WalRus.Postgres.WalSegmentSize.Default);
        File.WriteAllBytes(folder["pg_wal", name], segment);
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        var environment = new Dictionary<string, string>
        {
            ["WALG_FILE_PREFIX"] = folder["archive"],
            ["WALG_COMPRESSION_METHOD"] = "zstd",
        };
        await WalRusProgram.SucceedWithinAsync(120_000, environment, "wal-push", folder["pg_wal", name]);
        await WalRusProgram.SucceedWithinAsync(120_000, environment, "wal-fetch", name, folder["fetched"]);
        Assert.Equal(segment, File.ReadAllBytes(folder["fetched"]));
    }

    [Theory]
    [InlineData("backup-show", "base_000000010000000000000002")]
    [InlineData("backup-list", "--detail")]
    public async Task User_data_as_large_as_is_taken_is_shown_within_the_programs_own_heap(string command, string argument)
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["archive", "basebackups_005"]);
        var userData = string.Join(',', Enumerable.Repeat("\"twenty or so letters\"", 90_000));
        File.WriteAllText(
            folder["archive", "basebackups_005", "base_000000010000000000000002_backup_stop_sentinel.json"],
            $$"""{"LSN":33554472,"PgVersion":170000,"FinishLSN":33554800,"SystemIdentifier":7,"Version":2,"UserData":[{{userData}}]}""");
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        await WalRusProgram.SucceedAsync(
            new Dictionary<string, string> { ["WALG_FILE_PREFIX"] = folder["archive"] }, command, argument);
    }

    /// <summary>Eleven before <c>start.c</c> kept what one touched page makes resident within a window of its own.</summary>
    [Fact]
    public async Task A_daemon_that_rests_holds_less_than_eight_megabytes()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only there a page of the executable is dropped.");
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["archive"]);
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        await using var daemon = await DaemonProcess.StartAsync(
            folder["walrus.sock"], new Dictionary<string, string> { ["WALG_FILE_PREFIX"] = folder["archive"], ["PGDATA"] = folder.FullName });
        await PostgresCluster.UntilAsync(async () => (await daemon.StatusAsync()).RssBytes < 8 << 20);
    }
}
