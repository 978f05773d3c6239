using System.Globalization;
using WalRus.Postgres;

namespace WalRus.Protocol;

/// <summary>Who the server is. Source: PostgreSQL's manual, "Streaming Replication Protocol", IDENTIFY_SYSTEM.</summary>
/// <param name="Timeline">The one it writes, or a standby replays.</param>
/// <param name="Position">Up to where a primary has flushed its WAL, or a standby has replayed it.</param>
internal readonly record struct SystemIdentity(ulong SystemIdentifier, TimelineId Timeline, Lsn Position);

/// <summary>A physical slot.</summary>
/// <param name="RestartPosition">The oldest WAL it keeps; null when it keeps none: never used, or invalidated.</param>
internal readonly record struct SlotState(Lsn? RestartPosition);

/// <summary>What a stream of WAL ended with: the server goes on with the next timeline from here.</summary>
internal readonly record struct NextTimeline(TimelineId Timeline, Lsn SwitchPoint);

/// <summary>A replication session's commands for physical streaming. Disposing ends the session.</summary>
internal sealed class ReplicationSession(PostgresConnection connection, PostgresConnectionSettings settings) : IAsyncDisposable
{
    /// <summary>READ_REPLICATION_SLOT came with it.</summary>
    private const int ReadsSlotsVersion = 150000;

    private const string Grants = "ALTER ROLE ... REPLICATION;";

    public PostgresConnection Connection => connection;

    public static async Task<ReplicationSession> OpenAsync(
        PostgresConnectionSettings settings, CancellationToken cancellationToken) =>
        new(await PostgresConnection.OpenAsync(settings, SessionKind.Replication, cancellationToken).ConfigureAwait(false), settings);

    public async Task<SystemIdentity> IdentifyAsync(CancellationToken cancellationToken)
    {
        var row = await connection.QueryRowAsync(
            new PostgresCommand("Asking who the server is", "IDENTIFY_SYSTEM"), cancellationToken).ConfigureAwait(false);
        return row.Count >= 3
            && ulong.TryParse(row[0], NumberStyles.None, CultureInfo.InvariantCulture, out var identifier)
            && TryTimeline(row[1], out var timeline) && Lsn.TryParse(row[2], out var position)
            ? new SystemIdentity(identifier, timeline, position)
            : throw connection.Violated("its answer to IDENTIFY_SYSTEM cannot be read");
    }

    public async Task<WalSegmentSize> ReadSegmentSizeAsync(CancellationToken cancellationToken)
    {
        var row = await connection.QueryRowAsync(
            new PostgresCommand("Reading wal_segment_size", "SHOW wal_segment_size"), cancellationToken).ConfigureAwait(false);
        var text = row[0] ?? "";
        var digits = text.AsSpan().IndexOfAnyExceptInRange('0', '9') is var end && end >= 0 ? text[..end] : text;
        var unit = text[digits.Length..] switch
        {
            "kB" => 1L << 10,
            "MB" => 1L << 20,
            "GB" => 1L << 30,
            _ => 1L,
        };
        return int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            && WalSegmentSize.IsValid(count * unit)
            ? WalSegmentSize.FromBytes(count * unit)
            : throw connection.Violated($"its wal_segment_size is '{text}'");
    }

    /// <summary>A timeline's history file as the server has it; null when it has none.</summary>
    public async Task<byte[]?> ReadHistoryAsync(TimelineId timeline, CancellationToken cancellationToken)
    {
        try
        {
            var row = await connection.QueryRowAsync(
                new PostgresCommand($"Reading the history of timeline {timeline}", $"TIMELINE_HISTORY {timeline}"),
                cancellationToken).ConfigureAwait(false);
            return row is { Count: 2 } && row.Bytes(1) is { } content
                ? content : throw connection.Violated("its answer to TIMELINE_HISTORY cannot be read");
        }
        catch (ServerErrorException missing) when (missing.SqlState == ServerFailure.UndefinedFile)
        {
            return null;
        }
    }

