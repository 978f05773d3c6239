namespace WalRus.Cli.CommandLine;

/// <summary>What --help and wrong usage print.</summary>
internal sealed class HelpText(string programName, IReadOnlyList<Command> commands)
{
    /// <summary>The list of commands.</summary>
    public void Write(TextWriter output)
    {
        output.Write(
            $"""
             PostgreSQL backup and WAL archiving, compatible with wal-g's archives and settings.

             Usage:
               {programName} COMMAND [arguments] [flags]

             Commands:

             """.ReplaceLineEndings("\n"));
        var shown = commands.Where(command => !command.IsHidden).ToList();
        WriteColumns(output, shown.Select(command => ($"  {command.Name}", command.Meaning)));
        output.Write("\nFlags:\n");
        WriteOptions(output, CommandLineParser.GlobalOptions);
        output.Write($"\nRun '{programName} COMMAND --help' for a command, '{programName} flags' for every setting as a flag.\n");
    }

    /// <summary>One command's usage.</summary>
    public void Write(TextWriter output, Command command)
    {
        var arguments = command.Arguments.Length > 0 ? $" {command.Arguments}" : "";
        output.Write($"Usage:\n  {programName} {command.Name}{arguments} [flags]\n\n");
        if (command.Subcommands.Count > 0)
        {
            output.Write("Commands:\n");
            WriteColumns(output, command.Subcommands.Select(one => ($"  {one.Name[(command.Name.Length + 1)..]}", one.Meaning)));
            output.Write("\n");
        }

        output.Write("Flags:\n");
        WriteOptions(output, [.. command.Options, new CommandOption("help", $"help for {command.Name}", 'h')]);
        output.Write("\nGlobal flags:\n");
        WriteOptions(output, CommandLineParser.GlobalOptions.Where(option => option.Name is not ("help" or "version")));
        output.Write($"\nTo get the complete list of all global flags, run: '{programName} flags'\n");
    }

    private static void WriteOptions(TextWriter output, IEnumerable<CommandOption> options) => WriteColumns(
        output,
        options.Select(option => (
            $"  {(option.Short is { } letter ? $"-{letter}, " : "    ")}--{option.Name}{(option.TakesValue ? " " + option.ValueName : "")}",
            option.Meaning)));

    private static void WriteColumns(TextWriter output, IEnumerable<(string Left, string Right)> rows)
    {
        var list = rows.ToList();
        var width = list.Max(row => row.Left.Length);
        foreach (var (left, right) in list)
        {
            output.Write($"{left.PadRight(width)}   {right}\n");
        }
    }
}
