using System.Diagnostics;

namespace WalRus.Tests.Cli;

/// <summary>The executable as this test run was built with it (not the published one), and nothing of this process' environment.</summary>
internal static class BuiltProgram
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    public static Task<ProgramResult> RunAsync(IReadOnlyDictionary<string, string> environment, params string[] arguments) =>
        RunInAsync("", environment, arguments);

    /// <param name="folder">The current folder of the program; empty for that of this process.</param>
    /// <param name="environment">The settings the program gets.</param>
    /// <param name="arguments">Its command line.</param>
    public static async Task<ProgramResult> RunInAsync(string folder, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        using var process = StartIn(folder, environment, arguments);
        process.StandardInput.Close();
        using var limit = new CancellationTokenSource(Limit);
        var output = process.StandardOutput.ReadToEndAsync(limit.Token);
        var errors = process.StandardError.ReadToEndAsync(limit.Token);
        try
        {
            await process.WaitForExitAsync(limit.Token);
            return new ProgramResult(process.ExitCode, await output, await errors);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }

    public static Process Start(IReadOnlyDictionary<string, string> environment, params string[] arguments) =>
        StartIn("", environment, arguments);

    private static Process StartIn(string folder, IReadOnlyDictionary<string, string> environment, string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder,
        };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "walrus.dll"));
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        foreach (var name in start.Environment.Keys.Where(IsSetting).ToList())
        {
            start.Environment.Remove(name);
        }

        start.Environment["HOME"] = Path.GetTempPath();
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }

    private static bool IsSetting(string name) =>
        name.StartsWith("WAL", StringComparison.Ordinal) || name.StartsWith("PG", StringComparison.Ordinal)
        || name.StartsWith("AWS_", StringComparison.Ordinal);
}
