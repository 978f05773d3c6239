using System.Reflection;

namespace WalRus.Cmdlets;

/// <summary>The restore_command a restored server gets when none is given.</summary>
internal static class DefaultRestoreCommand
{
    /// <summary>
    /// The walrus executable beside the module or on PATH: it starts in a millisecond where pwsh takes hundreds, and
    /// replay waits for it once a segment. Without one, pwsh with this module.
    /// </summary>
    public static string For(string? configFile)
    {
        var executable = OperatingSystem.IsWindows() ? "walrus.exe" : "walrus";
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Prepend(ModuleFolder).Where(folder => folder.Length > 0);
        var found = folders.Select(folder => Path.Combine(folder, executable)).FirstOrDefault(File.Exists);
        if (found is not null)
        {
            var config = configFile is null ? "" : $" --config \"{configFile}\"";
            return $"\"{found}\" wal-fetch \"%f\" \"%p\"{config}";
        }

        var manifest = Path.Combine(ModuleFolder, "..", "WalRus.psd1");
        var file = configFile is null ? "" : $" -ConfigFile '{configFile}'";
        return "pwsh -NoProfile -NonInteractive -Command \"& { $ErrorActionPreference = 'Stop'; Import-Module "
            + $"'{Path.GetFullPath(manifest)}'; Restore-WalSegment '%f' '%p'{file} }}\"";
    }

    private static string ModuleFolder => Path.GetDirectoryName(Assembly.GetExecutingAssembly().Location)!;
}
