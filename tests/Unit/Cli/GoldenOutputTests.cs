using System.Text.Json;
using System.Text.RegularExpressions;

namespace WalRus.Tests.Cli;

/// <summary>
/// Every command whose output real wal-g recorded for an archive of its own, in the recorded order: exit code, standard
/// output and standard error.
/// </summary>
public sealed partial class GoldenOutputTests
{
    /// <summary>docs/WALG-COMPATIBILITY.md, by the first words of a row: each change of <see cref="Deliberate"/> is there.</summary>
    private static readonly string[] Rows =
    [
        "| Existing destination of `wal-fetch`", "| Usage and log lines", "| Texts of errors", "| `delete`: order", "| Times of files in a folder",
    ];

    public static TheoryData<string> Archives() =>
        [.. GoldenArchive.All().Where(golden => golden.IsWalG).Select(golden => golden.Name)];

    [Theory]
    [MemberData(nameof(Archives))]
    public async Task Each_command_says_and_returns_what_wal_g_did(string archive)
    {
        var golden = GoldenArchive.Open(archive);
        using var scratch = new TemporaryFolder();
        var environment = GoldenFolder.Unpack(golden, scratch);
        // A prefetch would be a process of its own that outlives the test.
        environment["WALG_DOWNLOAD_CONCURRENCY"] = "1";
        using var outputs = JsonDocument.Parse(File.ReadAllText(Path.Combine(golden.Folder, "outputs.json")));
        var runs = outputs.RootElement.GetProperty("runs").EnumerateArray().Select(Recorded).ToList();
        foreach (var run in runs)
        {
            var result = await InProcess.RunAsync(
                environment, [.. run.Arguments.Select(argument => argument.Replace("$TMP", scratch.FullName, StringComparison.Ordinal))]);
            var got = run with
            {
                ExitCode = result.ExitCode,
                Output = result.Output,
                Errors = result.Errors.Replace(scratch.FullName, "$TMP", StringComparison.Ordinal),
            };
            Assert.Equal(Comparable(Deliberate(run)), Comparable(got));
        }

        Assert.True(runs.Count > 30, $"{runs.Count} were compared");
    }

    [Fact]
    public void What_is_deliberately_different_is_documented()
    {
        var page = File.ReadAllText(Path.Combine(Repository.Root, "docs", "WALG-COMPATIBILITY.md"));
        Assert.All(Rows, row => Assert.Contains(row, page, StringComparison.Ordinal));
    }

    private static GoldenRun Recorded(JsonElement run) => new(
        [.. run.GetProperty("args").EnumerateArray().Select(argument => argument.GetString()!)],
        run.GetProperty("exit").GetInt32(),
        run.GetProperty("stdout").GetString()!,
        run.GetProperty("stderr").GetString()!);

    private static GoldenRun Deliberate(GoldenRun run) => run.Arguments switch
    {
        ["wal-fetch", var segment, "$TMP/seg"] => run with { ExitCode = 0, Errors = $"INFO: Fetched {segment}\n" },
        ["wal-push", var file] => run with
        {
            Errors = $"INFO: Files will be uploaded to storage: default\nERROR: There is no file '{file}' to archive.\n",
        },
        ["backup-fetch", ..] => run with { Errors = run.Errors.Replace("Failed to select backup: ", "", StringComparison.Ordinal) },
        ["no-such-command"] => run with { Output = OurName(run.Output), Errors = OurName(run.Errors) },
        _ => run,
    };

    private static string OurName(string text) => text.Replace("wal-g", "walrus", StringComparison.Ordinal);

    private static string Comparable(GoldenRun run)
    {
        var errors = Reason().Replace(Usage().Replace(Stamp().Replace(run.Errors, ""), ""), "$1")
            .Split('\n').Where(line => !line.StartsWith("HINT", StringComparison.Ordinal));

        // Sentinels go first and WAL last, where wal-g goes by name.
        errors = run.Arguments[0] == "delete" ? errors.Order(StringComparer.Ordinal) : errors;
        var output = HundredNanoseconds().Replace(run.Output, match => match.Groups[1].Value.TrimEnd('0', '.') + match.Groups[2].Value);
        output = run.Arguments[0] == "st" ? Spaces().Replace(output, " ") : output; // columns are as wide as their widest time
        return $"{string.Join(' ', run.Arguments)}\nexit {run.ExitCode}\n{output}\n{string.Join('\n', errors)}";
    }

    [GeneratedRegex(@" \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6}")]
    private static partial Regex Stamp();

    [GeneratedRegex("Usage:.*", RegexOptions.Singleline)]
    private static partial Regex Usage();

    /// <summary>Our own words behind wal-g's.</summary>
    [GeneratedRegex(@"(ERROR: not found|INFO: Fetched \S+)[: ].*")]
    private static partial Regex Reason();

    [GeneratedRegex(@"(\.\d{1,7})\d{0,2}(Z| \+0000 UTC)")]
    private static partial Regex HundredNanoseconds();

    [GeneratedRegex(" +")]
    private static partial Regex Spaces();

    private sealed record GoldenRun(string[] Arguments, int ExitCode, string Output, string Errors);
}
