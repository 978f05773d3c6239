using System.Globalization;
using WalRus.Backup;
using WalRus.Postgres;
using WalRus.Protocol;

namespace WalRus.Verification;

/// <summary>Where a running server is: what it has written, or received as a standby.</summary>
internal static class ServerPosition
{
    /// <summary>A primary's timeline is that of the segment it writes: pg_control has it only after the next checkpoint.</summary>
    private const string Sql = """
        SELECT CASE WHEN pg_catalog.pg_is_in_recovery()
                    THEN COALESCE(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())
                    ELSE pg_catalog.pg_current_wal_lsn() END::pg_catalog.text,
               CASE WHEN pg_catalog.pg_is_in_recovery() THEN ''
                    ELSE pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()) END,
               c.timeline_id
        FROM pg_catalog.pg_control_checkpoint() AS c
        """;

    public static async Task<WalPosition> ReadAsync(PostgresConnectionSettings settings, CancellationToken cancellationToken)
    {
        var session = await PostgresSession.OpenAsync(settings, null, cancellationToken).ConfigureAwait(false);
        await using var close = session.ConfigureAwait(false);
        var statement = new PostgresStatement("Asking where the server is", Sql)
        {
            Grants = "GRANT pg_monitor TO <role>; GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_checkpoint() TO <role>;",
        };
        return await session.QueryRowAsync(
            statement,
            row => new WalPosition(
                row.GetString(1) is { Length: WalFileName.Length } segment
                    ? WalFileName.Parse(segment).Timeline
                    : new TimelineId(uint.Parse(row.GetValue(2).ToString()!, CultureInfo.InvariantCulture)),
                row.IsDBNull(0) ? default : Lsn.Parse(row.GetString(0))),
            cancellationToken).ConfigureAwait(false);
    }
}
