using WalRus.Backup;

namespace WalRus.Configuration;

/// <summary>Connects as a backup would, and looks at what backups and archiving need of the server.</summary>
internal sealed class PostgresCheck(WalRusSettings settings)
{
    private readonly List<CheckResult> results = [];

    public async Task<IReadOnlyList<CheckResult>> RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            var connection = PostgresSettings.Read(settings, settings.HomeFolder);
            var session = await PostgresSession.OpenAsync(connection, null, cancellationToken).ConfigureAwait(false);
            await using (session.ConfigureAwait(false))
            {
                Add("Connection", CheckStatus.Passed, $"{session} accepts {connection.User}.");
                await ClockAsync(session, cancellationToken).ConfigureAwait(false);
                var facts = await ServerFacts.ReadAsync(session, cancellationToken).ConfigureAwait(false);
                Look(facts);
                await PrivilegesAsync(session, facts, cancellationToken).ConfigureAwait(false);
                await ArchiverAsync(session, facts, cancellationToken).ConfigureAwait(false);
                await SummariesAsync(session, facts, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (WalRusException failure) when (failure.Code == ErrorCode.PostgresUnreachable && !IsAsked)
        {
            Add("Connection", CheckStatus.Skipped, "No server is named, and none runs at the usual place.", "Set PGHOST and PGUSER to check one.");
        }
        catch (WalRusException failure)
        {
            results.Add(CheckResult.Of(CheckArea.Postgres, results.Count == 0 ? "Connection" : "Server", failure));
        }

        return results;
    }

    private bool IsAsked => settings.IsSet(SettingCatalog.PgHost) || settings.IsSet(SettingCatalog.PgPort);

    private void Look(ServerFacts facts)
    {
        Add("Version", facts.Version >= ServerFacts.NewerVersion ? CheckStatus.Warning : CheckStatus.Passed,
            $"PostgreSQL {facts.Version / 10000}.{facts.Version % 10000}{(facts.IsInRecovery ? ", a standby" : "")}.",
            facts.Version >= ServerFacts.NewerVersion ? "Look for a version of WalRus that knows this major." : null);
        Add("wal_level", facts.WalLevel == "minimal" ? CheckStatus.Failed : CheckStatus.Passed,
            $"wal_level is {facts.WalLevel}.",
            facts.WalLevel == "minimal" ? "Set wal_level = replica and restart the server: backups need it." : null);
        Add("archive_mode", facts.ArchiveMode == "off" ? CheckStatus.Warning : CheckStatus.Passed,
            $"archive_mode is {facts.ArchiveMode}.",
            facts.ArchiveMode == "off" ? "Set archive_mode = on and restart: without it there is no recovery to a point in time." : null);
        Add("data_checksums", facts.HasDataChecksums ? CheckStatus.Passed : CheckStatus.Warning,
            facts.HasDataChecksums ? "Pages have checksums." : "Pages have no checksums: damage on disk goes into backups unseen.",
            facts.HasDataChecksums ? null : "Stop the server and run pg_checksums --enable.");
        results.Add(ArchiveCommand(facts));
    }

    private static CheckResult ArchiveCommand(ServerFacts facts)
    {
        static CheckResult Said(CheckStatus status, string detail, string? action) =>
            new(CheckArea.Postgres, "archive_command", status, detail, action);
        const string Advice = "Set archive_command = 'walrus wal-push \"%p\"' and reload the server.";
        if (!string.IsNullOrEmpty(facts.ArchiveLibrary))
        {
            return Said(CheckStatus.Warning, $"archive_library '{facts.ArchiveLibrary}' archives instead of a command.",
                "See that the WAL it archives reaches this archive.");
        }

        return facts.ArchiveCommand switch
        {
            null => Said(CheckStatus.Skipped, "This role may not see archive_command.", "GRANT pg_read_all_settings TO the role."),
            // What the server shows while archive_mode is off.
            "" or "(disabled)" => Said(CheckStatus.Warning, "archive_command is empty.", Advice),
            var command when CallsWalRus(command) => Said(CheckStatus.Passed, command, null),
            var command => Said(CheckStatus.Warning, $"archive_command calls neither walrus nor wal-g: {command}", Advice),
        };
    }

    private static bool CallsWalRus(string command) =>
        new[] { "wal-push", "daemon-client", "Push-WalSegment" }.Any(word => command.Contains(word, StringComparison.OrdinalIgnoreCase));

    private async Task PrivilegesAsync(PostgresSession session, ServerFacts facts, CancellationToken cancellationToken)
    {
        var (start, stop) = facts.Version >= 150000
            ? ("pg_catalog.pg_backup_start(pg_catalog.text, pg_catalog.bool)", "pg_catalog.pg_backup_stop(pg_catalog.bool)")
            : ("pg_catalog.pg_start_backup(pg_catalog.text, pg_catalog.bool, pg_catalog.bool)", "pg_catalog.pg_stop_backup(pg_catalog.bool, pg_catalog.bool)");
        var (start_, stop_, reads) = await session.QueryRowAsync(
            new PostgresStatement("Reading the role's privileges", $"""
                SELECT pg_catalog.has_function_privilege('{start}', 'EXECUTE'),
                       pg_catalog.has_function_privilege('{stop}', 'EXECUTE'),
                       pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE')
                """),
            row => (row.GetBoolean(0), row.GetBoolean(1), row.GetBoolean(2)),
            cancellationToken).ConfigureAwait(false);
        var may = start_ && stop_;
        Add("Privileges", !may ? CheckStatus.Failed : reads ? CheckStatus.Passed : CheckStatus.Warning,
            !may ? "The role may not begin and end a backup."
                : reads ? "The role may make backups." : "The role may make backups, but not read all settings.",
            may && reads ? null : $"As a superuser: {ServerPrivileges.Grants(facts.Version)}");
    }

    private async Task ArchiverAsync(PostgresSession session, ServerFacts facts, CancellationToken cancellationToken)
    {
        if (facts.ArchiveMode == "off")
        {
            return;
        }

        var (last, failed) = await session.QueryRowAsync(
            new PostgresStatement("Reading pg_stat_archiver", """
                SELECT a.last_archived_wal,
                       CASE WHEN a.last_failed_time OPERATOR(pg_catalog.>) coalesce(a.last_archived_time, '-infinity') THEN a.last_failed_wal END
                FROM pg_catalog.pg_stat_archiver AS a
                """),
            row => (row.IsDBNull(0) ? null : row.GetString(0), row.IsDBNull(1) ? null : row.GetString(1)),
            cancellationToken).ConfigureAwait(false);
        Add("Archiver", failed is null ? CheckStatus.Passed : CheckStatus.Failed,
            failed is not null ? $"Archiving {failed} failed last; {last ?? "nothing"} was the last to succeed."
                : last is null ? "Nothing has been archived yet." : $"{last} was archived last.",
            failed is null ? null : "Look into the server's log: it has what archive_command said.");
    }

    private async Task SummariesAsync(PostgresSession session, ServerFacts facts, CancellationToken cancellationToken)
    {
        if (facts.Version < 170000)
        {
            Add("summarize_wal", CheckStatus.Skipped, "PostgreSQL 17 and later have it.");
            return;
        }

        var on = await session.QueryRowAsync(
            new PostgresStatement("Reading summarize_wal", "SELECT pg_catalog.current_setting('summarize_wal')"),
            row => row.GetString(0) == "on", cancellationToken).ConfigureAwait(false);
        Add("summarize_wal", on ? CheckStatus.Passed : CheckStatus.Warning, $"summarize_wal is {(on ? "on" : "off")}.",
            on ? null : "Set summarize_wal = on and reload: delta backups then read only what has changed.");
    }

    private async Task ClockAsync(PostgresSession session, CancellationToken cancellationToken)
    {
        var before = DateTimeOffset.UtcNow;
        var read = await session.QueryRowAsync(
            new PostgresStatement("Reading the server's clock",
                "SELECT CAST(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.*) 1000 AS pg_catalog.int8)"),
            row => DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(0)), cancellationToken).ConfigureAwait(false);
        results.Add(StoreCheck.Compare("PostgreSQL", "server's", read, before, DateTimeOffset.UtcNow));
    }

    private void Add(string name, CheckStatus status, string detail, string? action = null) =>
        results.Add(new CheckResult(CheckArea.Postgres, name, status, detail, action));
}
