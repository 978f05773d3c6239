using System.Globalization;
using WalRus.Archiving;

namespace WalRus.Reporting;

/// <summary>The sizes of the newest backups side by side, and how fast they grow.</summary>
internal static class GrowthSection
{
    private const int MaxBars = 60;
    private const int SlotsAtLeast = 12;
    private const int Height = 160;

    public static void Write(HtmlPage page, ReportData data)
    {
        var shown = data.Backups.TakeLast(MaxBars).ToList();
        if (shown.Count == 0)
        {
            return;
        }

        var highest = Math.Max(1, shown.Max(backup => Math.Max(backup.UncompressedSize, backup.CompressedSize)));
        page.Write($"""
            <section aria-labelledby="growth"><h2 id="growth">Sizes and growth</h2><p>{Describe(data)}</p>
            <p class="legend"><span><i class="key restored"></i>restored size</span><span><i class="key stored"></i>stored size</span></p>
            <div class="chart"><div class="scale" aria-hidden="true"><span>{ReportText.Bytes(highest)}</span><span>{ReportText.Bytes(highest / 2.0)}</span><span>0</span></div>
            <svg class="bars" viewBox="0 0 1000 160" preserveAspectRatio="none" role="img" aria-label="Sizes of the last {ReportText.Count(shown.Count, "backup")}; the table below has the figures">
            <path class="grid" d="M0 .5h1000M0 80h1000M0 159.5h1000"/>
            """);

        // Few backups make slim bars too: a page-wide block says nothing.
        var step = 1000.0 / Math.Max(shown.Count, SlotsAtLeast);
        for (var index = 0; index < shown.Count; index++)
        {
            Bar(page, "restored", (step * index) + (step * 0.12), step * 0.76, shown[index].UncompressedSize, highest);
            Bar(page, "stored", (step * index) + (step * 0.26), step * 0.48, shown[index].CompressedSize, highest);
        }

        var (first, last) = (Day(page, shown[0]), Day(page, shown[^1]));
        var isFull = shown.Count >= SlotsAtLeast;
        page.Write($"""
            </svg></div><div class="axis inset" aria-hidden="true"><span>{(isFull || first == last ? first : $"{first} to {last}")}</span><span>{(isFull ? last : "")}</span></div></section>
            """);
    }

    private static void Bar(HtmlPage page, string kind, double x, double width, long bytes, long highest)
    {
        var height = bytes <= 0 ? 0 : Math.Max(1, (double)bytes / highest * Height);
        page.Write($"<rect class=\"{kind}\" x=\"{x}\" y=\"{Height - height}\" width=\"{width}\" height=\"{height}\"/>");
    }

    private static string Day(HtmlPage page, BackupDetail backup) =>
        page.Local(backup.FinishTime ?? backup.Modified).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static string Describe(ReportData data)
    {
        var full = data.Backups.Where(backup => !backup.IsDelta && backup.UncompressedSize > 0).ToList();
        if (full.Count < 2)
        {
            return "Growth shows once there are two full backups.";
        }

        var (first, last) = (full[0], full[^1]);
        var days = (last.Modified - first.Modified).TotalDays;
        var change = last.UncompressedSize - first.UncompressedSize;
        var percent = (double)change / first.UncompressedSize * 100;
        var ratio = last.CompressedSize > 0 ? (double)last.UncompressedSize / last.CompressedSize : 0;
        var text = string.Create(
            CultureInfo.InvariantCulture,
            $"Full backups went from {ReportText.Bytes(first.UncompressedSize)} to {ReportText.Bytes(last.UncompressedSize)} ({percent:+0.#;-0.#;0} %) in {ReportText.Duration(last.Modified - first.Modified)}");
        return text + (days >= 7 ? $", {ReportText.Bytes(change / days * 7)} a week" : "")
            + (ratio > 0 ? string.Create(
                CultureInfo.InvariantCulture,
                $"; the newest is stored in 1/{ratio:0.0} of its size.") : ".");
    }
}
