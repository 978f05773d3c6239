using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>What a server says about itself before a backup.</summary>
internal sealed record ServerFacts
{
    public const int OldestVersion = 130000;

    /// <summary>Majors from here on are newer than this program.</summary>
    public const int NewerVersion = 190000;

    /// <summary><c>server_version_num</c>.</summary>
    public required int Version { get; init; }

    /// <summary>As the server has it; links not resolved.</summary>
    public required string DataDirectory { get; init; }

    public required bool IsInRecovery { get; init; }

    public required ulong SystemIdentifier { get; init; }

    public required WalSegmentSize SegmentSize { get; init; }

    /// <summary>To the microsecond: no other server of this name started at the same moment.</summary>
    public required DateTimeOffset PostmasterStarted { get; init; }

    public required bool HasDataChecksums { get; init; }

    /// <summary>Bytes of a page.</summary>
    public required int BlockBytes { get; init; }

    /// <summary>Blocks of one file of a relation.</summary>
    public required int FileBlocks { get; init; }

    public required string WalLevel { get; init; }

    public required string ArchiveMode { get; init; }

    /// <summary>Null where the server does not let this role see it.</summary>
    public string? ArchiveCommand { get; init; }

    /// <summary>From PostgreSQL 15 on.</summary>
    public string? ArchiveLibrary { get; init; }

    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.PostgresVersionUnsupported"/>, <see cref="ErrorCode.PostgresPrivilegeMissing"/>.
    /// </exception>
    public static async Task<ServerFacts> ReadAsync(PostgresSession session, CancellationToken cancellationToken)
    {
        const string Doing = "Reading the server's settings";
        var version = await session.QueryRowAsync(
            new PostgresStatement(Doing, "SELECT pg_catalog.current_setting('server_version_num')"),
            row => int.Parse(row.GetString(0), System.Globalization.CultureInfo.InvariantCulture),
            cancellationToken).ConfigureAwait(false);
        if (version < OldestVersion)
        {
            throw new WalRusException(
                ErrorCode.PostgresVersionUnsupported,
                $"{session} is PostgreSQL {version / 10000}; backups need 13 or later.",
                "Upgrade the server, or back it up with wal-g into the same archive.");
        }

        return await session.QueryRowAsync(
            new PostgresStatement(Doing, Sql) { Grants = ServerPrivileges.Grants(version) },
            row => new ServerFacts
            {
                Version = version,
                DataDirectory = row.GetString(0),
                IsInRecovery = row.GetBoolean(1),
                SystemIdentifier = unchecked((ulong)row.GetInt64(2)),
                SegmentSize = WalSegmentSize.FromBytes(row.GetInt32(3)),
                PostmasterStarted = DateTimeOffset.UnixEpoch.AddMicroseconds(row.GetInt64(4)),
                HasDataChecksums = row.GetString(5) == "on",
                BlockBytes = row.GetInt32(6),
                FileBlocks = row.GetInt32(7),
                WalLevel = row.GetString(8),
                ArchiveMode = row.GetString(9),
                ArchiveCommand = row.IsDBNull(10) ? null : row.GetString(10),
                ArchiveLibrary = row.IsDBNull(11) ? null : row.GetString(11),
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What this configuration means for a backup that is to be restored one day.</summary>
    public IEnumerable<string> Warnings()
    {
        if (Version >= NewerVersion)
        {
            yield return $"PostgreSQL {Version / 10000} is newer than this version of WalRus, which knows majors up to 18.";
        }

        if (ArchiveMode == "off")
        {
            yield return IsInRecovery
                ? "archive_mode is off on this standby: see that the primary archives the WAL this backup needs."
                : "archive_mode is off: the WAL this backup needs is archived only if something else does it.";
        }
        else if (!IsInRecovery && ArchiveCommand == "" && string.IsNullOrEmpty(ArchiveLibrary))
        {
            yield return "archive_command is empty: the backup will not end until archiving goes on.";
        }
    }

    private const string Sql = """
        SELECT pg_catalog.current_setting('data_directory'),
               pg_catalog.pg_is_in_recovery(),
               s.system_identifier,
               i.bytes_per_wal_segment,
               CAST(pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()) OPERATOR(pg_catalog.*) 1000000 AS pg_catalog.int8),
               pg_catalog.current_setting('data_checksums'),
               i.database_block_size,
               i.blocks_per_segment,
               pg_catalog.current_setting('wal_level'),
               pg_catalog.current_setting('archive_mode'),
               (SELECT c.setting FROM pg_catalog.pg_settings AS c WHERE c.name OPERATOR(pg_catalog.=) 'archive_command'),
               (SELECT l.setting FROM pg_catalog.pg_settings AS l WHERE l.name OPERATOR(pg_catalog.=) 'archive_library')
        FROM pg_catalog.pg_control_system() AS s, pg_catalog.pg_control_init() AS i
        """;
}

/// <summary>What a role that makes backups needs; a superuser has it.</summary>
internal static class ServerPrivileges
{
    /// <summary>The statements to run, for a server of this version; the role is the one of the message.</summary>
    public static string Grants(int version)
    {
        var functions = version >= 150000
            ? "pg_catalog.pg_backup_start(text, boolean), pg_catalog.pg_backup_stop(boolean)"
            : "pg_catalog.pg_start_backup(text, boolean, boolean), pg_catalog.pg_stop_backup(boolean, boolean)";
        return $"GRANT pg_read_all_settings, pg_read_all_stats TO <role>; GRANT EXECUTE ON FUNCTION {functions} TO <role>;";
    }
}
