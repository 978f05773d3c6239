using System.Runtime.CompilerServices;
using System.Threading.Channels;
using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Protocol;
using WalRus.Streaming;

namespace WalRus.Wal;

/// <summary>
/// Receives WAL over a server's replication protocol and archives it, without a gap across every break: of the connection,
/// the server, the store, this process. The server hears as flushed only what is durable in the store.
/// </summary>
public sealed class WalReceive
{
    private const int HandedOver = 16;
    private static readonly TimeSpan StandsInterval = TimeSpan.FromMinutes(1);

    /// <summary>How long a receiver that has ended may go on holding the slot: until the server sees that it is gone.</summary>
    private static readonly TimeSpan ReleaseLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ReleasePause = TimeSpan.FromMilliseconds(100);

    private readonly Archive archive;
    private readonly WalPush push;
    private readonly PostgresConnectionSettings connection;
    private readonly WalReceiveOptions options;
    private readonly NativeBufferPool buffers;
    private readonly IEventLog log;

    /// <param name="archive">Where to.</param>
    /// <param name="push">Stores each file, as it does for archive_command.</param>
    /// <param name="connection">Which server; its application name is what synchronous_standby_names may name.</param>
    /// <param name="options">From settings.</param>
    /// <param name="buffers">The pool of the engine.</param>
    /// <param name="log">What is decided and waited for.</param>
    public WalReceive(
        Archive archive, WalPush push, PostgresConnectionSettings connection, WalReceiveOptions options, NativeBufferPool buffers, IEventLog log)
    {
        this.archive = archive;
        this.push = push;
        this.connection = connection;
        this.options = options;
        this.buffers = buffers;
        this.log = log;
    }

    /// <summary>
    /// Receives until asked to stop. The first session must come about; when a later one breaks, it waits and goes on. Cancelling
    /// ends at once and leaves nothing half-written; what is not stored yet stays in the folder for the next run.
    /// </summary>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.ReplicationWalMissing"/> (the server no longer has what comes next),
    /// <see cref="ErrorCode.ReplicationSlotUnusable"/>, <see cref="ErrorCode.PostgresTimelineChanged"/> (the server never was where
    /// the archive is), <see cref="ErrorCode.WalSegmentForeign"/>, <see cref="ErrorCode.WalSegmentConflict"/>, or what is wrong
    /// with the connection or the folder.
    /// </exception>
    public async Task<WalReceiveStatistics> RunAsync(WalReceiveRequest request, CancellationToken cancellationToken)
    {
        var progress = new ReceiveProgress();
        using var folder = ReceiveFolder.Open(options.Folder);
        var uploads = new ReceiveUploads(push, options, progress, request.OnDurable, log, cancellationToken);
        await using var close = uploads.ConfigureAwait(false);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(request.Stop, uploads.Ended);
        using var stands = options.Time.CreateTimer(_ => SayWhereItStands(progress), null, StandsInterval, StandsInterval);
        using var run = new ReceiveRun(archive, connection, options, buffers, log, folder, uploads, progress);
        try
        {
            await run.StoreFinishedAsync(stop.Token).ConfigureAwait(false);
            await run.ReceiveAsync(request, stop, uploads.Ended).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // Asked to stop between two sessions, or a lane has a fault.
        }

        try
        {
            await uploads.DrainAtEndAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (uploads.Fault is not null)
        {
            // Thrown below.
        }

        return uploads.Fault is null ? progress.Take() : throw uploads.Fault;
    }

    /// <summary>As <see cref="RunAsync"/>, handing over each file as it becomes durable.</summary>
    /// <exception cref="WalRusException">As there.</exception>
    public async IAsyncEnumerable<ReceivedWal> StreamAsync(
        WalReceiveRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var files = Channel.CreateBounded<ReceivedWal>(HandedOver);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var running = RunIntoAsync(files.Writer, request, ending.Token);
        try
        {
            await foreach (var file in files.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                yield return file;
            }

            await running.ConfigureAwait(false);
        }
        finally
        {
            await ending.CancelAsync().ConfigureAwait(false);
            await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Drops the slot on the server: it keeps no more WAL. One that is in use is given a moment to be let go.</summary>
    /// <returns>False when there was none.</returns>
    /// <exception cref="WalRusException">The slot is in use, or what is wrong with the connection.</exception>
    public async Task<bool> DropSlotAsync(CancellationToken cancellationToken)
    {
        var session = await ReplicationSession.OpenAsync(connection, cancellationToken).ConfigureAwait(false);
        await using var close = session.ConfigureAwait(false);
        var began = options.Time.GetTimestamp();
        while (true)
        {
            try
            {
                return await session.DropSlotAsync(RequiredSlot(), cancellationToken).ConfigureAwait(false);
            }
            catch (ServerErrorException inUse)
                when (inUse.SqlState == ServerFailure.ObjectInUse && options.Time.GetElapsedTime(began) < ReleaseLimit)
            {
                await Task.Delay(ReleasePause, options.Time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Makes the slot without receiving: the server keeps its WAL from now on.</summary>
    /// <returns>False when it was there already.</returns>
    /// <exception cref="WalRusException">What is wrong with the connection or the slot.</exception>
    public async Task<bool> CreateSlotAsync(CancellationToken cancellationToken)
    {
        var session = await ReplicationSession.OpenAsync(connection, cancellationToken).ConfigureAwait(false);
        await using var close = session.ConfigureAwait(false);
        return await session.CreateSlotAsync(RequiredSlot(), cancellationToken).ConfigureAwait(false);
    }

    private async Task RunIntoAsync(
        ChannelWriter<ReceivedWal> files, WalReceiveRequest request, CancellationToken cancellationToken)
    {
        try
        {
            await RunAsync(request with { OnDurable = files.WriteAsync }, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            files.Complete();
        }
    }

    private string RequiredSlot() => options.SlotName ?? throw new WalRusException(
        ErrorCode.SettingMissing, "No replication slot is named.", "Name one with WALG_SLOTNAME.");

    private void SayWhereItStands(ReceiveProgress progress)
    {
        var now = progress.Take();
        log.ReceiveStands($"{now.ReceivedPosition}", $"{now.DurablePosition}", $"{now.ServerPosition}", now.WaitingSegments);
    }
}
