using System.Diagnostics;
using System.Text;

namespace WalRus.Tests;

/// <summary>
/// The walrus executable as it ships: what build.sh left in artifacts/bin, or what WALRUS_EXECUTABLE names. Run under the
/// server's account, as its users do, when the tests themselves run as root.
/// </summary>
internal static class WalRusProgram
{
    private const int KilledExitCode = 128 + 9;

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    /// <summary>Skips the test where the executable was not built.</summary>
    public static string Path
    {
        get
        {
            var path = Environment.GetEnvironmentVariable("WALRUS_EXECUTABLE")
                ?? System.IO.Path.Combine(
                    Repository.Root, "artifacts", "bin", OperatingSystem.IsWindows() ? "walrus.exe" : "walrus");
            Assert.SkipUnless(File.Exists(path), $"{path} is not there; ./build.sh build makes it.");
            return path;
        }
    }

    /// <summary>The daemon's client, which ships beside it; skips the test where it was not built.</summary>
    public static string ClientPath
    {
        get
        {
            var path = System.IO.Path.Combine(
                System.IO.Path.GetDirectoryName(Path)!, OperatingSystem.IsWindows() ? "walg-daemon-client.exe" : "walg-daemon-client");
            Assert.SkipUnless(File.Exists(path), $"{path} is not there; ./build.sh build makes it.");
            return path;
        }
    }

    /// <summary>Runs the daemon's client to its end.</summary>
    public static Task<ProgramResult> RunClientAsync(
        IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment) =>
        EndAsync(Start([ClientPath], arguments, environment), "walg-daemon-client");

    /// <summary>Runs a command to its end.</summary>
    public static async Task<ProgramResult> RunAsync(
        IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        string[] words = [.. arguments];
        return await EndAsync(Start(words, environment), $"walrus {string.Join(' ', words)}");
    }

    private static async Task<ProgramResult> EndAsync(Process process, string what)
    {
        using var disposed = process;
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var errors = process.StandardError.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            return new ProgramResult(process.ExitCode, await output, await errors);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{what} ran past {Limit}.");
        }
    }

    /// <summary>Runs a command that must succeed.</summary>
    /// <returns>Its standard output.</returns>
    public static async Task<string> SucceedAsync(
        IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        var result = await RunAsync(arguments, environment);
        Assert.True(
            result.ExitCode == 0,
            $"walrus {string.Join(' ', arguments)} ended with {result.ExitCode}:\n{result.Errors}{result.Output}");
        return result.Output;
    }

    /// <summary>Runs a command that must succeed under <c>ulimit -v</c>.</summary>
    public static async Task SucceedWithinAsync(
        int addressSpaceKilobytes, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        string[] shell = ["sh", "-c", $"ulimit -v {addressSpaceKilobytes} && exec \"$0\" \"$@\"", Path];
        using var process = Start(shell, arguments, environment);
        var errors = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, errors);
    }

    /// <summary>Starts a command and sends it a signal (INT, TERM) once it has said something of its log.</summary>
    public static Task<ProgramResult> RunAndSignalAsync(
        string signal, string onceItSays, IReadOnlyDictionary<string, string> environment, params string[] arguments) =>
        RunAndSignalAsync(signal, (onceItSays, 1), environment, arguments);

    /// <summary>The same, once it has said it so often.</summary>
    public static async Task<ProgramResult> RunAndSignalAsync(
        string signal, (string Text, int Times) since, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        var seen = 0;
        using var process = Start(arguments, environment);
        using var limit = new CancellationTokenSource(Limit);
        var output = process.StandardOutput.ReadToEndAsync(limit.Token);
        var errors = new StringBuilder();
        while (await process.StandardError.ReadLineAsync(limit.Token) is { } line)
        {
            errors.AppendLine(line);
            if (line.Contains(since.Text, StringComparison.Ordinal) && ++seen == since.Times)
            {
                using var kill = Process.Start("kill", [$"-{signal}", $"{process.Id}"]);
                await kill.WaitForExitAsync(limit.Token);
            }
        }

        await process.WaitForExitAsync(limit.Token);
        return new ProgramResult(process.ExitCode, await output, errors.ToString());
    }

    /// <summary>
    /// Starts a command and kills it without warning after a while, unless it ends before; then it must have ended well.
    /// </summary>
    /// <param name="since">What it says of its log, and how often, before the time counts; null for its start.</param>
    /// <returns>Whether the kill is what ended it, and how long it took.</returns>
    public static async Task<(bool Killed, TimeSpan Took)> RunAndKillAsync(
        IEnumerable<string> arguments,
        IReadOnlyDictionary<string, string> environment,
        TimeSpan after,
        (string Text, int Times)? since = null)
    {
        var watch = Stopwatch.StartNew();
        using var process = Start(arguments, environment);
        process.OutputDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        using var limit = new CancellationTokenSource(Limit);
        if (since is var (text, times))
        {
            for (var seen = 0; seen < times;)
            {
                var line = await process.StandardError.ReadLineAsync(limit.Token);
                Assert.True(line is not null, $"it ended before it said '{text}' {times} times");
                seen += line.Contains(text, StringComparison.Ordinal) ? 1 : 0;
            }

            watch.Restart();
        }

        var errors = process.StandardError.ReadToEndAsync(limit.Token);
        if (await EndsWithinAsync(process, after))
        {
            watch.Stop();
            Assert.True(process.ExitCode == 0, await errors);
            return (false, watch.Elapsed);
        }

        process.Kill(entireProcessTree: true);
        await process.WaitForExitAsync(limit.Token);

        // It may have ended by itself between the two: only the signal's own code (Windows: -1) says that the kill did it.
        return (process.ExitCode is KilledExitCode or (-1), watch.Elapsed);
    }

    private static async Task<bool> EndsWithinAsync(Process process, TimeSpan time)
    {
        using var moment = new CancellationTokenSource(time < Limit && time >= TimeSpan.Zero ? time : Limit);
        try
        {
            await process.WaitForExitAsync(moment.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>Starts a command and leaves it running; the caller reads its streams.</summary>
    public static Process Start(IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment) =>
        Start([Path], arguments, environment);

    private static Process Start(
        string[] program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        string[] account = PostgresPrograms.RunsAsPostgres ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] : [];

        // Whoever started the tests in the background may have had SIGINT ignored, which programs inherit and walrus respects.
        string[] signals = OperatingSystem.IsLinux() ? ["env", "--default-signal=INT"] : [];
        string[] command = [.. account, .. signals, .. program, .. arguments];
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            WorkingDirectory = System.IO.Path.GetTempPath(),
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

        // root's home is closed to that account, and walrus looks there for its settings.
        start.Environment["HOME"] = System.IO.Path.GetTempPath();
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        var process = Process.Start(start)!;
        process.StandardInput.Close();
        return process;
    }
}

/// <summary>How a command ended and what it said.</summary>
internal sealed record ProgramResult(int ExitCode, string Output, string Errors);
