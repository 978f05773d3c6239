using System.Globalization;
using WalRus.Archiving;

namespace WalRus.Reporting;

/// <summary>
/// Timelines on one axis of time: archived WAL as a bar, gaps in it, backups as dots. The drawings stretch to the page's
/// width and hold no text; all of it is in the headings and in the table below.
/// </summary>
internal static class TimelineSection
{
    private const int Width = 1000;

    /// <summary>More gaps or runs than these are not drawn one by one: a screen has no more points.</summary>
    private const int MaxMarks = 300;
    private const int MaxGapRows = 50;

    public static void Write(HtmlPage page, ReportData data)
    {
        page.WriteRaw("<section aria-labelledby=\"timelines\"><h2 id=\"timelines\">Timelines and WAL coverage</h2>");
        if (data.Timelines.Count == 0)
        {
            page.WriteRaw("<p>The archive holds no WAL and no backup.</p></section>");
            return;
        }

        var moments = data.Timelines.SelectMany(timeline => timeline.Coverage.Select(range => range.From)
            .Concat(timeline.Backups.Select(backup => backup.StartTime ?? backup.Modified))).DefaultIfEmpty(data.Now.AddHours(-1));
        var axis = new TimeRange(moments.Min(), data.Now);
        page.WriteRaw("""
            <p class="legend"><span><i class="key wal"></i>archived WAL</span><span><i class="key gap"></i>missing WAL</span>
            <span><i class="key full"></i>full backup</span><span><i class="key delta"></i>delta backup</span></p>
            """);
        foreach (var timeline in data.Timelines)
        {
            Draw(page, timeline, axis);
        }

        WriteAxis(page, axis);
        WriteTable(page, data);
        WriteGaps(page, data);
        page.WriteRaw("</section>");
    }

    private static void Draw(HtmlPage page, ReportTimeline timeline, TimeRange axis)
    {
        var recovery = timeline.Recovery;
        var about = $"Timeline {recovery.Timeline.Value}{(recovery.IsNewest && timeline.Recovery.Timeline.Value > 1 ? ", the current one" : "")}";
        page.Write($"""
            <h3>{about}</h3><svg class="line" viewBox="0 0 1000 44" preserveAspectRatio="none" role="img" aria-label="{about}: {Summary(timeline)}">
            <line class="track" x1="0" y1="28" x2="1000" y2="28"/>
            """);
        foreach (var range in Coalesce(timeline.Coverage, axis))
        {
            page.Write($"<rect class=\"wal\" x=\"{range.From}\" y=\"20\" width=\"{Math.Max(1.5, range.To - range.From)}\" height=\"16\" rx=\"2\"/>");
        }

        foreach (var gap in timeline.Gaps.Take(MaxMarks))
        {
            var (from, to) = (At(gap.From, axis), At(gap.To, axis));
            page.Write($"<rect class=\"gap\" x=\"{from}\" y=\"16\" width=\"{Math.Max(4, to - from)}\" height=\"24\"/>");
        }

        foreach (var backup in timeline.Backups.TakeLast(MaxMarks))
        {
            var x = At(backup.FinishTime ?? backup.Modified, axis);
            page.Write($"<path class=\"{(backup.IsDelta ? "delta" : "full")}\" d=\"M{x} 8v20\"/><path class=\"{(backup.IsDelta ? "delta" : "full")} dot\" d=\"M{x} 8h0\"/>");
        }

        page.WriteRaw("</svg>");
    }

    private static string Summary(ReportTimeline timeline) => string.Join(", ",
        ReportText.Count((long)timeline.SegmentCount, "WAL segment"),
        ReportText.Count(timeline.Backups.Count, "backup"),
        timeline.Gaps.Count == 0 ? "no gap" : ReportText.Count(timeline.Gaps.Count, "gap"));

