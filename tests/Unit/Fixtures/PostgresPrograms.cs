using System.Collections.Concurrent;
using System.Diagnostics;

namespace WalRus.Tests;

/// <summary>PostgreSQL's programs of one major version, found or brought here by the scripts in tests/servers.</summary>
internal sealed class PostgresPrograms
{
    private static readonly ConcurrentDictionary<int, Lazy<PostgresPrograms?>> Found = new();

    private PostgresPrograms(int major, string folder)
    {
        Major = major;
        BinFolder = folder;
    }

    public int Major { get; }

    public string BinFolder { get; }

    /// <summary>True when this process is root: then PostgreSQL's programs run as the OS user "postgres".</summary>
    public static bool RunsAsPostgres { get; } = !OperatingSystem.IsWindows() && Environment.UserName == "root";

    /// <summary>The programs of <paramref name="major"/>; skips the test when they cannot be had on this machine.</summary>
    public static PostgresPrograms OfMajor(int major)
    {
        var found = Found.GetOrAdd(major, number => new Lazy<PostgresPrograms?>(() => Find(number))).Value;
        Assert.SkipWhen(found is null, $"PostgreSQL {major} is not on this machine (tests/servers/postgres.sh bindir {major}).");
        return found!;
    }

    public static bool Has(int major) =>
        Found.GetOrAdd(major, number => new Lazy<PostgresPrograms?>(() => Find(number))).Value is not null;

    public string PathOf(string program) => Path.Combine(BinFolder, OperatingSystem.IsWindows() ? $"{program}.exe" : program);

    /// <summary>
    /// Runs a program (a name in <see cref="BinFolder"/> or an absolute path) as the server's OS user; fails the test
    /// when it does not exit with 0 in time.
    /// </summary>
    /// <returns>Standard output, then standard error.</returns>
    public async Task<string> RunAsync(
        string program,
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string>? environment = null,
        TimeSpan? deadline = null)
    {
        var path = Path.IsPathRooted(program) ? program : PathOf(program);
        var start = new ProcessStartInfo(RunsAsPostgres ? "setpriv" : path)
        {
            WorkingDirectory = Path.GetTempPath(),
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        string[] switches = RunsAsPostgres ? ["--reuid=postgres", "--regid=postgres", "--init-groups", path] : [];
        foreach (var argument in switches.Concat(arguments))
        {
            start.ArgumentList.Add(argument);
        }

        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        var (exitCode, output) = await RunAsync(start, deadline ?? TimeSpan.FromMinutes(2));
        Assert.True(exitCode == 0, $"{program} ended with exit code {exitCode}: {output}");
        return output;
    }

    private static async Task<(int ExitCode, string Output)> RunAsync(ProcessStartInfo start, TimeSpan deadline)
    {
        using var limit = new CancellationTokenSource(deadline);
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var texts = new[] { new StringWriter(), new StringWriter() };
        var ends = new[] { Copy(process.StandardOutput, texts[0]), Copy(process.StandardError, texts[1]) };
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{start.FileName} {string.Join(' ', start.ArgumentList)} ran past {deadline}.");
        }

        // pg_ctl hands its pipes to the server it starts: they end with the server, not with pg_ctl.
        await Task.WhenAny(Task.WhenAll(ends), Task.Delay(200));
        lock (texts)
        {
            return (process.ExitCode, string.Concat(texts.Select(text => text.ToString())));
        }

        async Task Copy(StreamReader source, StringWriter target)
        {
            var buffer = new char[4096];
            int count;
            while ((count = await source.ReadAsync(buffer)) > 0)
            {
                lock (texts)
                {
                    target.Write(buffer, 0, count);
                }
            }
        }
    }

    private static PostgresPrograms? Find(int major)
    {
        string[] installed =
        [
            $"/usr/lib/postgresql/{major}/bin",
            Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFiles), "PostgreSQL", $"{major}", "bin"),
        ];
        var folder = installed.FirstOrDefault(candidate => Directory.Exists(candidate)) ?? FromScript(major);
        var programs = folder is null ? null : new PostgresPrograms(major, folder);
        return programs is not null && File.Exists(programs.PathOf("initdb")) ? programs : null;
    }

    /// <summary>The script downloads what is missing into its cache; it may run several times at once.</summary>
    private static string? FromScript(int major)
    {
        if (OperatingSystem.IsWindows())
        {
            return null;
        }

        var start = new ProcessStartInfo("bash")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        string[] arguments = [Path.Combine(Repository.Root, "tests/servers/postgres.sh"), "bindir", $"{major}"];
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        var (exitCode, output) = RunAsync(start, TimeSpan.FromMinutes(5)).GetAwaiter().GetResult();
        return exitCode == 0
            ? output.Split('\n', StringSplitOptions.RemoveEmptyEntries).LastOrDefault(line => line.StartsWith('/'))?.Trim()
            : null;
    }
}
