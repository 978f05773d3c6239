using WalRus.Backup;
using WalRus.Protocol;

namespace WalRus.Drill;

/// <summary>The databases of the recovered cluster.</summary>
internal static class DrillDatabases
{
    /// <summary>The one database that every cluster has.</summary>
    public const string Always = "template1";

    private const string Sql = "SELECT datname FROM pg_database WHERE datallowconn AND datname <> 'template0' ORDER BY datname";

    public static async Task<IReadOnlyList<string>> ListAsync(PostgresConnectionSettings connection, CancellationToken cancellationToken)
    {
        var session = await PostgresSession.OpenAsync(connection, Always, cancellationToken).ConfigureAwait(false);
        await using (session.ConfigureAwait(false))
        {
            var names = new List<string>();
            await session.QueryAsync(
                new PostgresStatement("Listing the databases", Sql), row => names.Add(row.GetString(0)), cancellationToken)
                    .ConfigureAwait(false);
            return names;
        }
    }
}
