using System.Text.Json;
using System.Text.RegularExpressions;

namespace WalRus.Tests.Cli;

/// <summary>backup-list and wal-show against what real wal-g printed for the same archives.</summary>
public sealed partial class GoldenListTests
{
    [Fact]
    public async Task Backup_list_and_wal_show_print_what_wal_g_printed()
    {
        var compared = 0;
        foreach (var golden in GoldenArchive.All().Where(golden => golden.IsWalG))
        {
            using var folder = new TemporaryFolder();
            var environment = GoldenFolder.Unpack(golden, folder);
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

        Assert.True(compared > 60);
    }

    /// <summary>.NET keeps 100 ns of a file's time, wal-g the whole: the last two digits differ.</summary>
    private static string Comparable(string text) => Nanoseconds().Replace(text, match => match.Groups[1].Value.TrimEnd('0', '.') + "Z");

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
            .Where(run => run.Arguments[0] is "backup-list" or "wal-show")
            .ToList();
    }

    [GeneratedRegex(@"(\.\d{1,7})\d{0,2}Z")]
    private static partial Regex Nanoseconds();

    [GeneratedRegex(@"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6}")]
    private static partial Regex Stamp();

    private sealed record GoldenRun(string[] Arguments, int ExitCode, string Output, string Errors);
}
