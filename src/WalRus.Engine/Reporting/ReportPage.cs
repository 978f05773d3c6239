using System.Globalization;
using WalRus.Drill;

namespace WalRus.Reporting;

/// <summary>The page as a whole: head, summary, sections in the order in which a reader asks.</summary>
internal static class ReportPage
{
    public static void Write(TextWriter output, ReportData data, IReadOnlyList<ReportFinding> findings)
    {
        var page = new HtmlPage(output, data.Request.TimeZone);
        WriteHead(page, data, findings);
        page.WriteRaw("<main>");
        WriteFigures(page, data);
        WriteFindings(page, findings);
        TimelineSection.Write(page, data);
        GrowthSection.Write(page, data);
        BackupSection.Write(page, data);
        DrillSection.Write(page, data);
        page.WriteRaw("</main>");
        page.Write($"""
            <footer><p>Made by WalRus from the archive alone; nothing was changed. Times are {ZoneName(page, data)}. The newest
            recoverable moment is the last commit in the archived WAL; the time to recover is an estimate that leaves out how
            long PostgreSQL replays. WAL between known moments is drawn in proportion to its volume.</p></footer></body></html>
            """);
    }

    private static void WriteHead(HtmlPage page, ReportData data, IReadOnlyList<ReportFinding> findings)
    {
        var grade = findings.Max(finding => finding.Grade);
        page.Write($"""
            <!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark"><meta name="generator" content="WalRus"><link rel="icon" href="data:,"><title>{data.Request.Title}</title>
            <style>{new Markup(ReportStyle.Text)}</style></head><body>
            <header><div><h1>{data.Request.Title}</h1><p class="muted">{data.Request.Location}</p></div>
            <div class="stamp"><span class="pill {Class(grade)}">{Word(grade)}</span><span class="muted">{page.Time(data.Now)}</span></div></header>
            """);
    }

    private static void WriteFigures(HtmlPage page, ReportData data)
    {
        page.WriteRaw("<section aria-label=\"Key figures\" class=\"cards\">");
        var current = data.Current?.Recovery;
        Card(page, "Data at risk now", current?.RecoveryPointAge is { } age ? ReportText.Duration(age) : "unknown",
            current?.NewestTime is { } newest ? $"safe up to {Text(page, newest)}" : "no moment can be recovered");
        Card(page, "Recovery reaches back", current?.OldestTime is { } oldest ? ReportText.Duration(data.Now - oldest) : "nowhere",
            current?.OldestTime is { } from ? $"to {Text(page, from)}, {(current.Gaps.Count == 0 ? "without a gap" : $"with {ReportText.Count(current.Gaps.Count, "gap")}")}" : "no backup can be recovered");
        Card(page, "Time to recover", current?.ExpectedDuration is { } expected ? ReportText.Duration(expected) : "unknown",
            current?.Rate is { } rate
                ? $"{ReportText.Bytes(current.BackupBytes)} and {ReportText.Count(current.WalSegmentCount, "WAL segment")}, {(rate.Basis.StartsWith("measured", StringComparison.Ordinal) ? "measured" : "estimated")}"
                : "replay not included");
        var backup = data.NewestBackup;
        Card(page, "Newest backup", backup is null ? "none" : $"{ReportText.Duration(data.Now - (backup.FinishTime ?? backup.Modified))} ago",
            backup is null ? "make one now" : $"{ReportText.Bytes(backup.UncompressedSize)}, stored in {ReportText.Bytes(backup.CompressedSize)}");
        var drill = data.Drills.Count > 0 ? data.Drills[^1] : null;
        Card(page, "Last restore drill", drill is null ? "never" : drill.Status == DrillOutcome.Passed ? "passed" : "failed",
            drill is null ? "Test-PgBackup proves a backup" : $"{ReportText.Duration(data.Now - drill.StartTime)} ago, took {ReportText.Duration(drill.Duration)}");
        Card(page, "Archive", ReportText.Bytes(data.Backups.Sum(one => (double)one.CompressedSize)),
            $"in {ReportText.Count(data.Backups.Count, "backup")}, WAL not counted");
        page.WriteRaw("</section>");
    }

    private static void Card(HtmlPage page, string label, string figure, string note) => page.Write(
        $"<div class=\"card\"><h2>{label}</h2><p class=\"figure\">{figure}</p><p class=\"muted\">{note}</p></div>");

    private static void WriteFindings(HtmlPage page, IReadOnlyList<ReportFinding> findings)
    {
        page.WriteRaw("<section aria-labelledby=\"findings\"><h2 id=\"findings\">Findings</h2><ul class=\"findings\">");
        foreach (var finding in findings)
        {
            page.Write($"<li class=\"{Class(finding.Grade)}\"><span class=\"pill {Class(finding.Grade)}\">{Word(finding.Grade)}</span> <span>{finding.Text}</span></li>");
        }

        page.WriteRaw("</ul></section>");
    }

    private static string Text(HtmlPage page, DateTimeOffset time) =>
        page.Local(time).ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);

    private static string ZoneName(HtmlPage page, ReportData data) =>
        page.Local(data.Now).Offset is var offset && offset == TimeSpan.Zero
            ? "UTC" : $"UTC{page.Local(data.Now).ToString("zzz", CultureInfo.InvariantCulture)}";

    private static string Class(ReportGrade grade) => grade switch
    {
        ReportGrade.Good => "good",
        ReportGrade.Attention => "warn",
        _ => "bad",
    };

    private static string Word(ReportGrade grade) => grade switch
    {
        ReportGrade.Good => "Good",
        ReportGrade.Attention => "Attention",
        _ => "Action needed",
    };
}
