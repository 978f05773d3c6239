using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace WalRus.Tests.Cli;

/// <summary>backup-list against what real wal-g printed for the same archives.</summary>
public sealed partial class GoldenListTests
{
    [Fact]
    public async Task Backup_list_prints_what_wal_g_printed()
    {
        var compared = 0;
        foreach (var golden in GoldenArchive.All().Where(golden => golden.IsWalG))
        {
            using var folder = new TemporaryFolder();
            Unpack(golden, folder.FullName);
            var environment = Environment(golden, folder["archive"]);
            foreach (var run in Runs(golden))
            {
                var result = await InProcess.RunAsync(environment, run.Arguments);
                var what = $"{golden.Name}: {string.Join(' ', run.Arguments)}";
                Assert.True(run.ExitCode == result.ExitCode, $"{what}\n{result.Errors}");
                Assert.Equal(Comparable(run.Output), Comparable(result.Output));
                Assert.Equal(Stamp().Replace(run.Errors, ""), Stamp().Replace(result.Errors, ""));
                compared++;
            }
        }

        Assert.True(compared > 40);
    }

    /// <summary>.NET keeps 100 ns of a file's time, wal-g the whole: the last two digits differ.</summary>
    private static string Comparable(string text) => Nanoseconds().Replace(text, match => match.Groups[1].Value.TrimEnd('0', '.') + "Z");

    private static void Unpack(GoldenArchive golden, string target)
    {
        // The times of the files are the backups' times, which .NET's extraction keeps only to the second in some formats.
        using var tar = Process.Start("tar", ["-xpzf", Path.Combine(golden.Folder, "archive.tar.gz"), "-C", target]);
        tar.WaitForExit();
        Assert.Equal(0, tar.ExitCode);
    }

    private static Dictionary<string, string> Environment(GoldenArchive golden, string archive)
    {
        var environment = new Dictionary<string, string> { ["WALG_FILE_PREFIX"] = archive };
        using var facts = JsonDocument.Parse(File.ReadAllText(Path.Combine(golden.Folder, "golden.json")));
        foreach (var setting in facts.RootElement.GetProperty("settings").EnumerateObject())
        {
            var value = setting.Value.GetString()!;
            environment[setting.Name] = setting.Name.EndsWith("_PATH", StringComparison.Ordinal) ? Path.Combine(golden.Folder, value) : value;
        }

        return environment;
    }

    /// <summary>The listings before the first command that changed the archive.</summary>
    private static IEnumerable<GoldenRun> Runs(GoldenArchive golden)
    {
        using var outputs = JsonDocument.Parse(File.ReadAllText(Path.Combine(golden.Folder, "outputs.json")));
        return outputs.RootElement.GetProperty("runs").EnumerateArray()
            .Select(run => new GoldenRun(
                [.. run.GetProperty("args").EnumerateArray().Select(argument => argument.GetString()!)],
                run.GetProperty("exit").GetInt32(),
                run.GetProperty("stdout").GetString()!,
                run.GetProperty("stderr").GetString()!))
            .TakeWhile(run => run.Arguments[0] != "backup-mark")
            .Where(run => run.Arguments[0] == "backup-list")
            .ToList();
    }

    [GeneratedRegex(@"(\.\d{1,7})\d{0,2}Z")]
    private static partial Regex Nanoseconds();

    [GeneratedRegex(@"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6}")]
    private static partial Regex Stamp();

    private sealed record GoldenRun(string[] Arguments, int ExitCode, string Output, string Errors);
}
