using System.Text.Json;
using WalRus.Cli.CommandLine;
using WalRus.Cli.Terminal;
using WalRus.Configuration;

namespace WalRus.Cli.Commands;

/// <summary>
/// <c>walrus config [--all] [--json]</c>: each setting in force, where it came from, and what is wrong with it; secrets
/// masked. Ends with 1 when something is wrong.
/// </summary>
internal static class ConfigCommand
{
    public static Command Definition { get; } = new()
    {
        Name = "config",
        Meaning = "Show the settings in force, where each came from, and what is wrong with them",
        Options =
        [
            new("all", "also settings that nobody has set"),
            new("json", "as JSON"),
            new("pretty", "as a table with borders; with --json indented"),
        ],
        RunAsync = (call, _) => Task.FromResult(Run(call)),
    };

    private static int Run(Invocation call)
    {
        var review = call.Settings.Review();
        var shown = review.Where(line => call.Has("all") || line.Value.IsSet || line.Problem is not null).ToList();
        if (call.Has("json"))
        {
            WriteJson(call.Output, shown, call.Has("pretty"));
        }
        else
        {
            WriteTable(call.Output, shown, call.Has("pretty"));
        }

        foreach (var line in shown.Where(line => line.Problem is not null))
        {
            call.Log.Error(line.Problem!.Code, line.Problem.Message, line.Problem.Hint);
        }

        var general = call.Settings.StoreProblem();
        if (general is not null)
        {
            call.Log.Error(general.Code, general.Message, general.Hint);
        }

        return general is null && shown.TrueForAll(line => line.Problem is null) ? ExitCodes.Success : ExitCodes.Failure;
    }

    private static void WriteTable(TextWriter output, IReadOnlyList<SettingReview> shown, bool boxed)
    {
        IReadOnlyList<IReadOnlyList<string>> rows =
        [
            ["setting", "value", "source", "state"],
            .. shown.Select(line => new[] { line.Value.Setting.Name, line.Value.Shown ?? "-", line.Value.Origin.ToString(), line.State }),
        ];
        if (boxed)
        {
            TextTable.WriteBoxed(output, rows, _ => false);
        }
        else
        {
            TextTable.WritePlain(output, rows);
        }
    }

    private static void WriteJson(TextWriter output, IReadOnlyList<SettingReview> shown, bool indented) => JsonOutput.Write(
        output,
        indented,
        writer =>
        {
            writer.WriteStartArray();
            foreach (var line in shown)
            {
                writer.WriteStartObject();
                writer.WriteString("name", line.Value.Setting.Name);
                writer.WriteString("value", line.Value.Shown);
                writer.WriteString("source", line.Value.Origin.Kind.ToString().ToLowerInvariant());
                writer.WriteString("found_at", line.Value.Origin.ToString());
                writer.WriteString("state", line.State);
                if (line.Problem is { } problem)
                {
                    writer.WriteString("problem", problem.Message);
                    writer.WriteString("hint", problem.Hint);
                }

                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        });
}
