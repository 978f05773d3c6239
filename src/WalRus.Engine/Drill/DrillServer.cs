using System.Globalization;
using WalRus.Backup;
using WalRus.Postgres;
using WalRus.Protocol;
using WalRus.Streaming;

namespace WalRus.Drill;

/// <summary>
/// The throwaway server over a restored data directory. Nothing of the original server's configuration is used: its
/// files stay unread or are emptied, and what must not happen (archiving, following, jobs, listening) is switched off on
/// the command line, which goes above every file.
/// </summary>
internal sealed class DrillServer : IAsyncDisposable
{
    private const int LogTailBytes = 16 * 1024;
    private const int ReasonLines = 6;
    private const int FirstVersionWithArchiveLibrary = 15;
    private const int FirstVersionWithEventTriggers = 17;

    private readonly BackupDrillRequest request;
    private readonly DrillWorkspace space;
    private readonly PostgresInstallation installation;
    private readonly int major;
    private readonly ThrowawayServer server;

    public DrillServer(BackupDrillRequest request, DrillWorkspace space, PostgresInstallation installation, int major)
    {
        this.request = request;
        this.space = space;
        this.installation = installation;
        this.major = major;
        server = new ThrowawayServer(new ThrowawayServerOptions
        {
            Installation = installation,
            WorkFolder = space.Run,
            DataDirectory = space.Data,
            AccountWhenRoot = request.AccountWhenRoot,
            Settings = Guards(),
            StartTimeout = request.Timeout,
        });
    }

    /// <summary>How a client reaches it. The search path is fixed: the restored databases' own is not trusted.</summary>
    public PostgresConnectionSettings Connection => new()
    {
        Endpoints = [new PostgresEndpoint(server.Host, server.Port)],
        User = request.UserName,
        Database = "postgres",
        SslMode = PostgresSslMode.Disable,
        ApplicationName = "walrus drill",
        Options = "-c search_path=pg_catalog -c default_transaction_read_only=off -c statement_timeout=0 -c lock_timeout=0",
    };

    private string ConfigurationFile => Path.Combine(space.Run, "postgresql.conf");

    /// <summary>Checks that the programs are of the backup's version and that their account reaches the folder.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.PostgresVersionUnsupported"/>, <see cref="ErrorCode.FileAccessDenied"/>.</exception>
    public async Task CheckProgramsAsync(CancellationToken cancellationToken)
    {
        var limit = TimeSpan.FromSeconds(60);
        var said = await server.RunAsync("postgres", ["--version"], limit, cancellationToken).ConfigureAwait(false);
        var words = said.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var digits = words.Length > 2 ? new string([.. words[2].TakeWhile(char.IsAsciiDigit)]) : "";
        if (digits != major.ToString(CultureInfo.InvariantCulture))
        {
            throw new WalRusException(
                ErrorCode.PostgresVersionUnsupported,
                $"The backup is of PostgreSQL {major}; '{installation.BinFolder}' holds {said.Trim()}.",
                $"Name the bin folder of a PostgreSQL {major}.");
        }

        if (space.Owner is not null)
        {
            try
            {
                await server.RunAsync("/bin/sh", ["-c", "test -w \"$0\"", space.Data], limit, cancellationToken)
                    .ConfigureAwait(false);
            }
            catch (WalRusException refused) when (refused.Code == ErrorCode.PostgresUnreachable)
            {
                throw new WalRusException(
                    ErrorCode.FileAccessDenied,
                    $"The account '{request.AccountWhenRoot}', which the server runs under, does not reach '{space.Root}'.",
                    "Give a work folder that others may pass through, such as /var/tmp.",
                    refused);
            }
        }
    }

    /// <summary>Writes the server's configuration, with the recovery settings that the restore wrote.</summary>
    public void Configure(IReadOnlyList<KeyValuePair<string, string>> recovery)
    {
        var control = ReadControlFile();
        var lines = Settings(control).Concat(recovery)
            .Select(setting => $"{setting.Key} = {RecoverySettingsWriter.Quote(setting.Value)}");
        space.WriteFile(ConfigurationFile, "# Made for a restore drill.\n" + string.Join('\n', lines) + "\n");
        space.WriteFile(HbaFile, OperatingSystem.IsWindows()
            ? "host all all 127.0.0.1/32 sspi include_realm=0 map=drill\n"
            : "local all all trust\n");
        space.WriteFile(IdentFile, OperatingSystem.IsWindows() ? $"drill \"{Environment.UserName}\" all\n" : "");

        // ALTER SYSTEM's file is read whatever config_file says.
        space.WriteFile(Path.Combine(space.Data, "postgresql.auto.conf"), "# Emptied for a restore drill.\n");
    }

