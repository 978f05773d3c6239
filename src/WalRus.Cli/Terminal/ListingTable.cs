using System.Globalization;
using System.Text;
using WalRus.Storage;

namespace WalRus.Cli.Terminal;

/// <summary>
/// wal-g's table of a listing, to the byte: blanks after each column, and two columns without heading (version, more) that
/// are empty here. The widths must be known before the first row, so the rows are listed once more rather than held.
/// </summary>
/// <param name="output">Where to.</param>
/// <param name="nameOf">What a row calls its entry.</param>
internal sealed class ListingTable(TextWriter output, Func<ListEntry, string> nameOf)
{
    private static readonly string[] Titles = ["type", "size", "last modified", "name"];

    /// <param name="measured">The rows in any order.</param>
    /// <param name="rows">The rows in theirs.</param>
    public async Task WriteAsync(IAsyncEnumerable<ListEntry> measured, IAsyncEnumerable<ListEntry> rows)
    {
        var widths = new[] { Titles[0].Length, Titles[1].Length, Titles[2].Length, 0 };
        await foreach (var entry in measured.ConfigureAwait(false))
        {
            var cells = Cells(entry);
            for (var i = 0; i < widths.Length; i++)
            {
                widths[i] = Math.Max(widths[i], Runes(cells[i]));
            }
        }

        Write(Titles, [.. widths.Take(3)], "\n");
        await foreach (var entry in rows.ConfigureAwait(false))
        {
            Write(Cells(entry), widths, " \n");
        }
    }

    /// <summary>Go's text form of a time; a folder has none.</summary>
    internal static string TimeText(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.fffffff", CultureInfo.InvariantCulture).TrimEnd('0').TrimEnd('.') + " +0000 UTC";

    private static int Runes(string text) => text.EnumerateRunes().Count();

    private string[] Cells(ListEntry entry) =>
    [
        entry.IsFolder ? "dir" : "obj",
        entry.SizeBytes.ToString(CultureInfo.InvariantCulture),
        entry.IsFolder ? "0001-01-01 00:00:00 +0000 UTC" : TimeText(entry.LastModified),
        nameOf(entry),
    ];

    private void Write(IReadOnlyList<string> cells, IReadOnlyList<int> widths, string end)
    {
        var line = new StringBuilder();
        for (var i = 0; i < cells.Count; i++)
        {
            line.Append(cells[i]);
            if (i < widths.Count)
            {
                line.Append(' ', Math.Max(0, widths[i] - Runes(cells[i])) + 1);
            }
        }

        output.Write(line.Append(end).ToString());
    }
}
