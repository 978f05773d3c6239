namespace WalRus.Postgres;

/// <summary>The way that replay takes through the segments of one or more timelines to the end of one of them.</summary>
/// <param name="History">The past of the timeline it ends on.</param>
/// <param name="Size">The cluster's segment size.</param>
public sealed record WalPath(TimelineHistory History, WalSegmentSize Size)
{
    /// <summary>Where the timeline it ends on begins to be another than the one before; 0/0 for a timeline without a past.</summary>
    public Lsn Begin => History.Switches.Count == 0 ? default : History.Switches[^1].SwitchPoint;

    /// <summary>
    /// The segment of a number: replay takes each from the newest timeline that has a byte in it, the one that owns its
    /// last byte.
    /// </summary>
    public WalFileName SegmentAt(ulong number) => WalFileName.FromSegment(
        History.TimelineAt(new Lsn(Size.StartOf(number).Value + (ulong)Size.Bytes - 1)), number, Size);

    /// <summary>The numbers from one to another, both included, cut where replay changes to another timeline's segments.</summary>
    public IEnumerable<(WalFileName From, WalFileName To)> Pieces(ulong first, ulong last)
    {
        var from = first;
        foreach (var past in History.Switches)
        {
            // The segment with the switch point in it belongs to the later timeline already.
            var next = Size.SegmentNumber(past.SwitchPoint);
            if (next > from && from <= last)
            {
                var to = Math.Min(next - 1, last);
                yield return (SegmentAt(from), SegmentAt(to));
                from = to + 1;
            }
        }

        if (from <= last)
        {
            yield return (SegmentAt(from), SegmentAt(last));
        }
    }
}
