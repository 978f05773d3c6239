using System.Globalization;
using WalRus.Backup;
using WalRus.Protocol;

namespace WalRus.Drill;

/// <summary>Counts the rows of the user's tables and holds them against an earlier drill's counts.</summary>
internal sealed class RowCountCheck(
    PostgresConnectionSettings connection,
    IReadOnlyDictionary<string, long>? baseline,
    double tolerancePercent,
    IProgress<TransferProgress>? progress)
{
    /// <summary>More tables than this are not counted without a baseline that names them: the counts are one object.</summary>
    private const int MaxTables = 10_000;
    private const int TablesAPage = 500;
    private const int ListedProblems = 10;

    private const string TablesSql =
        """
        SELECT c.oid::text, quote_ident(n.nspname) || '.' || quote_ident(c.relname), quote_ident(current_database())
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
            AND c.oid > $1::oid
        ORDER BY c.oid LIMIT 500
        """;

    private readonly SortedDictionary<string, long> counts = new(StringComparer.Ordinal);
    private bool isIncomplete;

    public IReadOnlyDictionary<string, long> Counts => counts;

    public async Task<DrillFinding> RunAsync(CancellationToken cancellationToken)
    {
        foreach (var database in await DrillDatabases.ListAsync(connection, cancellationToken).ConfigureAwait(false))
        {
            var session = await PostgresSession.OpenAsync(connection, database, cancellationToken)
                .ConfigureAwait(false);
            await using (session.ConfigureAwait(false))
            {
                await CountAsync(session, cancellationToken).ConfigureAwait(false);
            }
        }

        var text = string.Create(CultureInfo.InvariantCulture, $"{counts.Values.Sum()} rows in {counts.Count} tables")
            + (isIncomplete ? $" (only the first {MaxTables} tables were counted)" : "");
        if (baseline is null)
        {
            return DrillFinding.Passed(text);
        }

        var problems = baseline.OrderBy(table => table.Key, StringComparer.Ordinal).Select(Problem).OfType<string>().ToList();
        var more = problems.Count > ListedProblems ? $"; and {problems.Count - ListedProblems} more" : "";
        return problems.Count == 0
            ? DrillFinding.Passed($"{text}, as in the baseline")
            : throw new WalRusException(
                ErrorCode.DrillFailed,
                $"{problems.Count} of {baseline.Count} tables are not as in the baseline: {string.Join("; ", problems.Take(ListedProblems))}{more}",
                "If the change is expected, make this drill's row counts the new baseline, or allow a tolerance.");
    }

    private string? Problem(KeyValuePair<string, long> table)
    {
        if (!counts.TryGetValue(table.Key, out var found))
        {
            return $"{table.Key} is missing";
        }

        var allowed = table.Value * (tolerancePercent / 100);
        return Math.Abs((double)found - table.Value) > allowed
            ? string.Create(CultureInfo.InvariantCulture, $"{table.Key} has {found} rows instead of {table.Value}")
            : null;
    }

    private async Task CountAsync(PostgresSession session, CancellationToken cancellationToken)
    {
        var page = new List<(string Oid, string Table, string Database)>(TablesAPage);
        var last = "0";
        do
        {
            page.Clear();
            await session.QueryAsync(
                new PostgresStatement("Listing tables", TablesSql) { Text = last },
                row => page.Add((row.GetString(0), row.GetString(1), row.GetString(2))),
                cancellationToken).ConfigureAwait(false);
            foreach (var (oid, table, database) in page)
            {
                last = oid;
                var name = $"{database}.{table}";
                if (baseline is not null ? baseline.ContainsKey(name) : counts.Count < MaxTables)
                {
                    progress?.Report(new TransferProgress("Drill: counting rows", name, 0, null));
                    counts[name] = await session.QueryRowAsync(
                        new PostgresStatement($"Counting {name}", $"SELECT count(*) FROM ONLY {table}") { Limit = null },
                        row => row.GetInt64(0),
                        cancellationToken).ConfigureAwait(false);
                }
                else
                {
                    isIncomplete |= baseline is null;
                }
            }
        }
        while (page.Count == TablesAPage);
    }
}
