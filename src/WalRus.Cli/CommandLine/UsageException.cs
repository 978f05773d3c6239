namespace WalRus.Cli.CommandLine;

/// <summary>The command line is wrong; the words are those of wal-g's command-line library, which scripts may know.</summary>
internal sealed class UsageException(string message) : Exception(message);
