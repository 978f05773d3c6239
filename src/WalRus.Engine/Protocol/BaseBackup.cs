using System.Globalization;
using WalRus.Postgres;
using WalRus.Streaming;

namespace WalRus.Protocol;

/// <summary>A position in the WAL of one timeline.</summary>
internal readonly record struct WalPosition(Lsn Lsn, TimelineId Timeline);

/// <summary>One tablespace of a base backup.</summary>
/// <param name="Location">Its directory; relative to the data directory for one that lies inside ("in place").</param>
internal sealed record BaseBackupTablespace(uint Oid, string Location)
{
    /// <summary>True for a folder of the data directory, with no link to it.</summary>
    public bool IsInPlace => Location.StartsWith("pg_tblspc/", StringComparison.Ordinal);
}

/// <summary>
/// One BASE_BACKUP command in either dialect: where it starts, its tablespaces, then one stream a tablespace, the data
/// directory's last of them, the manifest, and where it ends. Source: PostgreSQL's manual, "Streaming Replication Protocol".
/// </summary>
internal sealed class BaseBackup : IAsyncDisposable
{
    private const string DataCorrupted = "XX001";

    private readonly PostgresConnection connection;
    private readonly ReplyReader reply;
    private readonly Queue<BackupPiece>? separate;
    private BackupPieces? pieces;

    private BaseBackup(PostgresConnection connection, ReplyReader reply, WalPosition start, IReadOnlyList<PostgresRow> tablespaces)
    {
        this.connection = connection;
        this.reply = reply;
        Start = start;
        Tablespaces = [.. tablespaces.Where(row => row[0] is not null).Select(row => Tablespace(row, connection))];
        EstimatedBytes = Size(tablespaces);
        if (connection.ServerVersion < BaseBackupOptions.FirstWithList)
        {
            separate = new Queue<BackupPiece>(Tablespaces.Select(tablespace => new BackupPiece(tablespace.Oid, false)));
            separate.Enqueue(new BackupPiece(null, false));
            separate.Enqueue(BackupPiece.Manifest);
        }
    }

    public WalPosition Start { get; }

    /// <summary>Those beside the data directory, in the order of their archives.</summary>
    public IReadOnlyList<BaseBackupTablespace> Tablespaces { get; }

    /// <summary>What the server thinks it will send; null when it was not asked.</summary>
    public long? EstimatedBytes { get; }

    /// <summary>The current piece's bytes.</summary>
    public Stream Content { get; private set; } = Stream.Null;

    /// <summary>Set when the server found pages whose checksum is wrong; it says so after all else has been sent.</summary>
    public ServerErrorException? ChecksumFailure { get; private set; }

    /// <summary>Sends the command and reads to where the data begins; takes as long as the checkpoint.</summary>
    /// <exception cref="WalRusException">What the server says, or what <see cref="PostgresConnection"/> does.</exception>
    public static async Task<BaseBackup> StartAsync(
        PostgresConnection connection, BaseBackupOptions options, PostgresCommand command, CancellationToken cancellationToken)
    {
        var reply = await connection
            .ExecuteAsync(command with { Text = options.ToCommand(connection.ServerVersion) }, cancellationToken).ConfigureAwait(false);
        try
        {
            var start = Position(await RowsAsync(reply, connection, cancellationToken).ConfigureAwait(false), connection);
            var tablespaces = await RowsAsync(reply, connection, cancellationToken).ConfigureAwait(false);
            return new BaseBackup(connection, reply, start, tablespaces);
        }
        catch
        {
            await reply.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Passes over what is left of the current piece and comes to the next; null after the last.</summary>
    public async ValueTask<BackupPiece?> NextAsync(CancellationToken cancellationToken)
    {
        if (separate is not null)
        {
            await DrainAsync(cancellationToken).ConfigureAwait(false);
            if (!separate.TryDequeue(out var next))
            {
                return null;
            }

            Content = new CopyContent(await CopyAsync(cancellationToken).ConfigureAwait(false));
            return next;
        }

        if (pieces is null)
        {
            pieces = new BackupPieces(await CopyAsync(cancellationToken).ConfigureAwait(false));
            Content = pieces.Content;
        }

        return await pieces.NextAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads to the end of the command, after the last piece.</summary>
    /// <returns>What replay must reach.</returns>
    public async Task<WalPosition> FinishAsync(CancellationToken cancellationToken)
    {
        var end = Position(await RowsAsync(reply, connection, cancellationToken).ConfigureAwait(false), connection);
        try
        {
            while (await reply.NextAsync(cancellationToken).ConfigureAwait(false) != ReplyPart.End)
            {
                // "BASE_BACKUP" has been completed.
            }
        }
        catch (ServerErrorException bad) when (bad.SqlState == DataCorrupted)
        {
            ChecksumFailure = bad;
        }

        return end;
    }

    public ValueTask DisposeAsync() => reply.DisposeAsync();

    private static async Task<IReadOnlyList<PostgresRow>> RowsAsync(
        ReplyReader reply, PostgresConnection connection, CancellationToken cancellationToken) =>
        await reply.NextAsync(cancellationToken).ConfigureAwait(false) == ReplyPart.Rows
            ? reply.Rows
            : throw connection.Violated("a base backup lacks one of its results");

    private static WalPosition Position(IReadOnlyList<PostgresRow> rows, PostgresConnection connection) =>
        rows is [{ Count: 2 } row] && Lsn.TryParse(row[0], out var lsn)
            && uint.TryParse(row[1], NumberStyles.None, CultureInfo.InvariantCulture, out var timeline)
            ? new WalPosition(lsn, new TimelineId(timeline))
            : throw connection.Violated("a base backup's position in the WAL is none");

    private static BaseBackupTablespace Tablespace(PostgresRow row, PostgresConnection connection) =>
        row.Count >= 2 && uint.TryParse(row[0], NumberStyles.None, CultureInfo.InvariantCulture, out var oid) && row[1] is { } location
            ? new BaseBackupTablespace(oid, location)
            : throw connection.Violated("a base backup's tablespace is none");

    /// <summary>KiB in the third column, for each tablespace.</summary>
    private static long? Size(IReadOnlyList<PostgresRow> rows)
    {
        long sum = 0;
        foreach (var row in rows)
        {
            if (row.Count < 3 || !long.TryParse(row[2], NumberStyles.None, CultureInfo.InvariantCulture, out var kibibytes))
            {
                return null;
            }

            sum += kibibytes * 1024;
        }

        return sum;
    }

    private async Task<CopyStream> CopyAsync(CancellationToken cancellationToken) =>
        await reply.NextAsync(cancellationToken).ConfigureAwait(false) == ReplyPart.Copy
            ? reply.Copy!
            : throw connection.Violated("a base backup lacks one of its archives");

    private async ValueTask DrainAsync(CancellationToken cancellationToken)
    {
        while (reply.Copy is { IsAtEnd: false } copy && await copy.NextAsync(cancellationToken).ConfigureAwait(false))
        {
            // What the caller left of the piece.
        }
    }

    /// <summary>A COPY whose messages are nothing but the data.</summary>
    private sealed class CopyContent(ICopyOut copy) : InputStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            while (!buffer.IsEmpty)
            {
                var count = await copy.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
                if (count > 0 || !await copy.NextAsync(cancellationToken).ConfigureAwait(false))
                {
                    return count;
                }
            }

            return 0;
        }
    }
}
