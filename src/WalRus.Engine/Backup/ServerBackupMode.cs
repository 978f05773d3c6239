using System.Globalization;
using WalRus.Postgres;
using WalRus.Streaming;

namespace WalRus.Backup;

/// <summary>Where a server put the start of a backup.</summary>
/// <param name="Lsn">The checkpoint's redo point: replay begins here.</param>
/// <param name="Segment">The segment that names the backup.</param>
internal readonly record struct BackupModeStart(Lsn Lsn, WalFileName Segment, bool IsInRecovery);

/// <summary>What a server gives when a backup ends.</summary>
/// <param name="Lsn">Replay must reach this for the copy to be consistent.</param>
/// <param name="Label">The content of <c>backup_label</c>.</param>
/// <param name="TablespaceMap">The content of <c>tablespace_map</c>; empty without tablespaces.</param>
internal sealed record BackupModeEnd(Lsn Lsn, string Label, string TablespaceMap);

/// <summary>
/// A server's non-exclusive backup mode. It belongs to one session: the one that started it must stop it, and the server
/// ends it by itself when that session goes. Disposing ends it either way.
/// </summary>
internal sealed class ServerBackupMode : IAsyncDisposable
{
    private const string Start = "Starting the backup";
    private const string Stop = "Stopping the backup";

    /// <summary>How long giving up may take before the session is simply closed.</summary>
    private static readonly TimeSpan AbandonLimit = TimeSpan.FromSeconds(10);

    private readonly PostgresSession session;
    private readonly ServerFacts server;
    private bool isOn;

    public ServerBackupMode(PostgresSession session, ServerFacts server)
    {
        this.session = session;
        this.server = server;
    }

    private bool HasNewNames => server.Version >= 150000;

    /// <summary>Enters backup mode with an immediate checkpoint; takes as long as that checkpoint.</summary>
    public async Task<BackupModeStart> StartAsync(string label, CancellationToken cancellationToken)
    {
        await LiftTimeoutsAsync(cancellationToken).ConfigureAwait(false);

        // Set before the call: a start that is cancelled half-way may have taken effect.
        isOn = true;
        var call = HasNewNames
            ? "pg_catalog.pg_backup_start($1, true)"
            : "pg_catalog.pg_start_backup($1, true, false)";
        var (lsn, name) = await session.QueryRowAsync(
            new PostgresStatement(Start, $"""
                SELECT CAST(s.lsn AS pg_catalog.text),
                       CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL ELSE pg_catalog.pg_walfile_name(s.lsn) END
                FROM {call} AS s(lsn)
                """)
            {
                Text = label,
                Limit = null,
                Grants = ServerPrivileges.Grants(server.Version),
            },
            row => (Lsn.Parse(row.GetString(0)), row.IsDBNull(1) ? null : row.GetString(1)),
            cancellationToken).ConfigureAwait(false);
        if (name is not null)
        {
            return new BackupModeStart(lsn, WalFileName.Parse(name), IsInRecovery: false);
        }

        // A standby cannot be asked for the name. wal-g's rule: the segment of the byte before the start.
        var timeline = await ControlTimelineAsync(cancellationToken).ConfigureAwait(false);
        var segment = WalFileName.FromLsn(timeline, new Lsn(lsn.Value - 1), server.SegmentSize);
        return new BackupModeStart(lsn, segment, IsInRecovery: true);
    }

