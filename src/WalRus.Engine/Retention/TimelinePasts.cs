using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Retention;

/// <summary>
/// The histories of an archive's timelines, each read once. What one that is missing or cannot be read would say, that of a
/// later timeline says too, if there is one.
/// </summary>
internal sealed class TimelinePasts(WalCatalog wal, IEventLog log)
{
    private readonly Dictionary<TimelineId, TimelineHistory?> read = [];
    private readonly Dictionary<TimelineId, TimelineHistory?> known = [];
    private List<TimelineId>? later;

    /// <returns>Null where the past is not known: then nothing may be concluded from it.</returns>
    public async ValueTask<TimelineHistory?> FindAsync(TimelineId timeline, CancellationToken cancellationToken)
    {
        if (!known.TryGetValue(timeline, out var past))
        {
            past = await ReadOnceAsync(timeline, cancellationToken).ConfigureAwait(false)
                ?? await FromLaterAsync(timeline, cancellationToken).ConfigureAwait(false);
            known.Add(timeline, past);
        }

        return past;
    }

    private async ValueTask<TimelineHistory?> ReadOnceAsync(TimelineId timeline, CancellationToken cancellationToken)
    {
        if (!read.TryGetValue(timeline, out var past))
        {
            past = await ReadAsync(timeline, cancellationToken).ConfigureAwait(false);
            read.Add(timeline, past);
        }

        return past;
    }

    private async ValueTask<TimelineHistory?> FromLaterAsync(TimelineId timeline, CancellationToken cancellationToken)
    {
        later ??= await ListAsync(cancellationToken).ConfigureAwait(false);
        foreach (var candidate in later.Where(candidate => candidate > timeline))
        {
            var past = await ReadOnceAsync(candidate, cancellationToken).ConfigureAwait(false);
            if (past is not null && past.Contains(timeline))
            {
                return new TimelineHistory(timeline, [.. past.Switches.TakeWhile(one => one.Timeline != timeline)]);
            }
        }

        return null;
    }

    private async Task<List<TimelineId>> ListAsync(CancellationToken cancellationToken)
    {
        var found = new SortedSet<TimelineId>();
        await foreach (var item in wal.ListAsync(null, cancellationToken).ConfigureAwait(false))
        {
            if (item is { Kind: WalObjectKind.TimelineHistory, Timeline: { } timeline })
            {
                found.Add(timeline);
            }
        }

        return [.. found];
    }

    private async ValueTask<TimelineHistory?> ReadAsync(TimelineId timeline, CancellationToken cancellationToken)
    {
        try
        {
            return await wal.ReadHistoryAsync(timeline, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException unreadable) when (unreadable.Code is ErrorCode.ObjectCorrupt or ErrorCode.DecryptionFailed
            or ErrorCode.CodecUnknown or ErrorCode.EncryptionKeyMissing or ErrorCode.EncryptionKeyInvalid)
        {
            log.TimelinePastUnknown(timeline.HistoryFileName, unreadable.Message);
            return null;
        }
    }
}
