using WalRus.Cli.CommandLine;

namespace WalRus.Cli.Commands;

/// <summary><c>walrus help [command]</c>.</summary>
internal static class HelpCommand
{
    public static Command Definition { get; } = new()
    {
        Name = "help",
        Arguments = "[command]",
        Meaning = "Help about a command",
        MaximumArguments = 1,
        RunAsync = (call, _) =>
        {
            var help = new HelpText(Application.Name, CommandTable.All);
            var command = call.Arguments.Count == 0 ? null
                : CommandTable.All.FirstOrDefault(candidate => candidate.Name == call.Arguments[0])
                    ?? throw new WalRusException(ErrorCode.InvalidArgument, $"There is no command '{call.Arguments[0]}'.");
            if (command is null)
            {
                help.Write(call.Output);
            }
            else
            {
                help.Write(call.Output, command);
            }

            return Task.FromResult(ExitCodes.Success);
        },
    };
}
