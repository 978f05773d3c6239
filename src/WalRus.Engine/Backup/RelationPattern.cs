using System.Text.RegularExpressions;

namespace WalRus.Backup;

/// <summary>One part of wal-g's <c>--restore-only</c>: a database, or some of its tables; '*' is any text.</summary>
/// <param name="Text">As it was given.</param>
/// <param name="Database">Matches the database's name.</param>
/// <param name="Table">Matches "schema.table"; null for the whole database.</param>
internal sealed record RelationPattern(string Text, Regex Database, Regex? Table)
{
    private const string DefaultSchema = "public";

    /// <exception cref="WalRusException"><see cref="ErrorCode.InvalidArgument"/>.</exception>
    public static RelationPattern Parse(string text)
    {
        var parts = text.Split('/');
        var table = parts switch
        {
            [_] or [_, "" or "*"] => null,
            [_, var name] => name.Contains('.', StringComparison.Ordinal) ? name : $"{DefaultSchema}.{name}",
            [_, var schema, var name] => $"{schema}.{name}",
            _ => "",
        };
        return parts[0].Length > 0 && table != ""
            ? new RelationPattern(text, Matching(parts[0]), table is null ? null : Matching(table))
            : throw new WalRusException(
                ErrorCode.InvalidArgument,
                $"'{text}' names no database or table.",
                "Write a database, or database/table, database/schema.table or database/schema/table; '*' is any text.");
    }

    private static Regex Matching(string pattern) =>
        new($"^{Regex.Escape(pattern).Replace("\\*", ".*", StringComparison.Ordinal)}$", RegexOptions.Singleline | RegexOptions.NonBacktracking);
}
