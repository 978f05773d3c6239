using WalRus.Backup;
using WalRus.Protocol;

namespace WalRus.Drill;

/// <summary>The user's own SQL and what it has to answer.</summary>
internal sealed class QueryCheck(PostgresConnectionSettings connection, IReadOnlyList<DrillQuery> queries)
{
    private const int RowsKept = 100;
    private const int CharsKept = 64 * 1024;

    private readonly List<DrillQueryResult> results = [];

    /// <summary>In the order of the queries, also of those that failed.</summary>
    public IReadOnlyList<DrillQueryResult> Results => results;

    public async Task<DrillFinding> RunAsync(CancellationToken cancellationToken)
    {
        foreach (var query in queries)
        {
            results.Add(await RunAsync(query, cancellationToken).ConfigureAwait(false));
        }

        var failed = results.Where(result => result.Problem is not null).ToList();
        return failed.Count == 0
            ? DrillFinding.Passed(queries.Count == 1 ? $"The query answered {results[0].Value ?? "nothing"}" : $"{queries.Count} queries")
            : throw new WalRusException(
                ErrorCode.DrillFailed,
                $"{failed.Count} of {queries.Count} queries failed: {string.Join("; ", failed.Take(5).Select(result => $"{result.Name}: {result.Problem}"))}");
    }

    private async Task<DrillQueryResult> RunAsync(DrillQuery query, CancellationToken cancellationToken)
    {
        var result = new DrillQueryResult { Name = query.Name, Database = query.Database };
        try
        {
            // The user's names are looked up the user's way: the database's own search path.
            var session = await PostgresSession.OpenAsync(connection with { Options = null }, query.Database, cancellationToken)
                .ConfigureAwait(false);
            await using (session.ConfigureAwait(false))
            {
                var statement = new PostgresStatement(query.Name, query.Sql) { Limit = null };
                var answer = await session.QueryTextAsync(statement, RowsKept, CharsKept, cancellationToken)
                    .ConfigureAwait(false);
                result = result with { Columns = answer.Columns, Rows = answer.Rows, RowCount = answer.RowCount };
            }
        }
        catch (WalRusException failure) when (DrillPhases.IsVerdict(failure))
        {
            return result with { Problem = failure.Message };
        }

        return result with { Problem = await JudgeAsync(query, result).ConfigureAwait(false) };
    }

    private static async Task<string?> JudgeAsync(DrillQuery query, DrillQueryResult result)
    {
        if (query.Expected is { } expected && !string.Equals(result.Value, expected, StringComparison.Ordinal))
        {
            return $"expected '{expected}', got {(result.Value is { } value ? $"'{value}'" : result.RowCount == 0 ? "no row" : "NULL")}";
        }

        return query.Assert is { } assert ? await assert(result).ConfigureAwait(false) : null;
    }
}
