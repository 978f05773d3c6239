using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Npgsql;
using WalRus.Backup;
using WalRus.Protocol;

namespace WalRus.Tests;

/// <summary>
/// A real PostgreSQL cluster in a folder of its own, on its own socket (and port when asked). Disposing kills the
/// server and removes the folder. Each test makes one, or a class shares one through <see cref="StartAsync(PostgresClusterOptions)"/>
/// in an IAsyncLifetime.
/// </summary>
/// <example><code>
/// await using var cluster = await PostgresCluster.StartAsync(new() { Major = 17 });
/// await cluster.ExecuteAsync("CREATE TABLE t AS SELECT generate_series(1, 1000) AS n");
/// Assert.Equal(1000L, await cluster.ScalarAsync&lt;long&gt;("SELECT count(*) FROM t"));
/// </code></example>
internal sealed class PostgresCluster : IAsyncDisposable
{
    private readonly PostgresClusterOptions options;

    private PostgresCluster(PostgresClusterOptions options, string workFolder)
    {
        this.options = options;
        Programs = PostgresPrograms.OfMajor(options.Major);
        WorkFolder = workFolder;
        Port = options.ListenOnLoopback ? FreePort() : 5432;
    }

    public PostgresPrograms Programs { get; }

    public int Major => options.Major;

    /// <summary>Holds everything of this cluster; writable for the server's OS user. Removed on disposal.</summary>
    public string WorkFolder { get; }

    public string DataDirectory => Path.Combine(WorkFolder, "data");

    /// <summary>Where the default archive_command copies segments to.</summary>
    public string ArchiveFolder => Path.Combine(WorkFolder, "archive");

    public string LogFile => Path.Combine(WorkFolder, "server.log");

    /// <summary>What a client connects to: the socket's folder, or 127.0.0.1 on Windows.</summary>
    public string Host => OperatingSystem.IsWindows() ? "127.0.0.1" : WorkFolder;

    public int Port { get; }

    public string User => "postgres";

    public string? Password => options.Password;

    /// <summary>True between start and stop (or kill).</summary>
    public bool IsRunning => File.Exists(PidFile) && PostmasterPid() is { } pid && IsAlive(pid);

    private string PidFile => Path.Combine(DataDirectory, "postmaster.pid");

