using WalRus.Tests.Cli;

namespace WalRus.Tests.Verification;

/// <summary>wal-restore: the WAL that pg_rewind needs, and what wal-show misses.</summary>
public sealed class MissingWalFetchTests
{
    [Fact]
    public async Task An_old_primary_gets_the_segments_that_pg_rewind_needs()
    {
        using var archive = new FolderArchive();
        archive.OpenToServer();
        var copy = $"cp \"%p\" \"{archive.Root}/wal_005/%f\"";
        await using var old = await PostgresCluster.StartAsync(new() { Major = 15, WalSegmentMegabytes = 1, ArchiveCommand = copy });
        await using var promoted = await old.CreateStandbyAsync();
        await promoted.PromoteAsync();
        List<string> written = [];
        for (var count = 0; count < 3; count++)
        {
            await old.ExecuteAsync($"CREATE TABLE t{count} AS SELECT generate_series(1, 100) AS n");
            written.Add(await old.SwitchWalAsync());
        }

        await old.StopAsync();
        await promoted.StopAsync();
        foreach (var name in written.Skip(1))
        {
            File.Delete(Path.Combine(old.DataDirectory, "pg_wal", name));
        }

        string[] rewind = ["--target-pgdata", old.DataDirectory, "--source-pgdata", promoted.DataDirectory, "--no-sync"];
        await Assert.ThrowsAnyAsync<Exception>(() => old.Programs.RunAsync("pg_rewind", [.. rewind, "--dry-run"]));

        var restored = await InProcess.RunAsync(archive.Environment, "wal-restore", promoted.DataDirectory, old.DataDirectory);
        Assert.Equal((0, ""), (restored.ExitCode, restored.Output));
        Assert.All(written, name => Assert.Equal(
            File.ReadAllBytes(Path.Combine(archive.Root, "wal_005", name)), File.ReadAllBytes(Path.Combine(old.DataDirectory, "pg_wal", name))));
        await old.Programs.RunAsync("pg_rewind", rewind);

        // Rewound, the two are on one timeline: nothing to do, and an error as wal-g's.
        var same = await InProcess.RunAsync(archive.Environment, "wal-restore", promoted.DataDirectory, promoted.DataDirectory);
        Assert.Equal(1, same.ExitCode);
        Assert.Contains("timelines of target and source clusters are equal", same.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_wal_show_misses_is_asked_for_once_more_and_told_when_it_is_not_there()
    {
        using var archive = new FolderArchive();
        using var target = new TemporaryFolder();
        archive.Segments(1, [1, 4]);
        var missing = SyntheticWal.Write(target["there"], FolderArchive.Name(1, 2));
        var environment = new Dictionary<string, string>(archive.Environment) { ["WALG_PG_WAL_SIZE"] = "16" };
        var result = await InProcess.RunAsync(environment, "wal-restore", target["there"]);
        Assert.Equal(0, result.ExitCode);
        Assert.Contains($"Failed to download WAL file {FolderArchive.Name(1, 3)}", result.Errors, StringComparison.Ordinal);
        Assert.True(File.Exists(missing));

        var nothing = await InProcess.RunAsync(archive.Environment, "wal-restore", target["new"], "--timeline", "2");
        Assert.Contains("No WAL files to restore", nothing.Errors, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFiles(target["new"]));
    }

    [Fact]
    public async Task Folders_that_are_no_data_directories_are_refused()
    {
        using var archive = new FolderArchive();
        var refused = await InProcess.RunAsync(archive.Environment, "wal-restore", archive.Root, archive.Root);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("pg_control", refused.Errors, StringComparison.Ordinal);
    }
}
