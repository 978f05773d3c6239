using System.Reflection;

namespace WalRus.Cmdlets;

/// <summary>Where the walrus executable is.</summary>
internal static class WalRusExecutable
{
    /// <summary>Beside the module, else on PATH; null when it is nowhere.</summary>
    public static string? Find()
    {
        var executable = OperatingSystem.IsWindows() ? "walrus.exe" : "walrus";
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Prepend(ModuleFolder).Where(Path.IsPathFullyQualified);
        return folders.Select(folder => Path.Combine(folder, executable)).FirstOrDefault(File.Exists);
    }

    private static string ModuleFolder => Path.GetDirectoryName(Assembly.GetExecutingAssembly().Location)!;
}
