using System.Text;

namespace WalRus.Postgres;

/// <summary>
/// The tablespace_map file of a backup: a line each of link name and target. PostgreSQL makes the links again from it
/// when it starts on the backup. Source: PostgreSQL's xlogbackup.c and xlogrecovery.c: a backslash before a newline, a
/// carriage return or a backslash makes it part of the target.
/// </summary>
public static class TablespaceMap
{
    public const string FileName = "tablespace_map";

    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupUnreadable"/>.</exception>
    public static IReadOnlyList<KeyValuePair<string, string>> Parse(ReadOnlySpan<byte> file)
    {
        var map = new List<KeyValuePair<string, string>>();
        var line = new StringBuilder();
        var escaped = false;
        foreach (var character in Encoding.UTF8.GetString(file))
        {
            if (!escaped && character is '\n' or '\r')
            {
                AddLine(map, line);
            }
            else if (!escaped && character == '\\')
            {
                escaped = true;
            }
            else
            {
                line.Append(character);
                escaped = false;
            }
        }

        AddLine(map, line);
        return map;
    }

    public static byte[] ToFile(IEnumerable<KeyValuePair<string, string>> map)
    {
        var text = new StringBuilder();
        foreach (var (name, target) in map)
        {
            text.Append(name).Append(' ');
            foreach (var character in target)
            {
                if (character is '\n' or '\r' or '\\')
                {
                    text.Append('\\');
                }

                text.Append(character);
            }

            text.Append('\n');
        }

        return Encoding.UTF8.GetBytes(text.ToString());
    }

    private static void AddLine(List<KeyValuePair<string, string>> map, StringBuilder line)
    {
        if (line.Length == 0)
        {
            return;
        }

        var text = line.ToString();
        line.Clear();
        var space = text.IndexOf(' ', StringComparison.Ordinal);
        if (space < 1 || space == text.Length - 1)
        {
            throw new WalRusException(ErrorCode.BackupUnreadable, $"A line of '{FileName}' is not a link name and a target.");
        }

        map.Add(new(text[..space], text[(space + 1)..]));
    }
}