    /// <summary>Runs that touch at the drawing's precision become one; gaps are drawn over them on their own.</summary>
    private static IEnumerable<(double From, double To)> Coalesce(IEnumerable<TimeRange> coverage, TimeRange axis)
    {
        (double From, double To)? open = null;
        foreach (var range in coverage)
        {
            var next = (From: At(range.From, axis), To: At(range.To, axis));
            if (open is { } last && next.From - last.To < 2)
            {
                open = (last.From, Math.Max(last.To, next.To));
                continue;
            }

            if (open is { } done)
            {
                yield return done;
            }

            open = next;
        }

        if (open is { } end)
        {
            yield return end;
        }
    }

    private static double At(DateTimeOffset time, TimeRange axis)
    {
        var whole = (axis.To - axis.From).TotalSeconds;
        var x = whole <= 0 ? Width : (time - axis.From).TotalSeconds / whole * Width;
        return Math.Round(Math.Clamp(x, 4, Width - 4), 2);
    }

    private static void WriteAxis(HtmlPage page, TimeRange axis)
    {
        const int Marks = 5;
        var days = (axis.To - axis.From).TotalDays;
        var format = days > 300 ? "yyyy-MM" : days > 3 ? "MM-dd" : days > 0.2 ? "MM-dd HH:mm" : "HH:mm:ss";
        page.WriteRaw("<div class=\"axis\" aria-hidden=\"true\">");
        for (var mark = 0; mark < Marks; mark++)
        {
            var time = axis.From + ((axis.To - axis.From) * (mark / (Marks - 1.0)));
            page.Write($"<span>{(mark == Marks - 1 ? "now" : page.Local(time).ToString(format, CultureInfo.InvariantCulture))}</span>");
        }

        page.WriteRaw("</div>");
    }

    private static void WriteTable(HtmlPage page, ReportData data)
    {
        string[] columns = ["Timeline", "Recoverable from", "Recoverable to", "WAL segments", "Backups", "Gaps", "Time to recover"];
        HtmlTable.Open(page, "What each timeline can be recovered to", columns);
        foreach (var timeline in data.Timelines.Reverse())
        {
            var recovery = timeline.Recovery;
            HtmlTable.Row(page, columns,
                $"{recovery.Timeline.Value}{(recovery.IsNewest ? " (current)" : "")}",
                recovery.OldestTime is null ? "nowhere" : page.Time(recovery.OldestTime),
                recovery.NewestTime is null ? "nowhere" : page.Time(recovery.NewestTime),
                new Figure(timeline.SegmentCount.ToString("N0", CultureInfo.InvariantCulture)),
                new Figure(timeline.Backups.Count.ToString("N0", CultureInfo.InvariantCulture)),
                new Figure(recovery.Gaps.Count.ToString("N0", CultureInfo.InvariantCulture)),
                new Figure(recovery.ExpectedDuration is { } expected ? ReportText.Duration(expected) : "–"));
        }

        HtmlTable.Close(page);
    }

    private static void WriteGaps(HtmlPage page, ReportData data)
    {
        var gaps = data.Timelines.SelectMany(timeline => timeline.Recovery.Gaps).Distinct().ToList();
        if (gaps.Count == 0)
        {
            page.WriteRaw("<p class=\"after\">No WAL is missing between the first backup and the end of the archive.</p>");
            return;
        }

        string[] columns = ["First missing segment", "Last missing segment", "Segments"];
        page.WriteRaw("<h3>Missing WAL</h3>");
        HtmlTable.Open(page, "WAL segments that the archive lacks", columns);
        foreach (var gap in gaps.Take(MaxGapRows))
        {
            HtmlTable.Row(page, columns, new Code(gap.First.ToString()), new Code(gap.Last.ToString()), new Figure(gap.Count.ToString("N0", CultureInfo.InvariantCulture)));
        }

        HtmlTable.Close(page);
        HtmlTable.More(page, gaps.Count, MaxGapRows, "gap");
    }
}
