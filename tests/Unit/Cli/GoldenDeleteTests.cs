using System.Text.Json;
using System.Text.RegularExpressions;

namespace WalRus.Tests.Cli;

/// <summary>delete against what real WAL-RUS printed for the same archives; wal-g's outputs are in <see cref="GoldenOutputTests"/>.</summary>
public sealed partial class GoldenDeleteTests
{
    [Fact]
    public async Task Delete_names_the_objects_that_wal_rus_named()
    {
        var compared = 0;
        foreach (var golden in GoldenArchive.All().Where(golden => !golden.IsWalG))
        {
            using var folder = new TemporaryFolder();
            var environment = GoldenFolder.Unpack(golden, folder);
            foreach (var run in Runs(golden))
            {
                var result = await InProcess.RunAsync(environment, run.Arguments);
                Assert.True(run.ExitCode == result.ExitCode, $"{golden.Name}: {string.Join(' ', run.Arguments)}\n{result.Errors}");
                var theirs = Regex.Matches(run.Output, "^  (\\S+)$", RegexOptions.Multiline).Select(match => match.Groups[1].Value);
                var prefix = run.Arguments[1] == "target" ? "basebackups_005/" : "";
                var ours = Marked().Matches(result.Errors).Select(match => prefix + match.Groups[1].Value);
                Assert.Equal(theirs.Order(StringComparer.Ordinal), ours.Order(StringComparer.Ordinal));
                compared++;
            }
        }

        Assert.True(compared > 6, $"{compared} were compared");
    }

    private static IEnumerable<(string[] Arguments, int ExitCode, string Output, string Errors)> Runs(GoldenArchive golden)
    {
        using var outputs = JsonDocument.Parse(File.ReadAllText(Path.Combine(golden.Folder, "outputs.json")));
        return outputs.RootElement.GetProperty("runs").EnumerateArray()
            .Select(run => (
                run.GetProperty("args").EnumerateArray().Select(argument => argument.GetString()!).ToArray(),
                run.GetProperty("exit").GetInt32(),
                run.GetProperty("stdout").GetString()!,
                run.GetProperty("stderr").GetString()!))
            .Where(run => run.Item1[0] == "delete" && !run.Item1.Contains("base_nonsense"))
            .ToList();
    }

    [GeneratedRegex(@"Object marked for deletion: (\S+) storage=default")]
    private static partial Regex Marked();
}
