using WalRus.Postgres;

namespace WalRus.Verification;

/// <summary>What came to light of one segment's bytes so far, which come in whole pages.</summary>
/// <param name="name">The segment's name.</param>
/// <param name="size">The cluster's segment size.</param>
/// <param name="history">The past of the timeline in the name; null where that is not known.</param>
internal sealed class SegmentReading(WalFileName name, WalSegmentSize size, TimelineHistory? history)
{
    private readonly SegmentPages pages = new(history);
    private readonly Lsn start = name.StartLsn(size);

    /// <summary>Where the timeline begins, if it does in this segment: a record starts there, unless the history is wrong.</summary>
    private readonly Lsn begin = history is { Switches.Count: > 0 } && size.SegmentNumber(history.Switches[^1].SwitchPoint) == name.SegmentNumber(size)
        ? history.Switches[^1].SwitchPoint : default;

    private bool hasBegun;
    private bool isSwitched;

    public WalRecordReader Records { get; } = new(name.StartLsn(size));

    public long Length { get; private set; }

    public ulong? SystemIdentifier { get; private set; }

    public string? FirstPageProblem { get; private set; }

    public string? Problem { get; private set; }

    /// <summary>What the history says of the segment and the segment does not.</summary>
    public string? HistoryProblem => begin.IsValid && !hasBegun
        ? $"timeline {name.Timeline} begins at {begin} by its history, where no record of its WAL does" : null;

    /// <summary>True while the record that began in the segment is not at its end.</summary>
    public bool GoesOn => Problem is null && Records.IsInsideRecord;

    public void Take(ReadOnlySpan<byte> bytes)
    {
        if (Length + bytes.Length <= size.Bytes && Problem is null)
        {
            CheckPages(bytes);
            CheckRecords(bytes);
        }

        Length += bytes.Length;
    }

    public void TakeNext(ReadOnlySpan<byte> bytes) => CheckRecords(bytes);

    private void CheckPages(ReadOnlySpan<byte> bytes)
    {
        for (var at = 0; at + SegmentPages.PageBytes <= bytes.Length && Problem is null; at += SegmentPages.PageBytes)
        {
            var page = bytes.Slice(at, SegmentPages.PageBytes);
            var address = start + (ulong)(Length + at);
            if (address == start)
            {
                CheckFirst(page);
            }

            // Behind a switch there is nothing, not even headers.
            isSwitched = isSwitched || (address != start && !page.ContainsAnyExcept((byte)0));
            Problem ??= isSwitched ? null : pages.ProblemOf(page, address);
        }
    }

    /// <summary>At the start of a page the record stands behind the page's header.</summary>
    private bool IsBegin(Lsn record) => record == begin
        || (begin.Value % SegmentPages.PageBytes == 0 && record > begin && record - begin <= WalPageHeader.LongLength);

    private void CheckFirst(ReadOnlySpan<byte> page)
    {
        if (!WalPageHeader.TryParse(page, out var header) || !header.IsLong || header.PageAddress != start
            || header.Timeline > name.Timeline || header.SegmentSizeBytes != size.Bytes)
        {
            Problem = FirstPageProblem = "its first page is not that of the segment in its name";
            return;
        }

        SystemIdentifier = header.SystemIdentifier;
    }

    private void CheckRecords(ReadOnlySpan<byte> bytes)
    {
        WalReadState state;
        while (Problem is null && (state = Records.Read(ref bytes)) != WalReadState.NeedsBytes)
        {
            Problem = state == WalReadState.End ? Records.EndReason : null;
            hasBegun |= state == WalReadState.Record && IsBegin(Records.Record.Start);
        }

        Problem ??= Records.HasDataBetweenRecords ? "there is data where PostgreSQL leaves none, between or behind its records" : null;
    }
}
