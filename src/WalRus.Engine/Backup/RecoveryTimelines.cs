using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>
/// The timeline that recovery from a backup would follow, as PostgreSQL finds it: "latest" counts up from the backup's own
/// as long as the next history file is there, "current" stays, a number is that one. Each history is read once.
/// </summary>
internal sealed class RecoveryTimelines(WalCatalog wal, string? setting)
{
    private readonly Dictionary<TimelineId, TimelineHistory?> read = [];

    /// <exception cref="WalRusException"><see cref="ErrorCode.RecoveryWalMissing"/>: the history is not archived.</exception>
    public async ValueTask<TimelineHistory> FromAsync(TimelineId backup, CancellationToken cancellationToken)
    {
        var wanted = RecoveryTargets.TimelineOf(setting)
            ?? (setting == RecoveryTargets.Current ? backup : await LatestAsync(backup, cancellationToken).ConfigureAwait(false));
        return await ReadAsync(wanted, cancellationToken).ConfigureAwait(false)
            ?? throw new WalRusException(
                ErrorCode.RecoveryWalMissing,
                $"The archive does not hold '{wanted.HistoryFileName}', without which PostgreSQL does not know how to get to timeline {wanted}.",
                "Archive the file from the pg_wal folder of a server that is on that timeline, or choose another timeline.");
    }

    private async ValueTask<TimelineId> LatestAsync(TimelineId from, CancellationToken cancellationToken)
    {
        var latest = from;
        while (true)
        {
            var next = new TimelineId(checked(latest.Value + 1));
            if (await ReadAsync(next, cancellationToken).ConfigureAwait(false) is null)
            {
                return latest;
            }

            latest = next;
        }
    }

    private async ValueTask<TimelineHistory?> ReadAsync(TimelineId timeline, CancellationToken cancellationToken)
    {
        if (!read.TryGetValue(timeline, out var history))
        {
            history = await wal.ReadHistoryAsync(timeline, cancellationToken).ConfigureAwait(false);
            read[timeline] = history;
        }

        return history;
    }
}