    /// <summary>initdb and start.</summary>
    public static async Task<PostgresCluster> StartAsync(PostgresClusterOptions? options = null)
    {
        var cluster = await CreateAsync(options);
        try
        {
            await cluster.StartAsync();
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>initdb and postgresql.conf, not started.</summary>
    public static async Task<PostgresCluster> CreateAsync(PostgresClusterOptions? options = null)
    {
        var cluster = await OverExistingAsync(options ?? new PostgresClusterOptions());
        try
        {
            await cluster.InitializeAsync();
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// A cluster whose data directory the test makes itself (a restore): call <see cref="WriteSettings"/> and
    /// <see cref="TakeOwnershipAsync"/> before starting it.
    /// </summary>
    public static async Task<PostgresCluster> OverExistingAsync(PostgresClusterOptions options)
    {
        var cluster = new PostgresCluster(options, Directory.CreateTempSubdirectory("walrus-pg-").FullName);
        Directory.CreateDirectory(cluster.ArchiveFolder);
        await cluster.TakeOwnershipAsync();
        return cluster;
    }

    /// <summary>Starts the server and waits until it takes connections (a standby: until it is consistent).</summary>
    public async Task StartAsync()
    {
        try
        {
            await Programs.RunAsync(
                "pg_ctl", ["-D", DataDirectory, "-l", LogFile, "-w", "-t", "60", "start"], options.Environment);
        }
        catch (Xunit.Sdk.XunitException failure)
        {
            throw new InvalidOperationException($"{failure.Message}\n{LogTail()}");
        }
    }

    /// <summary>Stops cleanly (fast), or as if the power failed but with pg_ctl's wait (immediate).</summary>
    public Task StopAsync(bool immediate = false) => Programs.RunAsync(
        "pg_ctl", ["-D", DataDirectory, "-m", immediate ? "immediate" : "fast", "-w", "-t", "60", "stop"]);

    public async Task RestartAsync()
    {
        await StopAsync();
        await StartAsync();
    }

    public Task ReloadAsync() => Programs.RunAsync("pg_ctl", ["-D", DataDirectory, "reload"]);

    public Task PromoteAsync() => Programs.RunAsync("pg_ctl", ["-D", DataDirectory, "-w", "-t", "60", "promote"]);

    /// <summary>Kills the postmaster and all its children at once (SIGKILL) and waits until they are gone.</summary>
    public async Task KillAsync()
    {
        if (PostmasterPid() is not { } postmaster)
        {
            return;
        }

        // The postmaster first, so that it cannot start children for those that die.
        var all = ChildrenOf(postmaster).Prepend(postmaster).ToList();
        foreach (var pid in all)
        {
            Kill(pid);
        }

        for (var waited = Stopwatch.StartNew(); all.Exists(IsAlive); await Task.Delay(20))
        {
            Assert.True(waited.Elapsed < TimeSpan.FromSeconds(20), "The killed server's processes are still there.");
        }

        // A process that nobody reaps keeps its number, which these files would take for a running server.
        File.Delete(PidFile);
        File.Delete(Path.Combine(WorkFolder, $".s.PGSQL.{Port}"));
        File.Delete(Path.Combine(WorkFolder, $".s.PGSQL.{Port}.lock"));
    }

    /// <summary>Npgsql's connection string; not pooled, so that a closed connection is really closed.</summary>
    public string ConnectionString(string database = "postgres", string? user = null, string? password = null) =>
        new NpgsqlConnectionStringBuilder
        {
            Host = Host,
            Port = Port,
            Username = user ?? User,
            Password = password ?? options.Password,
            Database = database,
            Pooling = false,
            Timeout = 10,
            CommandTimeout = 120,
        }.ConnectionString;

    /// <summary>The same for the engine.</summary>
    public PostgresConnectionSettings Settings(string? user = null, string? password = null) => new()
    {
        Endpoints = [new PostgresEndpoint(Host, Port)],
        User = user ?? User,
        Password = password ?? options.Password,
        Database = "postgres",
        SslMode = PostgresSslMode.Disable,
    };

    public async Task<NpgsqlConnection> ConnectAsync(string database = "postgres", string? user = null)
    {
        var connection = new NpgsqlConnection(ConnectionString(database, user));
        await connection.OpenAsync();
        return connection;
    }

    /// <summary>Runs one or more statements (a statement that may not run in a transaction block must be alone).</summary>
    public async Task ExecuteAsync(string sql, string database = "postgres")
    {
        await using var connection = await ConnectAsync(database);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    public async Task<T> ScalarAsync<T>(string sql, string database = "postgres")
    {
        await using var connection = await ConnectAsync(database);
        await using var command = new NpgsqlCommand(sql, connection);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>The result's rows, columns joined by '|', as <c>psql -At</c> prints them.</summary>
    public async Task<IReadOnlyList<string>> QueryAsync(string sql, string database = "postgres")
    {
        await using var connection = await ConnectAsync(database);
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<string>();
        while (await reader.ReadAsync())
        {
            var columns = Enumerable.Range(0, reader.FieldCount)
                .Select(index => Convert.ToString(reader.GetValue(index), CultureInfo.InvariantCulture));
            rows.Add(string.Join('|', columns));
        }

        return rows;
    }

    /// <summary>Ends the current segment and waits until archive_command has taken it.</summary>
    /// <returns>The archived segment's name.</returns>
    public async Task<string> SwitchWalAsync()
    {
        var name = await ScalarAsync<string>(
            "SELECT pg_walfile_name(pg_switch_wal()) FROM (SELECT pg_logical_emit_message(false, 'walrus', 'x')) AS m");
        await UntilAsync(
            () => ScalarAsync<bool>($"SELECT coalesce(last_archived_wal >= '{name}', false) FROM pg_stat_archiver"));
        return name;
    }

    /// <summary>A hot standby of this server, made by pg_basebackup, streaming; started.</summary>
    /// <param name="standbyOptions">This server's when null.</param>
    /// <param name="tablespaces">The places of this server's tablespaces: each goes to one of the same name below the standby's work folder.</param>
    public async Task<PostgresCluster> CreateStandbyAsync(
        PostgresClusterOptions? standbyOptions = null, IEnumerable<string>? tablespaces = null)
    {
        var standby = await OverExistingAsync((standbyOptions ?? options) with { Major = Major, Password = options.Password });
        try
        {
            Dictionary<string, string> environment = options.Password is null ? [] : new() { ["PGPASSWORD"] = options.Password };
            await Programs.RunAsync(
                "pg_basebackup",
                [
                    "-D", standby.DataDirectory, "-h", Host, "-p", $"{Port}", "-U", User,
                    "-X", "stream", "-c", "fast", "-R", "--no-sync",
                    .. (tablespaces ?? []).Select(place => $"-T{place}={Path.Combine(standby.WorkFolder, Path.GetFileName(place))}"),
                ],
                environment);
            standby.WriteSettings();
            await standby.StartAsync();
            return standby;
        }
        catch
        {
            await standby.DisposeAsync();
            throw;
        }
    }

    /// <summary>Polls a condition until it holds; fails the test after the limit.</summary>
    public static async Task UntilAsync(Func<Task<bool>> condition, TimeSpan? limit = null)
    {
        for (var waited = Stopwatch.StartNew(); !await condition(); await Task.Delay(20))
        {
            Assert.True(waited.Elapsed < (limit ?? TimeSpan.FromSeconds(60)), "The awaited condition did not come true in time.");
        }
    }

    /// <summary>Appends this cluster's own socket, port, archiving and the asked settings to postgresql.conf.</summary>
    public void WriteSettings()
    {
        var settings = new Dictionary<string, string>
        {
            ["listen_addresses"] = options.ListenOnLoopback ? "127.0.0.1" : "",
            ["port"] = Port.ToString(CultureInfo.InvariantCulture),
            ["fsync"] = "off",
            ["shared_buffers"] = "16MB",
            ["max_wal_senders"] = "5",
            ["log_min_messages"] = "warning",
            ["autovacuum"] = "off",
            ["archive_mode"] = options.Archiving ? "on" : "off",
            ["archive_command"] = options.ArchiveCommand
                ?? $"test -f \"{ArchiveFolder}/%f\" || (cp \"%p\" \"{ArchiveFolder}/%f.part\" && mv \"{ArchiveFolder}/%f.part\" \"{ArchiveFolder}/%f\")",
        };
        if (!OperatingSystem.IsWindows())
        {
            settings["unix_socket_directories"] = WorkFolder;
        }

        foreach (var (name, value) in options.Settings)
        {
            settings[name] = value;
        }

        File.AppendAllLines(
            Path.Combine(DataDirectory, "postgresql.conf"),
            settings.Select(setting => $"{setting.Key} = '{setting.Value.Replace("'", "''", StringComparison.Ordinal)}'"));
    }

    /// <summary>Gives a folder and all below it to the server's OS user (when this process is root); default: <see cref="WorkFolder"/>.</summary>
    public async Task TakeOwnershipAsync(string? folder = null)
    {
        folder ??= WorkFolder;
        if (PostgresPrograms.RunsAsPostgres)
        {
            using var chown = Process.Start("chown", ["-R", "postgres:postgres", folder]);
            await chown.WaitForExitAsync();
        }

        if (!OperatingSystem.IsWindows() && Directory.Exists(DataDirectory))
        {
            File.SetUnixFileMode(DataDirectory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    /// <summary>A new empty folder below <see cref="WorkFolder"/> that the server may use, such as a tablespace's.</summary>
    public async Task<string> CreateFolderAsync(string name)
    {
        var folder = Directory.CreateDirectory(Path.Combine(WorkFolder, name)).FullName;
        await TakeOwnershipAsync(folder);
        return folder;
    }

    public string LogTail() => File.Exists(LogFile)
        ? string.Join('\n', File.ReadLines(LogFile).TakeLast(30))
        : "(no server log)";

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        Directory.Delete(WorkFolder, recursive: true);
    }

    private async Task InitializeAsync()
    {
        List<string> arguments =
        [
            "-D", DataDirectory, "-U", User, "-A", options.Authentication, "-E", "UTF8", "--locale=C", "--no-sync",
        ];
        if (options.DataChecksums)
        {
            arguments.Add("-k");
        }
        else if (Major >= 18)
        {
            arguments.Add("--no-data-checksums");
        }

        if (options.WalSegmentMegabytes is { } megabytes)
        {
            arguments.Add($"--wal-segsize={megabytes}");
        }

        if (options.Password is { } password)
        {
            var file = Path.Combine(WorkFolder, "password");
            await File.WriteAllTextAsync(file, password);
            await TakeOwnershipAsync();
            arguments.Add($"--pwfile={file}");
        }

        await Programs.RunAsync("initdb", arguments);
        WriteSettings();
    }

    private int? PostmasterPid()
    {
        try
        {
            return int.TryParse(
                File.ReadLines(PidFile).FirstOrDefault(), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? pid : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static bool IsAlive(int pid)
    {
        // A killed child of a test container without an init stays a zombie: it is gone for every purpose here.
        var stat = $"/proc/{pid}/stat";
        try
        {
            return OperatingSystem.IsLinux()
                ? File.ReadAllText(stat) is var text && text[(text.LastIndexOf(')') + 2)..][0] is not ('Z' or 'X')
                : !Process.GetProcessById(pid).HasExited;
        }
        catch (Exception gone) when (gone is IOException or ArgumentException)
        {
            return false;
        }
    }

    private static List<int> ChildrenOf(int parent)
    {
        if (!OperatingSystem.IsLinux())
        {
            return [];
        }

        try
        {
            return File.ReadAllText($"/proc/{parent}/task/{parent}/children")
                .Split(' ', StringSplitOptions.RemoveEmptyEntries)
                .Select(text => int.Parse(text, CultureInfo.InvariantCulture))
                .ToList();
        }
        catch (IOException)
        {
            return [];
        }
    }

    private static void Kill(int pid)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            process.Kill();
        }
        catch (ArgumentException)
        {
            // It is gone already, which is what was wanted.
        }
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
