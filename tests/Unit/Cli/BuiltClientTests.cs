using WalRus.Daemon;
using WalRus.Tests.Daemon;

namespace WalRus.Tests.Cli;

/// <summary>The client as it ships.</summary>
public sealed class BuiltClientTests
{
    private const string Segment = "000000010000000000000002";

    private static readonly Dictionary<string, string> NoEnvironment = [];

    [Fact]
    public async Task The_small_client_sends_wal_g_s_bytes_and_ends_with_wal_g_s_codes()
    {
        using var folder = new TemporaryFolder();
        var path = Opened(folder)["s"];
        foreach (var (reply, exitCode) in (IEnumerable<(string, int)>)[("O", 0), ("N", 74), ("E", 1)])
        {
            File.Delete(path);
            await using var daemon = new ScriptedDaemon(path, [(byte)reply[0]]);
            OpenToAll(path);
            var result = await WalRusProgram.RunClientAsync([path, "wal-fetch", Segment, "pg_wal/RECOVERYXLOG"], NoEnvironment);
            Assert.True(exitCode == result.ExitCode, result.Errors + result.Output);
            Assert.Equal(DaemonRequest.Fetch(Segment, "pg_wal/RECOVERYXLOG").Encode(), await daemon.Request);
        }
    }

    [Fact]
    public async Task Walrus_is_the_same_client_by_command_and_by_name()
    {
        using var folder = new TemporaryFolder();
        var path = Opened(folder)["s"];
        await using var daemon = new ScriptedDaemon(path, "O\0\u0003"u8.ToArray());
        OpenToAll(path);
        var byCommand = await WalRusProgram.RunAsync(["daemon-client", "--socket", path, "check"], NoEnvironment);
        Assert.True(byCommand.ExitCode == 0, byCommand.Errors);

        // The revisions differ where one of the two was built again after a commit.
        var version = (await WalRusProgram.RunClientAsync(["--version"], NoEnvironment)).Output.Split('\t');
        var same = (await WalRusProgram.RunAsync(["daemon-client", "--version"], NoEnvironment)).Output.Split('\t');
        Assert.Equal((3, version[0], version[2]), (same.Length, same[0], same[2]));
    }

    [Fact]
    public async Task Without_a_daemon_the_small_client_archives_through_walrus_and_says_so()
    {
        using var folder = new TemporaryFolder();
        Opened(folder);
        SyntheticWal.Write(folder["data", "pg_wal"], Segment);
        Directory.CreateDirectory(folder["archive"]);
        OpenToAll(folder["archive"]);
        OpenToAll(folder["data", "pg_wal"]);
        var result = await WalRusProgram.RunClientAsync(
            [folder["s"], "wal-push", Segment, "--fallback"],
            new Dictionary<string, string>
            {
                ["PGDATA"] = folder["data"], ["WALG_FILE_PREFIX"] = folder["archive"], ["WALG_COMPRESSION_METHOD"] = "lz4",
            });
        Assert.True(result.ExitCode == 0, result.Errors);
        Assert.Contains("no daemon answers", result.Errors, StringComparison.Ordinal);
        Assert.True(File.Exists(folder["archive", "wal_005", Segment + ".lz4"]));
    }

    private static TemporaryFolder Opened(TemporaryFolder folder)
    {
        OpenToAll(folder.FullName);
        return folder;
    }

    /// <summary>The program runs under the server's account.</summary>
    private static void OpenToAll(string path)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, (UnixFileMode)0b111_111_111);
        }
    }
}
