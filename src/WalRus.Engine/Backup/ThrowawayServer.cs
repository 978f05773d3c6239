using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace WalRus.Backup;

/// <summary>How a throwaway server is run.</summary>
public sealed record ThrowawayServerOptions
{
    public required PostgresInstallation Installation { get; init; }

    /// <summary>A folder of the server's own, made and removed by the caller: holds its socket and its log.</summary>
    public required string WorkFolder { get; init; }

    public required string DataDirectory { get; init; }

    /// <summary>
    /// The OS account it runs under when this process is root (PostgreSQL refuses root); ignored otherwise.
    /// </summary>
    public string AccountWhenRoot { get; init; } = "postgres";

    /// <summary>
    /// Settings given on the command line, above everything in the data directory's own files. Values pass through a
    /// shell: no double quotes, backslashes or dollar signs; what needs them belongs in postgresql.conf.
    /// </summary>
    public IReadOnlyList<KeyValuePair<string, string>> Settings { get; init; } = [];

    /// <summary>Variables for the server and so for its archive_command and restore_command.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Environment { get; init; } = [];

    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromMinutes(2);
}

/// <summary>
/// A PostgreSQL server that nobody else can reach: on a private Unix socket, or (Windows) a loopback port. It is killed
/// when disposed; its files are the caller's.
/// </summary>
public sealed class ThrowawayServer : IAsyncDisposable
{
    private const int StopTries = 20;
    private const int StatusLine = 7;
    private static readonly TimeSpan ReadyPoll = TimeSpan.FromMilliseconds(50);

    private readonly ThrowawayServerOptions options;
    private bool running;

    public ThrowawayServer(ThrowawayServerOptions options)
    {
        this.options = options;
        Port = OperatingSystem.IsWindows() ? FreeLoopbackPort() : 5432;
    }

    /// <summary>What a client connects to: the socket's folder, or the loopback address on Windows.</summary>
    public string Host => OperatingSystem.IsWindows() ? "127.0.0.1" : options.WorkFolder;

    public int Port { get; }

    public string LogFile => Path.Combine(options.WorkFolder, "server.log");

    private string PidFile => Path.Combine(options.DataDirectory, "postmaster.pid");

    /// <summary>Makes a new cluster: superuser "postgres", page checksums on, UTF-8, C locale.</summary>
    public Task InitializeAsync(CancellationToken cancellationToken) =>
        RunAsync(
            "initdb",
            ["-D", options.DataDirectory, "-U", "postgres", "-A", "trust", "-k", "-E", "UTF8", "--locale=C", "--no-sync"],
            options.StartTimeout,
            cancellationToken);

    /// <summary>Starts the server and waits until it takes connections (in recovery: once it is consistent).</summary>
    /// <exception cref="WalRusException">It did not start; the message ends with the log's last lines.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var seconds = ((int)options.StartTimeout.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        running = true;

