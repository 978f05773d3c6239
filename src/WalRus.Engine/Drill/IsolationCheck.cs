using System.Globalization;
using WalRus.Backup;
using WalRus.Postgres;
using WalRus.Protocol;

namespace WalRus.Drill;

/// <summary>What the recovered server says of itself.</summary>
/// <param name="Version">server_version without what its packager adds.</param>
/// <param name="BlockBytes">block_size.</param>
/// <param name="FileBlocks">Blocks in one file of a relation.</param>
/// <param name="Lsn">Where replay ended.</param>
/// <param name="LastCommit">The last commit replayed; null when there was none.</param>
internal sealed record RecoveredFacts(string Version, int BlockBytes, int FileBlocks, Lsn? Lsn, DateTimeOffset? LastCommit);

/// <summary>Holds, on the running server and before anything else is done with it, that it can touch nobody.</summary>
internal static class IsolationCheck
{
    private const string SettingsSql =
        """
        SELECT name, setting FROM pg_settings WHERE name IN ('archive_mode', 'primary_conninfo', 'listen_addresses',
            'max_logical_replication_workers', 'shared_preload_libraries', 'synchronous_standby_names')
        """;

    private const string FactsSql =
        """
        SELECT split_part(current_setting('server_version'), ' ', 1), current_setting('block_size')::int, (SELECT setting::int FROM pg_settings WHERE name = 'segment_size'),
            pg_is_in_recovery(), pg_last_wal_replay_lsn()::text,
            extract(epoch FROM pg_last_xact_replay_timestamp())::text,
            (SELECT system_identifier::text FROM pg_control_system()), (SELECT count(*) FROM pg_stat_wal_receiver)
        """;

    /// <exception cref="WalRusException"><see cref="ErrorCode.DrillFailed"/>: it could touch somebody, or is not the backup's cluster.</exception>
    public static async Task<RecoveredFacts> RunAsync(
        PostgresConnectionSettings connection, BackupDrillRequest request, ulong? systemIdentifier, CancellationToken cancellationToken)
    {
        var session = await OpenAsync(connection, cancellationToken).ConfigureAwait(false);
        await using (session.ConfigureAwait(false))
        {
            var wrong = new List<string>();
            await session.QueryAsync(new PostgresStatement("Reading the drill server's settings", SettingsSql), row =>
            {
                var (name, value) = (row.GetString(0), row.GetString(1));
                if (value != Expected(name, request))
                {
                    wrong.Add($"{name} is '{value}'");
                }
            }, cancellationToken).ConfigureAwait(false);
            var facts = await session.QueryRowAsync(new PostgresStatement("Reading the drill server's state", FactsSql), row =>
            {
                Hold(wrong, !row.GetBoolean(3), "it is still in recovery");
                Hold(wrong, row.GetInt64(7) == 0, "it follows another server");
                Hold(
                    wrong,
                    systemIdentifier is null || row.GetString(6) == systemIdentifier.Value.ToString(CultureInfo.InvariantCulture),
                    $"its system identifier is {row.GetString(6)}, the backup's is {systemIdentifier}");
                return new RecoveredFacts(
                    row.GetString(0),
                    row.GetInt32(1),
                    row.GetInt32(2),
                    row.IsDBNull(4) ? null : Lsn.Parse(row.GetString(4)),
                    row.IsDBNull(5) ? null : FromEpoch(row.GetString(5)));
            }, cancellationToken).ConfigureAwait(false);
            return wrong.Count == 0 ? facts : throw new WalRusException(
                ErrorCode.DrillFailed, $"The drill's server is not what it has to be: {string.Join(", ", wrong)}.");
        }
    }

    private static string Expected(string name, BackupDrillRequest request) => name switch
    {
        "archive_mode" => "off",
        "max_logical_replication_workers" => "0",
        "listen_addresses" => OperatingSystem.IsWindows() ? "127.0.0.1" : "",
        "shared_preload_libraries" => string.Join(',', request.PreloadLibraries),
        _ => "",
    };

    private static void Hold(List<string> wrong, bool isSo, string otherwise)
    {
        if (!isSo)
        {
            wrong.Add(otherwise);
        }
    }

    private static DateTimeOffset FromEpoch(string seconds) =>
        DateTimeOffset.UnixEpoch.AddTicks((long)(decimal.Parse(seconds, CultureInfo.InvariantCulture) * TimeSpan.TicksPerSecond));

    private static async Task<PostgresSession> OpenAsync(PostgresConnectionSettings connection, CancellationToken cancellationToken)
    {
        try
        {
            return await PostgresSession.OpenAsync(connection, DrillDatabases.Always, cancellationToken)
                .ConfigureAwait(false);
        }
        catch (WalRusException refused) when (refused.Code == ErrorCode.PostgresAuthenticationFailed)
        {
            throw new WalRusException(
                ErrorCode.InvalidArgument,
                $"The restored cluster has no role '{connection.User}' that may log in.",
                "Name a superuser of the backed-up cluster.",
                refused);
        }
    }
}
