using WalRus.Drill;

namespace WalRus.Reporting;

/// <summary>How restore drills of this archive went: a strip of results and the newest as a table.</summary>
internal static class DrillSection
{
    private const int MaxRows = 50;
    private const int OpenRows = 10;
    private const int MaxDots = 60;

    private static readonly string[] Columns = ["Result", "Started", "Backup", "Recovered to", "Restore", "Recover", "Whole drill", "PostgreSQL"];

    public static void Write(HtmlPage page, ReportData data)
    {
        page.WriteRaw("<section aria-labelledby=\"drills\"><h2 id=\"drills\">Restore drills</h2>");
        if (data.Drills.Count == 0)
        {
            page.WriteRaw("<p>None is remembered on this machine. Test-PgBackup restores a backup on a throwaway server and proves it.</p></section>");
            return;
        }

        var passed = data.Drills.Count(drill => drill.Status == DrillOutcome.Passed);
        page.Write($"<p>{passed} of {ReportText.Count(data.Drills.Count, "drill")} passed.</p>");
        Strip(page, data.Drills.TakeLast(MaxDots).ToList());
        var newest = data.Drills.Reverse().Take(MaxRows).ToList();
        HtmlTable.Folded(page, "Drills, newest first", Columns, newest, (OpenRows, "older drill"), drill => Row(page, drill));
        HtmlTable.More(page, data.Drills.Count, MaxRows, "older drill");
        page.WriteRaw("</section>");
    }

    private static void Strip(HtmlPage page, IReadOnlyList<DrillHistoryEntry> drills)
    {
        page.Write($"<p class=\"strip\" role=\"img\" aria-label=\"The last {ReportText.Count(drills.Count, "drill")}, oldest first; the table below has each\">");
        foreach (var drill in drills)
        {
            var isPassed = drill.Status == DrillOutcome.Passed;
            page.Write($"<i class=\"{(isPassed ? "good" : "bad")}\" title=\"{page.Local(drill.StartTime).ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture)}: {(isPassed ? "passed" : "failed")}\"></i>");
        }

        page.WriteRaw("</p>");
    }

    private static void Row(HtmlPage page, DrillHistoryEntry drill)
    {
        var isPassed = drill.Status == DrillOutcome.Passed;
        var result = isPassed
            ? "<span class=\"pill good\">Passed</span>"
            : $"<span class=\"pill bad\">Failed</span><small>{HtmlPage.Escape($"{drill.FailedPhase}: {Short(drill.Message)}")}</small>";
        HtmlTable.Row(page, Columns,
            new Markup(result),
            page.Time(drill.StartTime),
            new Code(drill.BackupName),
            drill.Target,
            new Figure(ReportText.Duration(drill.RestoreDuration)),
            new Figure(ReportText.Duration(drill.RecoverDuration)),
            new Figure(ReportText.Duration(drill.Duration)),
            drill.ServerVersion ?? "–");
    }

    private static string Short(string? text) => text is { Length: > 240 } ? text[..240] + "…" : text ?? "";
}
