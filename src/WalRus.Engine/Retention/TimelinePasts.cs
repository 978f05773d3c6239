using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Retention;

/// <summary>The histories of an archive's timelines, each read once. One that is missing or cannot be read is not known.</summary>
internal sealed class TimelinePasts(WalCatalog wal, IEventLog log)
{
    private readonly Dictionary<TimelineId, TimelineHistory?> read = [];

    /// <returns>Null where the past is not known: then nothing may be concluded from it.</returns>
    public async ValueTask<TimelineHistory?> FindAsync(TimelineId timeline, CancellationToken cancellationToken)
    {
        if (!read.TryGetValue(timeline, out var past))
        {
            past = await ReadAsync(timeline, cancellationToken).ConfigureAwait(false);
            read.Add(timeline, past);
        }

        return past;
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
