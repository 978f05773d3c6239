using System.Text;

namespace WalRus.Configuration;

/// <summary>
/// Lines of KEY=VALUE, as WAL-RUS and shells have them: "export " is allowed, # begins a comment line, single quotes are
/// literal, double quotes know \n, \r and \X for X. The last of two equal keys wins, as in a shell.
/// </summary>
internal static class DotenvConfiguration
{
    public static Dictionary<string, ConfigurationEntry> Parse(string path, ReadOnlySpan<byte> content)
    {
        string text;
        try
        {
            text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(content);
        }
        catch (DecoderFallbackException)
        {
            throw ConfigurationFile.Invalid(path, 0, "it is not UTF-8 text");
        }

        var entries = new Dictionary<string, ConfigurationEntry>(StringComparer.OrdinalIgnoreCase);
        var number = 0;
        foreach (var raw in text.Split('\n'))
        {
            number++;
            var line = raw.AsSpan().Trim();
            if (line.IsEmpty || line[0] == '#')
            {
                continue;
            }

            if (line.StartsWith("export ") || line.StartsWith("export\t"))
            {
                line = line[7..].TrimStart();
            }

            var equals = line.IndexOf('=');
            var key = equals < 0 ? [] : line[..equals].Trim();
            if (key.IsEmpty || key.ContainsAny(' ', '\t'))
            {
                throw ConfigurationFile.Invalid(path, number, "a line is KEY=VALUE");
            }

            var value = Value(path, number, line[(equals + 1)..].Trim());
            entries[key.ToString()] = new ConfigurationEntry(value, number, false);
        }

        return entries;
    }

    private static string Value(string path, int line, ReadOnlySpan<char> text)
    {
        if (text.IsEmpty)
        {
            return "";
        }

        if (text[0] is '\'')
        {
            var end = text[1..].IndexOf('\'');
            return end >= 0 && IsBlankOrComment(text[(end + 2)..])
                ? text.Slice(1, end).ToString()
                : throw ConfigurationFile.Invalid(path, line, "the single quote is not closed at the end of the value");
        }

        if (text[0] is '"')
        {
            return DoubleQuoted(path, line, text);
        }

        // wal-g's reader takes " #" as a comment, WAL-RUS' as part of the value: neither may be guessed.
        return text.Contains(" #", StringComparison.Ordinal)
            ? throw ConfigurationFile.Invalid(
                path, line, "' #' in a value without quotes may be a comment or not",
                "Quote the value, or put the comment on a line of its own.")
            : text.ToString();
    }

    private static string DoubleQuoted(string path, int line, ReadOnlySpan<char> text)
    {
        var value = new StringBuilder(text.Length);
        for (var i = 1; i < text.Length; i++)
        {
            switch (text[i])
            {
                case '"' when IsBlankOrComment(text[(i + 1)..]):
                    return value.ToString();
                case '"':
                    throw ConfigurationFile.Invalid(path, line, "text follows the closing quote");
                case '\\' when i + 1 < text.Length:
                    value.Append(text[++i] switch { 'n' => '\n', 'r' => '\r', var other => other });
                    break;
                default:
                    value.Append(text[i]);
                    break;
            }
        }

        throw ConfigurationFile.Invalid(path, line, "the double quote is not closed at the end of the value");
    }

    private static bool IsBlankOrComment(ReadOnlySpan<char> rest)
    {
        rest = rest.TrimStart();
        return rest.IsEmpty || rest[0] == '#';
    }
}
