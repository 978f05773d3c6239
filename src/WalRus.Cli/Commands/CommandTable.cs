using WalRus.Cli.CommandLine;

namespace WalRus.Cli.Commands;

/// <summary>Every command, in the order --help shows them.</summary>
internal static class CommandTable
{
    /// <summary>wal-g's commands that WalRus does not have: named, so that a script is told and nothing is silently left out.</summary>
    private static readonly string[] MissingNames =
    [
        "catchup-push", "catchup-fetch",
        "catchup-list", "catchup-send", "catchup-receive", "pgbackrest", "completion",
    ];

    public static IReadOnlyList<Command> All { get; } =
    [
        WalPushCommand.Definition,
        WalFetchCommand.Definition,
        WalPrefetchCommand.Definition,
        WalReceiveCommand.Definition,
        BackupPushCommand.Definition,
        BackupFetchCommand.Definition,
        BackupListCommand.Definition,
        BackupShowCommand.Definition,
        WalShowCommand.Definition,
        WalVerifyCommand.Definition,
        WalRestoreCommand.Definition,
        BackupMarkCommand.Definition,
        DeleteCommand.Definition,
        CopyCommand.Definition,
        StorageToolsCommand.Definition,
        DaemonCommand.Definition,
        DaemonClientCommand.Definition,
        ConfigCommand.Definition,
        FlagsCommand.Definition,
        DemoDefinition,
        HelpCommand.Definition,
        .. MissingNames.Select(Missing),
    ];

    private static Command DemoDefinition => new()
    {
        Name = "demo",
        Meaning = "Back up, destroy and recover a throwaway PostgreSQL, and prove it",
        ReadsOwnFlags = true,
        MaximumArguments = int.MaxValue,
        RunAsync = async (call, cancellationToken) =>
        {
            var exitCode = await DemoCommand.RunAsync(call.Arguments, call.Output, cancellationToken).ConfigureAwait(false);
            return exitCode;
        },
    };

    private static Command Missing(string name) => new()
    {
        Name = name,
        Meaning = "wal-g's; WalRus does not have it yet",
        ReadsOwnFlags = true,
        IsHidden = true,
        RunAsync = (_, _) => throw new WalRusException(
            ErrorCode.InvalidArgument,
            $"walrus does not have wal-g's command '{name}' yet; nothing was done.",
            "wal-g works on the same archive: run this one with wal-g."),
    };
}