    /// <summary>
    /// Takes the name of a backup on this server until the session ends, with an advisory lock (a standby has those too).
    /// A session whose client was killed ends a moment later, so it is given that moment.
    /// </summary>
    /// <returns>What tells this run of this server from every other; null when another session holds the name.</returns>
    public async Task<string?> TryHoldNameAsync(string name, CancellationToken cancellationToken)
    {
        const int Tries = 20;
        const string Doing = "Taking the backup's name on the server";
        var take = new PostgresStatement(
            Doing, "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended('walrus ' OPERATOR(pg_catalog.||) $1, 0))")
        {
            Text = name,
        };

        // The lock is one database's; a run that is connected to another one shows among all locks.
        var others = new PostgresStatement(Doing, """
            SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks AS l,
                   pg_catalog.hashtextextended('walrus ' OPERATOR(pg_catalog.||) $1, 0) AS k(key)
            WHERE l.locktype OPERATOR(pg_catalog.=) 'advisory' AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
              AND ((CAST(l.classid AS pg_catalog.int8) OPERATOR(pg_catalog.<<) 32) OPERATOR(pg_catalog.|) CAST(l.objid AS pg_catalog.int8))
                  OPERATOR(pg_catalog.=) k.key
            """)
        {
            Text = name,
        };
        for (var tried = 1; ; tried++)
        {
            if (await session.QueryRowAsync(take, row => row.GetBoolean(0), cancellationToken).ConfigureAwait(false)
                && await session.QueryRowAsync(others, row => row.GetInt64(0), cancellationToken).ConfigureAwait(false) == 0)
            {
                return $"{server.SystemIdentifier} since {server.PostmasterStarted:O}";
            }

            if (tried == Tries)
            {
                return null;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The timeline of the last checkpoint or restartpoint.</summary>
    public Task<TimelineId> ControlTimelineAsync(CancellationToken cancellationToken) => session.QueryRowAsync(
        new PostgresStatement(
            "Reading the server's timeline",
            "SELECT CAST(c.timeline_id AS pg_catalog.int8) FROM pg_catalog.pg_control_checkpoint() AS c"),
        row => new TimelineId((uint)row.GetInt64(0)),
        cancellationToken);

    public Task<bool> IsInRecoveryAsync(CancellationToken cancellationToken) => session.QueryRowAsync(
        new PostgresStatement("Asking the server's role", "SELECT pg_catalog.pg_is_in_recovery()"),
        row => row.GetBoolean(0),
        cancellationToken);

    /// <summary>Asks for a sign of life at each interval until cancelled; nothing else may use the session meanwhile.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.PostgresConnectionLost"/>.</exception>
    public async Task WatchAsync(TimeSpan interval, CancellationToken cancellationToken)
    {
        var ping = new PostgresStatement("Checking that the backup's session is alive", "SELECT 1")
        {
            Limit = TimeSpan.FromSeconds(Math.Clamp(interval.TotalSeconds, 5, 60)),
        };
        using var timer = new PeriodicTimer(interval);
        while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
        {
            try
            {
                await session.ExecuteAsync(ping, cancellationToken).ConfigureAwait(false);
            }
            catch (WalRusException silent) when (silent.Code == ErrorCode.DeadlineExceeded)
            {
                throw new WalRusException(
                    ErrorCode.PostgresConnectionLost,
                    $"The backup's session does not answer within {ping.Limit!.Value.TotalSeconds:0} s.",
                    "Look into the server's log and at the network in between; the backup has to be made again.",
                    silent)
                {
                    IsTransient = true,
                };
            }
        }
    }

    /// <summary>The error for WAL that the server does not archive in time.</summary>
    public static WalRusException NotArchived(TimeSpan? limit, Exception? inner) => new(
        ErrorCode.DeadlineExceeded,
        $"The server did not end the backup within {limit?.TotalSeconds:0} s: its last WAL segment is not archived.",
        "Look into the server's log for what archive_command says, or give it longer (WALG_STOP_BACKUP_TIMEOUT).",
        inner);

    /// <summary>Fails when the session is lost.</summary>
    public Task PingAsync(CancellationToken cancellationToken) =>
        session.ExecuteAsync(new PostgresStatement("Checking that the server is alive", "SELECT 1"), cancellationToken);

    /// <summary>Leaves backup mode.</summary>
    /// <param name="waitsForArchiving">Whether a primary that archives answers only when the last segment is archived.</param>
    /// <param name="limit">The statement's timeout; null to wait as long as archiving takes.</param>
    public async Task<BackupModeEnd> StopAsync(bool waitsForArchiving, TimeSpan? limit, CancellationToken cancellationToken)
    {
        var wait = waitsForArchiving ? "true" : "false";
        await SetTimeoutAsync(limit, cancellationToken).ConfigureAwait(false);
        try
        {
            var end = await session.QueryRowAsync(
                new PostgresStatement(Stop, $"""
                    SELECT CAST(s.lsn AS pg_catalog.text), s.labelfile, s.spcmapfile
                    FROM {(HasNewNames ? $"pg_catalog.pg_backup_stop({wait})" : $"pg_catalog.pg_stop_backup(false, {wait})")} AS s
                    """)
                {
                    // The server's own timeout fires first; the client's is there in case the server does not.
                    Limit = limit + TimeSpan.FromSeconds(30),
                    Grants = ServerPrivileges.Grants(server.Version),
                },
                row => new BackupModeEnd(
                    Lsn.Parse(row.GetString(0)), row.GetString(1), row.IsDBNull(2) ? "" : row.GetString(2)),
                cancellationToken).ConfigureAwait(false);
            isOn = false;
            return end;
        }
        catch (WalRusException slow) when (slow.Code == ErrorCode.DeadlineExceeded)
        {
            throw NotArchived(limit, slow);
        }
    }

    /// <summary>Ends backup mode if it is on: asks for it, and closes the session, which has the same effect.</summary>
    public async ValueTask DisposeAsync()
    {
        if (isOn)
        {
            isOn = false;
            using var limit = new Deadline(AbandonLimit, CancellationToken.None);
            try
            {
                var call = HasNewNames ? "pg_catalog.pg_backup_stop(false)" : "pg_catalog.pg_stop_backup(false, false)";
                await session.ExecuteAsync(
                    new PostgresStatement(Stop, $"SELECT s.lsn FROM {call} AS s") { Limit = AbandonLimit }, limit.Token)
                    .ConfigureAwait(false);
            }
            catch (Exception failure) when (failure is WalRusException or OperationCanceledException)
            {
                // Not started, or the session is lost: then backup mode is off, or is as soon as the session is closed.
            }
        }

        await session.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>Timeouts that a role or a database may set would end a backup that is merely large.</summary>
    private Task LiftTimeoutsAsync(CancellationToken cancellationToken)
    {
        var sql = "SELECT pg_catalog.set_config('statement_timeout', '0', false), pg_catalog.set_config('lock_timeout', '0', false)";
        sql += server.Version >= 140000 ? ", pg_catalog.set_config('idle_session_timeout', '0', false)" : "";
        sql += server.Version >= 170000 ? ", pg_catalog.set_config('transaction_timeout', '0', false)" : "";
        return session.ExecuteAsync(new PostgresStatement(Start, sql), cancellationToken);
    }

    private Task SetTimeoutAsync(TimeSpan? limit, CancellationToken cancellationToken)
    {
        var milliseconds = (long)Math.Ceiling(limit?.TotalMilliseconds ?? 0);
        return session.ExecuteAsync(
            new PostgresStatement(Stop, "SELECT pg_catalog.set_config('statement_timeout', $1, false)")
            {
                Text = milliseconds.ToString(CultureInfo.InvariantCulture),
            },
            cancellationToken);
    }
}
