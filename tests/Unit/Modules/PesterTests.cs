using System.Diagnostics;

namespace WalRus.Tests.Modules;

/// <summary>
/// Runs tests/Pester in real PowerShell against the module as it ships (artifacts/module/WalRus, or WALRUS_MODULE): one
/// case a file. Skipped, and said so, where pwsh or the built module is missing; Pester lies beside this test program.
/// </summary>
public sealed class PesterTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    private static readonly string Folder = Path.Combine(Repository.Root, "tests", "Pester");

    private static readonly string PesterManifest = Path.Combine(AppContext.BaseDirectory, "modules", "Pester", "Pester.psd1");

    private static readonly Lazy<string?> Obstacle = new(FindObstacle);

    /// <summary>The names of the test files.</summary>
    public static TheoryData<string> Files { get; } = new(
        Directory.EnumerateFiles(Folder, "*.Tests.ps1").Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Files))]
    public async Task Pester_file_passes(string file)
    {
        Assert.SkipWhen(Obstacle.Value is not null, $"{Obstacle.Value}: {Files.Count} Pester files not run.");
        var (exitCode, output) = await RunAsync(
            $$"""
            Import-Module '{{PesterManifest}}'
            $c = New-PesterConfiguration
            $c.Run.Path = '{{Path.Combine(Folder, file).Replace("'", "''", StringComparison.Ordinal)}}'
            $c.Run.Exit = $true
            $c.Run.Throw = $false
            $c.Output.Verbosity = 'Detailed'
            Invoke-Pester -Configuration $c
            """,
            Limit);
        TestContext.Current.TestOutputHelper!.WriteLine(output);
        Assert.True(exitCode == 0, $"{file}: {exitCode} failed.\n{output}");
    }

    private static string? FindObstacle()
    {
        try
        {
            var (exitCode, output) = RunAsync($"Import-Module '{PesterManifest}'", TimeSpan.FromMinutes(1)).GetAwaiter().GetResult();
            var manifest = Path.Combine(
                Environment.GetEnvironmentVariable("WALRUS_MODULE") ?? Path.Combine(Repository.Root, "artifacts", "module", "WalRus"),
                "WalRus.psd1");
            return exitCode != 0 ? $"Pester cannot be loaded ({output.Trim()})"
                : File.Exists(manifest) ? null : $"{manifest} is not there (./build.sh build)";
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "pwsh is not on this machine";
        }
    }

    private static async Task<(int ExitCode, string Output)> RunAsync(string script, TimeSpan limit)
    {
        var start = new ProcessStartInfo("pwsh")
        {
            WorkingDirectory = Repository.Root,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in new[] { "-NoProfile", "-NonInteractive", "-Command", script })
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment["NO_COLOR"] = "1";
        start.Environment["POWERSHELL_TELEMETRY_OPTOUT"] = "1";
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        using var deadline = new CancellationTokenSource(limit);
        var lines = new StringWriter();
        var written = TextWriter.Synchronized(lines);
        var reading = Task.WhenAll(
            CopyAsync(process.StandardOutput, written, deadline.Token),
            CopyAsync(process.StandardError, written, deadline.Token));
        try
        {
            await process.WaitForExitAsync(deadline.Token);
            await reading;
            return (process.ExitCode, lines.ToString());
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"pwsh ran past {limit}:\n{lines}");
        }
    }

    private static async Task CopyAsync(StreamReader source, TextWriter target, CancellationToken cancellationToken)
    {
        while (await source.ReadLineAsync(cancellationToken) is { } line)
        {
            await target.WriteLineAsync(line);
        }
    }
}
