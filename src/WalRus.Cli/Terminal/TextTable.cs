using System.Text;

namespace WalRus.Cli.Terminal;

/// <summary>wal-g's two kinds of tables, to the byte.</summary>
internal static class TextTable
{
    /// <summary>Columns as wide as their widest cell and one blank; the last is not padded.</summary>
    public static void WritePlain(TextWriter output, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        var widths = Widths(rows);
        foreach (var row in rows)
        {
            var line = new StringBuilder();
            for (var i = 0; i < row.Count - 1; i++)
            {
                line.Append(row[i]).Append(' ', widths[i] - Runes(row[i]) + 1);
            }

            output.Write($"{line}{row[^1]}\n");
        }
    }

    /// <summary>A box of +, - and |; the first row is the heading, in capitals.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="rows">Heading and body.</param>
    /// <param name="isNumeric">Whether a column is aligned to the right, its heading too.</param>
    public static void WriteBoxed(TextWriter output, IReadOnlyList<IReadOnlyList<string>> rows, Func<int, bool> isNumeric)
    {
        IReadOnlyList<string> heading = [.. rows[0].Select(cell => cell.ToUpperInvariant())];
        IReadOnlyList<IReadOnlyList<string>> body = [.. rows.Skip(1)];
        var widths = Widths([heading, .. body]);
        var ruler = $"+{string.Concat(widths.Select(width => new string('-', width + 2) + "+"))}\n";
        output.Write(ruler);
        WriteRow(heading);
        output.Write(ruler);
        foreach (var row in body)
        {
            WriteRow(row);
        }

        output.Write(ruler);

        void WriteRow(IReadOnlyList<string> row)
        {
            var line = new StringBuilder("|");
            for (var i = 0; i < row.Count; i++)
            {
                var blanks = widths[i] - Runes(row[i]);
                line.Append(' ').Append(' ', isNumeric(i) ? blanks : 0).Append(row[i]).Append(' ', isNumeric(i) ? 0 : blanks).Append(" |");
            }

            output.Write($"{line}\n");
        }
    }

    private static int[] Widths(IReadOnlyList<IReadOnlyList<string>> rows)
    {
        var widths = new int[rows[0].Count];
        foreach (var row in rows)
        {
            for (var i = 0; i < widths.Length; i++)
            {
                widths[i] = Math.Max(widths[i], Runes(row[i]));
            }
        }

        return widths;
    }

    private static int Runes(string text) => text.EnumerateRunes().Count();
}