    /// <summary>Starts it and waits until it has recovered and opened.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.DrillFailed"/>, with what the server's log says.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        var effective = await server.RunAsync(
            "postgres",
            ["-D", space.Data, .. Guards().SelectMany(guard => new[] { "-c", $"{guard.Key}={guard.Value}" }), "-C", "archive_mode"],
            TimeSpan.FromSeconds(60),
            cancellationToken).ConfigureAwait(false);
        if (effective.Trim() != "off")
        {
            throw new WalRusException(
                ErrorCode.DrillFailed, $"The server would start with archive_mode '{effective.Trim()}': it was not started.");
        }

        try
        {
            await server.StartAsync(cancellationToken).ConfigureAwait(false);
            await server.WaitUntilReadyAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException failed) when (failed.Code is ErrorCode.PostgresUnreachable or ErrorCode.DeadlineExceeded)
        {
            throw new WalRusException(
                ErrorCode.DrillFailed, $"The server did not recover: {ReasonInLog() ?? failed.Message}", null, failed);
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => server.StopAsync(immediate: false, cancellationToken);

    public bool Has(string program) => installation.Has(program);

    public Task<string> RunAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        server.RunAsync(program, arguments, request.Timeout, cancellationToken);

    public ValueTask DisposeAsync() => server.DisposeAsync();

    private string HbaFile => Path.Combine(space.Run, "pg_hba.conf");

    private string IdentFile => Path.Combine(space.Run, "pg_ident.conf");

    /// <summary>What no file may change. hot_standby is off so that the original's limits (connections, workers) need not be matched.</summary>
    private List<KeyValuePair<string, string>> Guards()
    {
        List<KeyValuePair<string, string>> guards =
        [
            new("config_file", Slashes(ConfigurationFile)), new("hba_file", Slashes(HbaFile)), new("ident_file", Slashes(IdentFile)),
            new("archive_mode", "off"), new("archive_command", ""), new("hot_standby", "off"),
            new("primary_conninfo", ""), new("primary_slot_name", ""), new("synchronous_standby_names", ""),
            new("archive_cleanup_command", ""), new("recovery_end_command", ""), new("recovery_min_apply_delay", "0"),
            new("max_logical_replication_workers", "0"), new("restart_after_crash", "off"), new("autovacuum", "off"),
            new("shared_preload_libraries", string.Join(',', request.PreloadLibraries)),
            new("session_preload_libraries", ""), new("local_preload_libraries", ""),
        ];
        if (major >= FirstVersionWithArchiveLibrary)
        {
            guards.Add(new("archive_library", ""));
        }

        if (major >= FirstVersionWithEventTriggers)
        {
            guards.Add(new("event_triggers", "off"));
        }

        return guards;
    }

    private IEnumerable<KeyValuePair<string, string>> Settings(ControlFile? control)
    {
        var segment = control?.SegmentSize.Bytes ?? 16 << 20;
        string Megabytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{Math.Max(1, bytes >> 20)}MB");
        return
        [
            new("shared_buffers", Megabytes(request.SharedBuffersBytes)),
            new("max_connections", "10"),
            new("max_wal_senders", "0"),
            new("max_prepared_transactions", (control?.MaxPreparedTransactions ?? 100).ToString(CultureInfo.InvariantCulture)),
            new("wal_level", "replica"),
            new("max_wal_size", Megabytes(Math.Max(256L << 20, segment * 4L))),
            new("min_wal_size", Megabytes(segment * 2L)),
            new("maintenance_work_mem", "64MB"),
            new("huge_pages", "off"),
            new("jit", "off"),

            // Nothing of this is kept: it need not reach the disk.
            new("fsync", "off"),
            new("checkpoint_flush_after", "0"),
            new("bgwriter_flush_after", "0"),
            new("backend_flush_after", "0"),
            new("synchronous_commit", "off"),
            new("logging_collector", "off"),
            new("log_destination", "stderr"),
            new("lc_messages", "C"),
            new("log_line_prefix", "%t [%p] "),
            new("timezone", "UTC"),
            new("log_timezone", "UTC"),
        ];
    }

    private ControlFile? ReadControlFile()
    {
        try
        {
            return ControlFile.Parse(File.ReadAllBytes(Path.Combine(space.Data, ControlFile.RelativePath)));
        }
        catch (WalRusException) when (major * 10000 >= ServerFacts.NewerVersion)
        {
            // Of a version this program does not know: the server itself will judge it.
            return null;
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failed, space.Data);
        }
    }

    /// <summary>The last lines of the server's log that tell why it ended.</summary>
    private string? ReasonInLog()
    {
        try
        {
            using var file = new FileStream(server.LogFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            file.Seek(-Math.Min(file.Length, LogTailBytes), SeekOrigin.End);
            using var reader = new StreamReader(file);
            var lines = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            var reasons = lines.Where(line => line.Contains("FATAL:", StringComparison.Ordinal)
                || line.Contains("PANIC:", StringComparison.Ordinal) || line.Contains("ERROR:", StringComparison.Ordinal)).ToList();
            var told = (reasons.Count > 0 ? reasons : [.. lines]).TakeLast(ReasonLines).Select(WithoutPrefix);
            return string.Join("; ", told) is { Length: > 0 } text ? text : null;
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string WithoutPrefix(string line) =>
        line[(line.IndexOf("] ", StringComparison.Ordinal) is var end and >= 0 ? end + 2 : 0)..];

    /// <summary>Settings on the command line pass a shell and take no backslashes.</summary>
    private static string Slashes(string path)
    {
        var text = OperatingSystem.IsWindows() ? path.Replace('\\', '/') : path;
        return text.AsSpan().IndexOfAny("\"\\$`") < 0 ? text : throw new WalRusException(
            ErrorCode.InvalidArgument, $"'{path}' cannot be a drill's folder: it has a quote, dollar sign or backslash in it.", "Give another work folder.");
    }
}
