using System.Runtime.CompilerServices;
using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>
/// Finds moments to recover to: backups' ends, restore points, commits, segments' ends. Streams the archived WAL; where
/// the request gives a time, position or transaction, bisection finds where to read. Changes nothing.
/// </summary>
public sealed class RecoveryPointSearch(Archive archive, IEventLog log)
{
    /// <summary>
    /// The points by timeline, then position, as they are found; with <see cref="RecoveryPointRequest.Nearest"/> when all
    /// are. WAL that cannot be read is logged and passed over.
    /// </summary>
    /// <exception cref="WalRusException">What the store or a key says; <see cref="ErrorCode.ObjectCorrupt"/> for a damaged history.</exception>
    public async IAsyncEnumerable<RecoveryPoint> RunAsync(
        RecoveryPointRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var timelines = await ArchiveTimelines.ReadAsync(archive, cancellationToken).ConfigureAwait(false);
        var nearest = request.Nearest is { } count ? new NearestPoints(request, count) : null;
        foreach (var timeline in timelines.All.Where(timeline => request.Timeline is null || timeline.Timeline == request.Timeline))
        {
            var points = new TimelinePoints(archive, timeline, new RecoveryPointWindow(request), log)
                .ReadAsync(timelines.Backups, cancellationToken).ConfigureAwait(false);
            await foreach (var point in points)
            {
                if (nearest is null)
                {
                    yield return point;
                }
                else
                {
                    nearest.Take(point);
                }
            }
        }

        foreach (var point in nearest?.Points ?? [])
        {
            yield return point;
        }
    }

    /// <summary>The few points with the least distance, however many come by.</summary>
    private sealed class NearestPoints(RecoveryPointRequest request, int count)
    {
        private readonly PriorityQueue<RecoveryPoint, double> kept = new();

        public IEnumerable<RecoveryPoint> Points =>
            kept.UnorderedItems.Select(item => item.Element).OrderBy(point => point.Timeline).ThenBy(point => point.Lsn);

        public void Take(RecoveryPoint point)
        {
            if (Distance(point) is { } distance)
            {
                // The farthest comes out first.
                kept.Enqueue(point, -distance);
                while (kept.Count > count)
                {
                    kept.Dequeue();
                }
            }
        }

        private double? Distance(RecoveryPoint point) => request switch
        {
            { Around: { } around } => point.Time is { } time ? Math.Abs((time - around).TotalMicroseconds) : null,
            { Lsn: { } lsn } => Math.Abs((double)(point.Lsn - lsn)),
            _ => 0,
        };
    }
}
