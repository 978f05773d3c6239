namespace WalRus.Cli.CommandLine;

/// <summary>The command line is wrong; the words are those of wal-g's command-line library, which scripts may know.</summary>
internal sealed class UsageException(string message, Command? command = null) : Exception(message)
{
    /// <summary>The command whose usage helps; null when none was recognized.</summary>
    public Command? Command { get; } = command;
}
