using WalRus.Archiving;

namespace WalRus.Reporting;

/// <summary>The newest backups as a table, and those that cannot be read.</summary>
internal static class BackupSection
{
    private const int MaxRows = 200;
    private const int OpenRows = 15;
    private const int MaxUnreadable = 20;

    private static readonly string[] Columns = ["Name", "Kind", "Finished", "Age", "Size", "Stored", "Took", "PostgreSQL", "Kept"];

    public static void Write(HtmlPage page, ReportData data)
    {
        page.WriteRaw("<section aria-labelledby=\"backups\"><h2 id=\"backups\">Backups</h2>");
        if (data.Backups.Count == 0)
        {
            page.WriteRaw("<p>There is no backup that can be read.</p>");
        }
        else
        {
            var newest = data.Backups.Reverse().Take(MaxRows).ToList();
            HtmlTable.Folded(page, "Backups, newest first", Columns, newest, (OpenRows, "older backup"), backup => Row(page, data, backup));
            HtmlTable.More(page, data.Backups.Count, MaxRows, "older backup");
        }

        WriteUnreadable(page, data);
        page.WriteRaw("</section>");
    }

    private static void Row(HtmlPage page, ReportData data, BackupDetail backup)
    {
        var finished = backup.FinishTime ?? backup.Modified;
        HtmlTable.Row(page, Columns,
            new Code(backup.Name.ToString()),
            backup.IsDelta ? "delta" : "full",
            page.Time(finished),
            new Figure(ReportText.Duration(data.Now - finished)),
            new Figure(ReportText.Bytes(backup.UncompressedSize)),
            new Figure(ReportText.Bytes(backup.CompressedSize)),
            new Figure(backup is { StartTime: { } start, FinishTime: { } end } ? ReportText.Duration(end - start) : "–"),
            ReportText.Version(backup.PgVersion),
            backup.IsPermanent ? "permanent" : "–");
    }

    private static void WriteUnreadable(HtmlPage page, ReportData data)
    {
        if (data.Unreadable.Count == 0)
        {
            return;
        }

        string[] columns = ["Name", "Why it cannot be read"];
        page.WriteRaw("<h3>Unreadable backups</h3>");
        HtmlTable.Open(page, "Backups whose documents cannot be read", columns);
        foreach (var entry in data.Unreadable.Take(MaxUnreadable))
        {
            HtmlTable.Row(page, columns, new Code(entry.Name.ToString()), entry.Error?.Message);
        }

        HtmlTable.Close(page);
        HtmlTable.More(page, data.Unreadable.Count, MaxUnreadable, "backup");
    }
}
