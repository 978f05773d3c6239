namespace WalRus.Reporting;

/// <summary>A cell with a number; "–" for none.</summary>
internal readonly record struct Figure(string Text);

/// <summary>A cell with a name for machines.</summary>
internal readonly record struct Code(string Text);

/// <summary>
/// Tables that become a list of cards on a narrow screen. Each cell carries its column's name for that, and the roles are
/// spelled out because browsers forget them when a table is laid out otherwise.
/// </summary>
internal static class HtmlTable
{
    public static void Open(HtmlPage page, string caption, IReadOnlyList<string> columns)
    {
        page.Write($"<table role=\"table\"><caption>{caption}</caption><thead role=\"rowgroup\"><tr role=\"row\">");
        foreach (var column in columns)
        {
            page.Write($"<th role=\"columnheader\" scope=\"col\">{column}</th>");
        }

        page.WriteRaw("</tr></thead><tbody role=\"rowgroup\">");
    }

    public static void Row(HtmlPage page, IReadOnlyList<string> columns, params object?[] cells)
    {
        page.WriteRaw("<tr role=\"row\">");
        for (var index = 0; index < cells.Length; index++)
        {
            switch (cells[index])
            {
                case "–" or Figure("–"):
                    // A card need not say what there is not.
                    page.Write($"<td role=\"cell\" class=\"none\" data-label=\"{columns[index]}\">–</td>");
                    break;
                case Figure figure:
                    page.Write($"<td role=\"cell\" class=\"number\" data-label=\"{columns[index]}\">{figure.Text}</td>");
                    break;
                case Code code:
                    page.Write($"<td role=\"cell\" data-label=\"{columns[index]}\"><code>{code.Text}</code></td>");
                    break;
                default:
                    page.Write($"<td role=\"cell\" data-label=\"{columns[index]}\">{cells[index]}</td>");
                    break;
            }
        }

        page.WriteRaw("</tr>");
    }

    public static void Close(HtmlPage page) => page.WriteRaw("</tbody></table>");

    /// <summary>Tables of rows of which the first few are shown and the others unfold.</summary>
    public static void Folded<T>(
        HtmlPage page, string caption, IReadOnlyList<string> columns, IReadOnlyList<T> rows, (int Open, string Noun) fold, Action<T> row)
    {
        void Table(IEnumerable<T> part)
        {
            Open(page, caption, columns);
            foreach (var one in part)
            {
                row(one);
            }

            Close(page);
        }

        Table(rows.Take(fold.Open));
        if (rows.Count > fold.Open)
        {
            page.Write($"<details><summary>{ReportText.Count(rows.Count - fold.Open, fold.Noun)}</summary>");
            Table(rows.Skip(fold.Open));
            page.WriteRaw("</details>");
        }
    }

    /// <summary>Says how many rows were left out.</summary>
    public static void More(HtmlPage page, int all, int shown, string noun)
    {
        if (all > shown)
        {
            page.Write($"<p class=\"muted\">And {ReportText.Count(all - shown, noun)} more.</p>");
        }
    }
}
