namespace WalRus.Backup;

/// <summary>Builds PostgreSQL's restore_command, quoted for the shell that this system's server runs it in.</summary>
public static class RestoreCommand
{
    /// <summary>
    /// The flag of <c>walrus wal-fetch</c> for a recovery that ends at the archive's end: PostgreSQL takes every failure of
    /// restore_command for that end, so an unreachable store would make a server that lacks the newest commits. With it the
    /// server stops and goes on where it was when it is started again. Not for a standby, which asks again by itself.
    /// </summary>
    public const string StopRecoveryFlag = "stop-recovery";

    /// <summary><c>"/path/walrus" wal-fetch "%f" "%p" [--config "..."]</c>.</summary>
    /// <param name="executable">Absolute path of the walrus (or wal-g) executable.</param>
    /// <param name="configurationFile">Its configuration file; null when it finds its settings by itself.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.InvalidArgument"/>: a path that cannot be quoted.</exception>
    public static string ForExecutable(string executable, string? configurationFile = null) =>
        ForExecutable(executable, configurationFile, OperatingSystem.IsWindows());

    /// <summary><c>PROGRAM... wal-fetch "%f" "%p" FLAGS...</c>, each word quoted.</summary>
    /// <param name="program">The executable, absolute, and what must follow it.</param>
    /// <param name="flags">Global flags, without secrets: the command stands in a file and in the list of processes.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.InvalidArgument"/>: a word that cannot be quoted.</exception>
    public static string ForProgram(IEnumerable<string> program, IEnumerable<string> flags)
    {
        var windows = OperatingSystem.IsWindows();
        return string.Join(' ', [
            .. program.Select(word => Quote(word, windows)), "wal-fetch", "\"%f\"", "\"%p\"",
            .. flags.Select(word => Quote(word, windows))]);
    }

    internal static string ForExecutable(string executable, string? configurationFile, bool windows)
    {
        var command = $"{Quote(executable, windows)} wal-fetch \"%f\" \"%p\"";
        return configurationFile is null ? command : $"{command} --config {Quote(configurationFile, windows)}";
    }

    /// <summary>One word for the shell, with '%' doubled since PostgreSQL replaces it before the shell sees it.</summary>
    private static string Quote(string word, bool windows)
    {
        if (word.AsSpan().IndexOfAny('\n', '\r', '\0') >= 0 || (windows && word.Contains('"', StringComparison.Ordinal)))
        {
            throw new WalRusException(ErrorCode.InvalidArgument, $"'{word}' cannot be part of a restore command.");
        }

        var doubled = word.Replace("%", "%%", StringComparison.Ordinal);
        return windows ? $"\"{doubled}\"" : $"'{doubled.Replace("'", "'\\''", StringComparison.Ordinal)}'";
    }
}