        // pg_ctl is not killed by a cancellation: the server it has begun to start would be nobody's.
        var starting = RunAsync(
            "pg_ctl",
            ["-D", options.DataDirectory, "-l", LogFile, "-w", "-t", seconds, "-o", ServerArguments(), "start"],
            options.StartTimeout + TimeSpan.FromSeconds(10),
            CancellationToken.None);
        try
        {
            await starting.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await AbandonStartAsync(starting).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>
    /// Waits until a started server takes connections. With hot_standby off <see cref="StartAsync"/> returns when recovery
    /// begins, and this when it is over.
    /// </summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.PostgresUnreachable"/>: it ended; its log says why.</exception>
    public async Task WaitUntilReadyAsync(CancellationToken cancellationToken)
    {
        while (Status() != "ready")
        {
            if (!File.Exists(PidFile))
            {
                throw new WalRusException(ErrorCode.PostgresUnreachable, $"The server ended before it took connections; see '{LogFile}'.");
            }

            await Task.Delay(ReadyPoll, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Stops it cleanly, or (immediate) as if the power failed.</summary>
    public async Task StopAsync(bool immediate, CancellationToken cancellationToken)
    {
        await RunAsync(
            "pg_ctl",
            ["-D", options.DataDirectory, "-m", immediate ? "immediate" : "fast", "-w", "-t", "60", "stop"],
            TimeSpan.FromSeconds(70),
            cancellationToken).ConfigureAwait(false);
        running = false;
    }

    public async ValueTask DisposeAsync()
    {
        if (!running)
        {
            return;
        }

        for (var tries = 0; tries < StopTries && File.Exists(PidFile); tries++)
        {
            try
            {
                await StopAsync(immediate: true, CancellationToken.None).ConfigureAwait(false);
            }
            catch (WalRusException)
            {
                // Its pid file is empty for a moment when it starts, and stays when it was killed.
                await Task.Delay(100, CancellationToken.None).ConfigureAwait(false);
                KillIfLast(tries);
            }
        }

        running = false;
    }

    /// <summary>Runs one of PostgreSQL's programs, or another, under the server's account.</summary>
    /// <returns>Its standard output.</returns>
    /// <exception cref="WalRusException">It failed or ran past the deadline; the message ends with its last output.</exception>
    public Task<string> RunAsync(
        string program, IReadOnlyList<string> arguments, TimeSpan deadline, CancellationToken cancellationToken) =>
        RunAsync(program, arguments, deadline, options.Environment, cancellationToken);

    /// <summary>The same with variables of the caller's choice instead of the server's.</summary>
    public async Task<string> RunAsync(
        string program,
        IReadOnlyList<string> arguments,
        TimeSpan deadline,
        IReadOnlyList<KeyValuePair<string, string>> environment,
        CancellationToken cancellationToken)
    {
        var path = Path.IsPathRooted(program) ? program : options.Installation.Program(program);
        var start = new ProcessStartInfo
        {
            WorkingDirectory = options.WorkFolder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
        };
        AsAccount(start, path);
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        return await RunAsync(start, Path.GetFileName(path), deadline, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Ends a server that is still starting. It can be told once its pid file is there; pg_ctl ends if it never is.</summary>
    private async Task AbandonStartAsync(Task starting)
    {
        while (!File.Exists(PidFile) && !starting.IsCompleted)
        {
            await Task.Delay(10, CancellationToken.None).ConfigureAwait(false);
        }

        await DisposeAsync().ConfigureAwait(false);
        try
        {
            await starting.ConfigureAwait(false);
        }
        catch (WalRusException)
        {
            // It says that the server did not start, which is what was wanted.
        }
    }

    /// <summary>The last resort for a server that does not stop: its process and those below it are killed.</summary>
    private void KillIfLast(int tries)
    {
        try
        {
            if (tries == StopTries - 1 && int.TryParse(File.ReadLines(PidFile).FirstOrDefault(), NumberStyles.None, CultureInfo.InvariantCulture, out var pid))
            {
                using var process = Process.GetProcessById(pid);
                process.Kill(entireProcessTree: true);
            }
        }
        catch (Exception gone) when (gone is ArgumentException or InvalidOperationException or IOException or Win32Exception)
        {
            // It is gone, or not ours to kill.
        }
    }

    private static async Task<string> RunAsync(
        ProcessStartInfo start, string name, TimeSpan deadline, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(deadline);
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        try
        {
            // pg_ctl hands its pipes down to the server it starts, so the output ends long after pg_ctl does:
            // what is there when the program exits is what it said.
            var output = new OutputTail(process.StandardOutput);
            var errors = new OutputTail(process.StandardError);
            await process.WaitForExitAsync(limit.Token).ConfigureAwait(false);
            await Task.WhenAny(Task.WhenAll(output.End, errors.End), Task.Delay(200, limit.Token)).ConfigureAwait(false);
            return process.ExitCode == 0
                ? output.Text
                : throw new WalRusException(
                    ErrorCode.PostgresUnreachable,
                    $"{name} ended with exit code {process.ExitCode}: {(errors.Text + output.Text).Trim()}");
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            cancellationToken.ThrowIfCancellationRequested();
            throw new WalRusException(
                ErrorCode.DeadlineExceeded, $"{name} did not end within {deadline.TotalSeconds:0} s and was killed.");
        }
    }

    /// <summary>What the server last wrote about itself into its pid file (LOCK_FILE_LINE_PM_STATUS); null while there is nothing.</summary>
    private string? Status()
    {
        try
        {
            using var file = new StreamReader(new FileStream(PidFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
            return file.ReadToEnd().Split('\n').ElementAtOrDefault(StatusLine)?.Trim();
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static int FreeLoopbackPort()
    {
        using var probe = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        probe.Start();
        return ((System.Net.IPEndPoint)probe.LocalEndpoint).Port;
    }

    private void AsAccount(ProcessStartInfo start, string program)
    {
        if (!OperatingSystem.IsWindows() && string.Equals(Environment.UserName, "root", StringComparison.Ordinal))
        {
            start.FileName = "setpriv";
            string[] switches =
            [
                $"--reuid={options.AccountWhenRoot}", $"--regid={options.AccountWhenRoot}", "--init-groups", program,
            ];
            foreach (var argument in switches)
            {
                start.ArgumentList.Add(argument);
            }

            // root's home is closed to the account, and tools look there for their settings.
            start.Environment["HOME"] = options.WorkFolder;
        }
        else
        {
            start.FileName = program;
        }
    }

    private string ServerArguments()
    {
        var arguments = new StringBuilder();
        void Set(string name, string value) =>
            arguments.Append(CultureInfo.InvariantCulture, $" -c \"{name}={value}\"");

        if (OperatingSystem.IsWindows())
        {
            Set("listen_addresses", "127.0.0.1");
        }
        else
        {
            Set("listen_addresses", "");
            Set("unix_socket_directories", options.WorkFolder);
        }

        Set("port", Port.ToString(CultureInfo.InvariantCulture));
        foreach (var (name, value) in options.Settings)
        {
            Set(name, value);
        }

        return arguments.ToString();
    }

    /// <summary>Keeps the last part of a program's output while it runs, in bounded memory.</summary>
    private sealed class OutputTail
    {
        private const int MaxChars = 16 * 1024;
        private readonly StringBuilder text = new();

        public OutputTail(StreamReader source) => End = ReadAsync(source);

        public Task End { get; }

        public string Text
        {
            get
            {
                lock (text)
                {
                    return text.ToString();
                }
            }
        }

        private async Task ReadAsync(StreamReader source)
        {
            var buffer = new char[1024];
            int count;
            while ((count = await source.ReadAsync(buffer).ConfigureAwait(false)) > 0)
            {
                lock (text)
                {
                    text.Append(buffer, 0, count);
                    if (text.Length > MaxChars)
                    {
                        text.Remove(0, text.Length - MaxChars);
                    }
                }
            }
        }
    }
}