    /// <summary>A slot of this name; null when there is none.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ReplicationSlotUnusable"/>: it is a logical one.</exception>
    public async Task<SlotState?> FindSlotAsync(string name, CancellationToken cancellationToken)
    {
        const string Doing = "Reading the replication slot";
        if (connection.ServerVersion >= ReadsSlotsVersion)
        {
            try
            {
                var row = await connection.QueryRowAsync(
                    new PostgresCommand(Doing, $"READ_REPLICATION_SLOT {PostgresCommand.Identifier(name)}"), cancellationToken)
                    .ConfigureAwait(false);
                return ToSlot(name, row);
            }
            catch (ServerErrorException failure) when (failure.SqlState == ServerFailure.FeatureNotSupported)
            {
                throw NotPhysical(name);
            }
        }

        // Only SQL tells on older servers; on the one that answered, not on any of the settings'.
        var sql = await PostgresConnection.OpenAsync(
            settings with { Endpoints = [connection.Endpoint] }, SessionKind.Sql, cancellationToken).ConfigureAwait(false);
        await using (sql.ConfigureAwait(false))
        {
            var rows = await sql.QueryAsync(
                new PostgresCommand(Doing, $"""
                    SELECT s.slot_type, s.restart_lsn FROM pg_catalog.pg_replication_slots AS s
                    WHERE s.slot_name OPERATOR(pg_catalog.=) {PostgresCommand.Literal(name)}
                    """),
                cancellationToken).ConfigureAwait(false);
            return rows.Count == 0 ? null : ToSlot(name, rows[0]);
        }
    }

    /// <summary>Makes a physical slot that keeps WAL from now on; one that is there already stays as it is.</summary>
    /// <returns>False when it was there.</returns>
    public Task<bool> CreateSlotAsync(string name, CancellationToken cancellationToken) => SlotCommandAsync(
        "Creating the replication slot",
        $"CREATE_REPLICATION_SLOT {PostgresCommand.Identifier(name)} PHYSICAL RESERVE_WAL",
        ServerFailure.DuplicateObject,
        cancellationToken);

    /// <returns>False when there was none.</returns>
    public Task<bool> DropSlotAsync(string name, CancellationToken cancellationToken) => SlotCommandAsync(
        "Dropping the replication slot",
        $"DROP_REPLICATION_SLOT {PostgresCommand.Identifier(name)}",
        ServerFailure.UndefinedObject,
        cancellationToken);

    /// <summary>Begins to stream; null when the timeline ends at this very position and the next one comes at once.</summary>
    /// <param name="slot">The slot that keeps the WAL, or null for none.</param>
    /// <param name="start">Where to begin.</param>
    /// <param name="timeline">The server's own timeline or one of its past.</param>
    /// <param name="silence">How long the server may be silent.</param>
    /// <param name="cancellationToken">Closes the connection.</param>
    public async Task<(ReplyReader Reply, CopyStream? Stream)> StartAsync(
        string? slot, Lsn start, TimelineId timeline, TimeSpan silence, CancellationToken cancellationToken)
    {
        var of = slot is null ? "" : $"SLOT {PostgresCommand.Identifier(slot)} ";
        var command = new PostgresCommand(
            $"Streaming WAL from {start} on timeline {timeline}",
            $"START_REPLICATION {of}PHYSICAL {start} TIMELINE {timeline}")
        {
            SilenceLimit = silence,
            Grants = Grants,
        };
        var reply = await connection.ExecuteAsync(command, cancellationToken).ConfigureAwait(false);
        return await reply.NextAsync(cancellationToken).ConfigureAwait(false) == ReplyPart.Copy
            ? (reply, reply.Copy)
            : (reply, null);
    }

    /// <summary>The rest of the reply behind a stream: where the server goes on, or null when it says nothing of it.</summary>
    public async Task<NextTimeline?> EndAsync(ReplyReader reply, CancellationToken cancellationToken)
    {
        NextTimeline? next = null;
        do
        {
            if (reply.Rows is [{ Count: 2 } row])
            {
                next = TryTimeline(row[0], out var timeline) && Lsn.TryParse(row[1], out var position)
                    ? new NextTimeline(timeline, position)
                    : throw connection.Violated("the end of a timeline cannot be read");
            }
        }
        while (await reply.NextAsync(cancellationToken).ConfigureAwait(false) != ReplyPart.End);
        return next;
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();

    private static bool TryTimeline(string? text, out TimelineId timeline)
    {
        var isTimeline = uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0;
        timeline = new TimelineId(number);
        return isTimeline;
    }

    private SlotState? ToSlot(string name, PostgresRow row)
    {
        if (row.Count < 2)
        {
            throw connection.Violated("a replication slot's state cannot be read");
        }

        if (row[0] is null)
        {
            return null;
        }

        if (row[0] != "physical")
        {
            throw NotPhysical(name);
        }

        return new SlotState(Lsn.TryParse(row[1], out var restart) ? restart : null);
    }

    private static WalRusException NotPhysical(string name) => new(
        ErrorCode.ReplicationSlotUnusable, $"The replication slot '{name}' is a logical one.",
        "Name another slot with WALG_SLOTNAME: WAL is streamed by a physical slot.");

    private async Task<bool> SlotCommandAsync(string doing, string text, string harmless, CancellationToken cancellationToken)
    {
        try
        {
            await connection.QueryAsync(new PostgresCommand(doing, text) { Grants = Grants }, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (ServerErrorException failure) when (failure.SqlState == harmless)
        {
            return false;
        }
    }
}
