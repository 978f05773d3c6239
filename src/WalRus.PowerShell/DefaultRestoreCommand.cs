using System.Reflection;
using WalRus.Backup;

namespace WalRus.Cmdlets;

/// <summary>The restore_command a restored server gets when none is given.</summary>
internal static class DefaultRestoreCommand
{
    /// <summary>
    /// The walrus executable beside the module or on PATH: it starts much faster than pwsh, and
    /// replay waits for it once a segment. Without one, pwsh with this module.
    /// </summary>
    /// <param name="configFile">The settings' file, or null.</param>
    /// <param name="isStandby">A standby asks again after a failure; any other recovery must stop, not end.</param>
    public static string For(string? configFile, bool isStandby) => WalRusExecutable.Find() is { } found
        ? RestoreCommand.ForExecutable(found, configFile) + (isStandby ? "" : $" --{RestoreCommand.StopRecoveryFlag}")
        : ForPowerShell(configFile, isStandby);

    private static string ModuleFolder => Path.GetDirectoryName(Assembly.GetExecutingAssembly().Location)!;

    private static string ForPowerShell(string? configFile, bool isStandby)
    {
        var manifest = Path.GetFullPath(Path.Combine(ModuleFolder, "..", "WalRus.psd1"));
        var file = configFile is null ? "" : $" -ConfigFile {Literal(configFile)}";
        var script = $"Import-Module {Literal(manifest)} -ErrorAction Stop; Restore-WalSegment '%f' '%p'{file} -ErrorAction Stop";
        if (!isStandby)
        {
            script = $"try {{ {script} }} catch {{ $_ | Out-String | Write-Host; exit ($_.FullyQualifiedErrorId -like "
                + $"'{ErrorCode.WalSegmentNotFound}*' ? {ErrorCodes.ExitWalNotFound} : {ErrorCodes.ExitStopsRecovery}) }}";
        }

        // The shell must take nothing in it for its own: $ and backticks stay as they are only in sh's single quotes.
        var quoted = OperatingSystem.IsWindows()
            ? $"\"{script}\""
            : $"'{script.Replace("'", "'\\''", StringComparison.Ordinal)}'";
        return $"{PowerShellProgram} -NoProfile -NonInteractive -Command {quoted}";
    }

    /// <summary>This very PowerShell, unless another program hosts it.</summary>
    private static string PowerShellProgram =>
        Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "pwsh" ? $"\"{Doubled(path)}\"" : "pwsh";

    /// <summary>A PowerShell string; PostgreSQL replaces % before anyone else sees it.</summary>
    private static string Literal(string text) => $"'{Doubled(text).Replace("'", "''", StringComparison.Ordinal)}'";

    private static string Doubled(string text) => text.Replace("%", "%%", StringComparison.Ordinal);
}
