using WalRus.Cli.Client;
using WalRus.Cli.CommandLine;

namespace WalRus.Cli.Commands;

/// <summary>
/// <c>walrus daemon-client</c>, and this executable under the name of wal-g's client: the small client's own program. It
/// needs no settings, so it is run before any are read.
/// </summary>
internal static class DaemonClientCommand
{
    private const string Name = "daemon-client";

    public static Command Definition { get; } = new()
    {
        Name = Name,
        Arguments = "socket check | wal-push wal_file | wal-fetch wal_name destination",
        Meaning = "Ask an archiving daemon for one WAL file (archive_command, restore_command)",
        MaximumArguments = int.MaxValue,
        ReadsOwnFlags = true,
        RunAsync = (call, _) => Task.FromResult(Run($"{Application.Name} {Name}", [.. call.Arguments])),
    };

    /// <summary>Runs it when the command line is the client's.</summary>
    /// <param name="program">The name this process was started by.</param>
    /// <param name="arguments">What came after it.</param>
    /// <returns>The exit code; null when the command line is another command's.</returns>
    public static int? RunIfAsked(string program, string[] arguments)
    {
        if (Path.GetFileNameWithoutExtension(program) is "walg-daemon-client" or "walrus-daemon-client")
        {
            return Run(Path.GetFileNameWithoutExtension(program), arguments);
        }

        return arguments is [Name, ..] ? Run($"{Application.Name} {Name}", arguments[1..]) : null;
    }

    private static int Run(string name, string[] words) => new ClientProgram(
        name,
        $"{Application.Version().Replace('+', '\t')}\t-",
        StandardStream.WriteOutput,
        StandardStream.WriteErrors,
        FallBack).Run(words);

    private static int FallBack(string[] arguments)
    {
        if (SelfInvocation.Find() is not { } self || ReplacedProcess.Run(self.Program, [.. self.Arguments, .. arguments]) is not { } exitCode)
        {
            StandardStream.WriteErrors($"{Application.Name}: could not be started again\n");
            return ExitCodes.Failure;
        }

        return exitCode;
    }
}
