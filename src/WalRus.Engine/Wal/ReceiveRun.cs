using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Protocol;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Wal;

/// <summary>The sessions of one run, one after the other: each goes on where the one before ended.</summary>
internal sealed class ReceiveRun(
    Archive archive,
    PostgresConnectionSettings connection,
    WalReceiveOptions options,
    NativeBufferPool buffers,
    IEventLog log,
    ReceiveFolder folder,
    ReceiveUploads uploads,
    ReceiveProgress progress) : IDisposable
{
    private static readonly TimeSpan FirstWait = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan LeastSilence = TimeSpan.FromSeconds(60);

    private readonly HashSet<TimelineId> storedHistories = [];
    private ulong systemIdentifier;
    private WalSegmentSize size;
    private ReceiveWriter? writer;
    private bool hadSlot;

    /// <summary>Stores what an earlier run left whole: where to go on is looked up in the archive.</summary>
    public async Task StoreFinishedAsync(CancellationToken cancellationToken)
    {
        foreach (var name in folder.Finished().ToList())
        {
            var path = folder.PathOf(name);
            await uploads.EnqueueAsync(new ReceivedFile(name, () => path, null), cancellationToken).ConfigureAwait(false);
        }

        await uploads.DrainAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Receives until <paramref name="stop"/> fires; a session that breaks is followed by another.</summary>
    public async Task ReceiveAsync(WalReceiveRequest request, CancellationTokenSource stop, CancellationToken cancellationToken)
    {
        var wait = FirstWait;
        while (!stop.IsCancellationRequested)
        {
            var before = progress.Received;
            try
            {
                await StreamAsync(request, stop, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (WalRusException failure) when (!cancellationToken.IsCancellationRequested && MayPass(failure))
            {
                writer?.Close();
                wait = progress.Received > before ? FirstWait : wait;
                log.ReceiveWaiting(wait, failure.Message);
                await Task.Delay(wait, options.Time, stop.Token).ConfigureAwait(false);
                wait = wait * 2 < LongestWait ? wait * 2 : LongestWait;
                progress.Reconnected();
            }
        }
    }

    public void Dispose() => writer?.Dispose();

    /// <summary>A first session that does not come about is wrong settings; a slot that is taken may be a former run's.</summary>
    private bool MayPass(WalRusException failure) =>
        failure is { IsTransient: true, Code: ErrorCode.ReplicationSlotUnusable or ErrorCode.ReplicationWalMissing }
        || (writer is not null && (failure.IsTransient || failure.Code == ErrorCode.DiskFull));

    private async Task StreamAsync(WalReceiveRequest request, CancellationTokenSource stop, CancellationToken cancellationToken)
    {
        var session = await ReplicationSession.OpenAsync(connection, stop.Token).ConfigureAwait(false);
        await using var close = session.ConfigureAwait(false);
        var identity = await IdentifyAsync(session, stop.Token).ConfigureAwait(false);
        var history = await HistoryAsync(session, identity.Timeline, stop.Token).ConfigureAwait(false);
        var slot = await PrepareSlotAsync(session, stop.Token).ConfigureAwait(false);
        var point = await PointAsync(request, identity, history, slot, stop.Token).ConfigureAwait(false);
        log.ReceiveStarted($"{session.Connection}", $"{point}", options.SlotName ?? "none");
        while (request.EndPosition is not { } end || point.Position < end)
        {
            RequireReached(identity, point);
            await StoreHistoryAsync(session, point.Timeline, stop.Token).ConfigureAwait(false);
            var next = await StreamAsync(session, point, request.EndPosition, stop, cancellationToken).ConfigureAwait(false);
            if (next is null)
            {
                return;
            }

            log.ReceiveTimelineEnded($"{point.Timeline}", $"{next.Value.Timeline}", $"{next.Value.SwitchPoint}");
            point = new ReceivePoint(next.Value.Timeline, size.StartOf(size.SegmentNumber(next.Value.SwitchPoint)));
            writer!.Begin(point);
            identity = await session.IdentifyAsync(stop.Token).ConfigureAwait(false);
        }
    }

    private async Task<SystemIdentity> IdentifyAsync(ReplicationSession session, CancellationToken cancellationToken)
    {
        var identity = await session.IdentifyAsync(cancellationToken).ConfigureAwait(false);
        if (systemIdentifier == 0)
        {
            if (options.CheckSystemIdentifier)
            {
                await new ClusterCheck(archive)
                    .RequireAsync(identity.SystemIdentifier, $"{session.Connection}", cancellationToken).ConfigureAwait(false);
            }

            size = await session.ReadSegmentSizeAsync(cancellationToken).ConfigureAwait(false);
            systemIdentifier = identity.SystemIdentifier;
        }

        return identity.SystemIdentifier == systemIdentifier
            ? identity
            : throw new WalRusException(
                ErrorCode.WalSegmentForeign,
                $"{session.Connection} is another cluster now: its system identifier is {identity.SystemIdentifier} instead of {systemIdentifier}.",
                "Give each cluster a prefix of its own.");
    }

    private async Task<TimelineHistory> HistoryAsync(
        ReplicationSession session, TimelineId timeline, CancellationToken cancellationToken)
    {
        var file = timeline.Value == 1 ? null : await session.ReadHistoryAsync(timeline, cancellationToken).ConfigureAwait(false);
        return file is null ? TimelineHistory.WithoutPast(timeline) : TimelineHistory.Parse(timeline, file);
    }

    private async Task<SlotState?> PrepareSlotAsync(ReplicationSession session, CancellationToken cancellationToken)
    {
        if (options.SlotName is not { } name)
        {
            return null;
        }

        var slot = await session.FindSlotAsync(name, cancellationToken).ConfigureAwait(false);
        if (slot is null && await session.CreateSlotAsync(name, cancellationToken).ConfigureAwait(false))
        {
            log.ReceiveSlotCreated(name, hadSlot);
        }

        hadSlot = true;
        return slot;
    }

    /// <summary>Where this session begins.</summary>
    private async Task<ReceivePoint> PointAsync(
        WalReceiveRequest request, SystemIdentity identity, TimelineHistory history, SlotState? slot, CancellationToken cancellationToken)
    {
        var start = new ReceiveStart(archive, history, size);
        var now = new ReceivePoint(identity.Timeline, size.StartOf(size.SegmentNumber(identity.Position)));
        var found = writer?.Resume
            ?? await start.FindAsync(slot?.RestartPosition, cancellationToken).ConfigureAwait(false)
            ?? FromFolder(history)
            ?? now;
        var point = start.OnPath(found) ?? throw new WalRusException(
            ErrorCode.PostgresTimelineChanged,
            $"The server is on timeline {identity.Timeline}, which does not come from timeline {found.Timeline} that was received before.",
            "It may be an old primary: point PGHOST at the present one.");
        if (writer is null && request.SkipGap && now.Position > point.Position)
        {
            log.ReceiveGapSkipped($"{point}", $"{now}");
            point = now;
        }

        if (writer is null)
        {
            await LookAheadAsync(identity.Timeline, cancellationToken).ConfigureAwait(false);
            await StoreEndedAsync(history, point, cancellationToken).ConfigureAwait(false);
            folder.Remember(WalFileName.FromLsn(point.Timeline, point.Position, size));
            writer = new ReceiveWriter(folder, uploads, size, progress);
        }

        writer.Begin(point);
        return point;
    }

    /// <summary>A server that was left behind by a failover, or was restored, is told from the present one by nobody else.</summary>
    private async Task LookAheadAsync(TimelineId timeline, CancellationToken cancellationToken)
    {
        var later = new TimelineId(timeline.Value + 1);
        if (await archive.FindAsync(WalGLayout.Wal(later.HistoryFileName), cancellationToken).ConfigureAwait(false) is not null)
        {
            log.ReceiveLaterTimeline($"{timeline}", $"{later}");
        }
    }

    /// <summary>Without an archive and a slot an unfinished segment of an earlier run tells where that was.</summary>
    private ReceivePoint? FromFolder(TimelineHistory history)
    {
        var last = folder.Unfinished()
            .Where(name => name.IsValidFor(size) && history.Contains(name.Timeline))
            .Select(name => (WalFileName?)name).LastOrDefault();
        return last is { } segment ? new ReceivePoint(segment.Timeline, segment.StartLsn(size)) : null;
    }

    /// <summary>An unfinished segment of a timeline that the server has left in it is what that timeline ends with.</summary>
    private async Task StoreEndedAsync(TimelineHistory history, ReceivePoint point, CancellationToken cancellationToken)
    {
        // That of the point itself is received again, and stored when its timeline ends.
        var next = WalFileName.FromLsn(point.Timeline, point.Position, size);
        foreach (var segment in folder.Unfinished().Where(name => name.IsValidFor(size) && name != next).ToList())
        {
            if (folder.HasBegun(segment) && history.Contains(segment.Timeline) && history.EndOf(segment.Timeline) is { } end
                && size.SegmentNumber(end) == segment.SegmentNumber(size))
            {
                var path = folder.PartialPathOf(segment);
                await uploads.EnqueueAsync(
                    new ReceivedFile(Path.GetFileName(path), () => path, null), cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>A server that is behind what was received (a standby, or one that lost WAL) is waited for.</summary>
    private static void RequireReached(SystemIdentity identity, ReceivePoint point)
    {
        if (identity.Timeline == point.Timeline && identity.Position < point.Position)
        {
            throw new WalRusException(
                ErrorCode.ReplicationWalMissing,
                $"The server's WAL ends at {identity.Position}, before {point.Position}, up to where it has been received.")
            { IsTransient = true };
        }
    }

    private async Task StoreHistoryAsync(ReplicationSession session, TimelineId timeline, CancellationToken cancellationToken)
    {
        if (timeline.Value == 1 || !storedHistories.Add(timeline))
        {
            return;
        }

        var name = timeline.HistoryFileName;
        if (await session.ReadHistoryAsync(timeline, cancellationToken).ConfigureAwait(false) is not { } content)
        {
            log.ReceiveHistoryMissing(name);
            return;
        }

        await uploads.EnqueueAsync(
            new ReceivedFile(name, () => folder.Write(name, content), null), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>One stream; null when it was asked to stop.</summary>
    private async Task<NextTimeline?> StreamAsync(
        ReplicationSession session, ReceivePoint point, Lsn? end, CancellationTokenSource stop, CancellationToken cancellationToken)
    {
        try
        {
            var silence = options.StatusInterval * 6 is var six && six > LeastSilence ? six : LeastSilence;
            var (reply, copy) = await session
                .StartAsync(options.SlotName, point.Position, point.Timeline, silence, stop.Token).ConfigureAwait(false);
            await using var close = reply.ConfigureAwait(false);
            if (copy is not null)
            {
                using var stream = new ReceiveStream(session.Connection, copy, uploads, progress, options, buffers);
                if (await stream.RunAsync(writer!, end, stop, cancellationToken).ConfigureAwait(false) == StreamEnd.Stopped)
                {
                    return null;
                }

                await copy.CompleteAsync(cancellationToken).ConfigureAwait(false);
            }

            var next = await session.EndAsync(reply, cancellationToken).ConfigureAwait(false);
            if (next is null || next.Value.Timeline <= point.Timeline)
            {
                throw ServerFailure.Lost("Streaming WAL", "the server ended the stream without naming the next timeline");
            }

            await writer!.EndTimelineAsync(stop.Token).ConfigureAwait(false);
            return next;
        }
        catch (ServerErrorException failure)
        {
            throw Explain(failure, point);
        }
    }

    private WalRusException Explain(ServerErrorException failure, ReceivePoint point) => failure.SqlState switch
    {
        ServerFailure.UndefinedFile => new WalRusException(
            ErrorCode.ReplicationWalMissing,
            $"The server no longer has the WAL from {point} on: {failure.Error.Message}.",
            "What it lacks may still be in pg_wal of a standby or an old primary: push it with wal-push, and receiving goes on behind it. "
            + "Otherwise start with --skip-gap (-SkipGap) and make a base backup at once: earlier backups end at the gap.",
            failure),
        ServerFailure.ObjectInUse => new WalRusException(
            ErrorCode.ReplicationSlotUnusable,
            $"The replication slot '{options.SlotName}' is in use: {failure.Error.Message}.", null, failure) { IsTransient = true },
        ServerFailure.UndefinedObject => new WalRusException(
            ErrorCode.ReplicationSlotUnusable,
            $"The replication slot '{options.SlotName}' is gone: {failure.Error.Message}.", null, failure) { IsTransient = true },
        ServerFailure.ObjectNotInPrerequisiteState => new WalRusException(
            ErrorCode.ReplicationSlotUnusable,
            $"The replication slot '{options.SlotName}' cannot be used: {failure.Error.FullMessage}.",
            "When it was invalidated, drop it (walrus wal-receive --drop-slot) and start again: a new one is made, and receiving "
            + "goes on where the archive ends if the server still has that WAL.",
            failure),
        _ => failure,
    };
}
