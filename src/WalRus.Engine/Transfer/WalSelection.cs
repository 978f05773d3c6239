using System.Runtime.CompilerServices;
using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Transfer;

/// <summary>Which WAL objects go with backups. Every answer is a stream.</summary>
internal static class WalSelection
{
    /// <summary>Segments that one delta sidecar or one group's metadata is for.</summary>
    private const ulong GroupSegments = 16;

    /// <summary>A window's objects: segments, whatever bears a segment's name, and the sidecars of their groups.</summary>
    public static async IAsyncEnumerable<WalObject> InWindowAsync(
        WalCatalog wal, WalWindow window, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (first, last) = (window.First.SegmentNumber(window.Size), window.Last.SegmentNumber(window.Size));
        var group = WalFileName.FromSegment(window.First.Timeline, first - (first % GroupSegments), window.Size);
        var prefix = group.ToString()[..group.ToString().AsSpan().CommonPrefixLength(window.Last.ToString())];
        await foreach (var item in wal.ListAsync(prefix, cancellationToken).ConfigureAwait(false))
        {
            if (item.Segment is { } segment && segment.IsValidFor(window.Size) && segment.Timeline == window.First.Timeline)
            {
                var number = segment.SegmentNumber(window.Size);
                var end = item.Kind is WalObjectKind.DeltaSidecar or WalObjectKind.Metadata ? number + GroupSegments - 1 : number;
                if (number <= last && end >= first)
                {
                    yield return item;
                }
            }
        }
    }

    /// <summary>Where the history of several backups begins: the lowest timeline and position of any; null without backups.</summary>
    public static WalWindow? HistoryStart(IEnumerable<PlannedCopy> backups)
    {
        var windows = backups.Where(backup => backup.Wal is not null).Select(backup => backup.Wal!).ToList();
        if (windows.Count == 0)
        {
            return null;
        }

        var timeline = windows.Min(window => window.First.Timeline);
        var lowest = windows.MinBy(window => window.First.SegmentNumber(window.Size))!;
        WalFileName On(WalFileName name) => WalFileName.FromSegment(timeline, name.SegmentNumber(lowest.Size), lowest.Size);
        return new WalWindow(On(lowest.First), On(lowest.Last), On(lowest.FirstNeeded), On(lowest.LastNeeded), lowest.Size);
    }

    /// <summary>A later object of this timeline or of one that can follow it.</summary>
    public static bool IsSince(in WalObject item, WalWindow from) =>
        item.Segment is { } segment && segment.Timeline >= from.First.Timeline && segment.IsValidFor(from.Size)
        && segment.SegmentNumber(from.Size) + (item.Kind is WalObjectKind.DeltaSidecar or WalObjectKind.Metadata ? GroupSegments - 1 : 0)
            >= from.First.SegmentNumber(from.Size);
}
