namespace WalRus.Backup;

/// <summary>One part of wal-g's <c>--restore-only</c>: a database, or some of its tables; '*' is any text.</summary>
/// <param name="Text">As it was given.</param>
/// <param name="Database">The database's name.</param>
/// <param name="Table">"schema.table"; null for the whole database.</param>
internal sealed record RelationPattern(string Text, string Database, string? Table)
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
            ? new RelationPattern(text, parts[0], table)
            : throw new WalRusException(
                ErrorCode.InvalidArgument,
                $"'{text}' names no database or table.",
                "Write a database, or database/table, database/schema.table or database/schema/table; '*' is any text.");
    }

    public bool IsOfDatabase(string name) => Matches(Database, name);

    /// <summary>False for a pattern that names a whole database.</summary>
    public bool IsOfTable(string name) => Table is not null && Matches(Table, name);

    private static bool Matches(string pattern, string name)
    {
        // Between stars each piece is taken where it first comes: a later place would leave less for those behind it.
        var pieces = pattern.Split('*');
        if (pieces.Length == 1)
        {
            return pattern == name;
        }

        if (!name.StartsWith(pieces[0], StringComparison.Ordinal))
        {
            return false;
        }

        var at = pieces[0].Length;
        foreach (var piece in pieces[1..^1])
        {
            var found = name.IndexOf(piece, at, StringComparison.Ordinal);
            if (found < 0)
            {
                return false;
            }

            at = found + piece.Length;
        }

        return name.Length - at >= pieces[^1].Length && name.EndsWith(pieces[^1], StringComparison.Ordinal);
    }
}
