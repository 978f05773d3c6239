using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Protocol;

namespace WalRus.Backup;

/// <summary>
/// Begins a backup over the replication protocol: for a delta as an incremental one where the server can make it, else, and
/// for a full one, of whole files.
/// </summary>
internal sealed class RemoteBackupOpening
{
    /// <summary>A checkpoint writes all of shared_buffers, at the disk's speed; the server is silent meanwhile.</summary>
    private static readonly TimeSpan CheckpointLimit = TimeSpan.FromHours(6);

    private static readonly PostgresCommand Command =
        new(RemoteSource.Doing, "") { SilenceLimit = CheckpointLimit, Grants = "ALTER ROLE <role> REPLICATION;" };

    private readonly Archive archive;
    private readonly PostgresConnection connection;
    private readonly RemoteServer server;
    private readonly BaseBackupOptions options;

    public RemoteBackupOpening(
        Archive archive, PostgresConnection connection, RemoteServer server, BaseBackupOptions options)
    {
        this.archive = archive;
        this.connection = connection;
        this.server = server;
        this.options = options;
    }

    /// <summary>True when the server sends increments.</summary>
    public bool IsIncremental { get; private set; }

    /// <summary>Why it does not, although it writes summaries; null when that is not so.</summary>
    public string? Fallback { get; private set; }

    /// <param name="shape">What the backup is to be.</param>
    /// <param name="mustBeIncremental">The server's refusal of an increment is an error.</param>
    /// <param name="buffer">For the parent's manifest; lent.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<BaseBackup> BeginAsync(
        BackupShape shape, bool mustBeIncremental, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (await CanBeIncrementalAsync(shape, cancellationToken).ConfigureAwait(false))
        {
            try
            {
                return await BeginIncrementalAsync(shape.Plan.Parent!, buffer, cancellationToken).ConfigureAwait(false);
            }
            catch (WalRusException refused)
                when (!mustBeIncremental && refused is ServerErrorException or { Code: ErrorCode.ObjectCorrupt or ErrorCode.ObjectNotFound })
            {
                Fallback = refused.Message.TrimEnd('.');
            }
        }

        // Without data checksums PostgreSQL changes hints in pages and tells nobody: what is put together from two backups
        // differs in them from what the server's checksums are of.
        var hasSameBytes = shape.Plan.Parent is null || server.HasDataChecksums;
        return await BaseBackup
            .StartAsync(connection, options with { ManifestChecksums = hasSameBytes }, Command, cancellationToken).ConfigureAwait(false);
    }

    private async Task<bool> CanBeIncrementalAsync(BackupShape shape, CancellationToken cancellationToken)
    {
        if (shape.Plan.Parent is null || !server.SummarizesWal)
        {
            return false;
        }

        var now = new BackupSourceStart(
            new Lsn(ulong.MaxValue),
            WalFileName.FromLsn(server.Timeline, default, server.SegmentSize),
            server.Version,
            server.SystemIdentifier,
            server.DataDirectory,
            null)
        {
            Timelines = server.Timelines,
            HasDataChecksums = server.HasDataChecksums,
            PageBytes = server.BlockBytes,
            HasRootedNames = false,
        };
        return await shape.FindObstacleAsync(now, cancellationToken).ConfigureAwait(false) is null;
    }

    private async Task<BaseBackup> BeginIncrementalAsync(
        BackupDetail parent, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var upload = new ManifestUpload(archive, connection);
        if (!await upload.TrySendAsync(parent.Name, buffer, cancellationToken).ConfigureAwait(false))
        {
            throw new WalRusException(ErrorCode.ObjectNotFound, $"{parent.Name} was made without a manifest.");
        }

        var backup = await BaseBackup
            .StartAsync(connection, options with { Incremental = true }, Command, cancellationToken).ConfigureAwait(false);
        IsIncremental = true;
        return backup;
    }
}
