using System.Globalization;
using Npgsql;
using WalRus.Backup;

namespace WalRus.Cli.Demo;

/// <summary>The demonstration's data: two tables that change in every step, and a fingerprint to compare them by.</summary>
internal sealed class DemoDatabase(ThrowawayServer server)
{
    public const string RestorePoint = "before_the_disaster";

    private readonly string connectionString = new NpgsqlConnectionStringBuilder
    {
        Host = server.Host,
        Port = server.Port,
        Username = "postgres",
        Database = "postgres",
        Pooling = false,
        Timeout = 15,
        CommandTimeout = 120,
    }.ConnectionString;

    public Task CreateAsync(CancellationToken cancellationToken) => ExecuteAsync(
        """
        create table account (id int primary key, owner text not null, balance numeric(12, 2) not null);
        create table payment (id bigint generated always as identity primary key, account_id int not null references account,
                              amount numeric(10, 2) not null, paid_at timestamptz not null default clock_timestamp(), note text);
        insert into account select n, 'owner ' || n, 1000 from generate_series(1, 50000) n;
        """,
        cancellationToken);

    /// <summary>Some traffic: rows inserted and updated all over both tables.</summary>
    public Task PayAsync(int payments, CancellationToken cancellationToken) => ExecuteAsync(
        string.Create(
            CultureInfo.InvariantCulture,
            $"""
             insert into payment (account_id, amount, note)
                 select 1 + (n * 7919) % 50000, (n % 10000) / 100.0, md5(n::text) || md5((n + 1)::text)
                 from generate_series(1, {payments}) n;
             update account set balance = balance - 1 where id % 7 = {payments} % 7;
             """),
        cancellationToken);

    /// <summary>Names this moment in the WAL.</summary>
    public Task NameMomentAsync(CancellationToken cancellationToken) =>
        ExecuteAsync($"select pg_create_restore_point('{RestorePoint}')", cancellationToken);

    /// <summary>What nobody wants to see, archived like everything else.</summary>
    public async Task<string> DestroyAsync(CancellationToken cancellationToken)
    {
        await ExecuteAsync("drop table payment; drop table account", cancellationToken).ConfigureAwait(false);
        return await ScalarAsync("select pg_walfile_name(pg_switch_wal())", cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Waits until PostgreSQL counts the segment as archived: until our archive_command said so.</summary>
    public async Task WaitUntilArchivedAsync(string segment, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(TimeSpan.FromSeconds(60));
        while (true)
        {
            var last = await ScalarAsync(
                "select coalesce(last_archived_wal, '') || ' ' || failed_count from pg_stat_archiver", cancellationToken)
                .ConfigureAwait(false);
            if (string.CompareOrdinal(last.Split(' ')[0], segment) >= 0)
            {
                return;
            }

            try
            {
                await Task.Delay(100, deadline.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new WalRusException(
                    ErrorCode.DeadlineExceeded,
                    $"PostgreSQL did not archive {segment} within 60 s (last archived and failures: {last}).",
                    $"Look at the end of the server's log: {server.LogFile}");
            }
        }
    }

    /// <summary>Row counts and a hash over every value of both tables.</summary>
    public async Task<DemoFingerprint> FingerprintAsync(CancellationToken cancellationToken)
    {
        var text = await ScalarAsync(
            """
            select (select count(*) from account) || ' ' || (select count(*) from payment) || ' ' || md5(
                (select coalesce(string_agg(a::text, E'\n' order by id), '') from account a)
                || (select coalesce(string_agg(p::text, E'\n' order by id), '') from payment p))
            """,
            cancellationToken).ConfigureAwait(false);
        var fields = text.Split(' ');
        return new DemoFingerprint(
            long.Parse(fields[0], CultureInfo.InvariantCulture), long.Parse(fields[1], CultureInfo.InvariantCulture), fields[2]);
    }

    /// <summary>Waits until recovery has reached its target and the server takes writes.</summary>
    public async Task WaitUntilRecoveredAsync(CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(TimeSpan.FromSeconds(60));
        while (await ScalarAsync("select pg_is_in_recovery()::text", deadline.Token).ConfigureAwait(false) != "false")
        {
            await Task.Delay(50, deadline.Token).ConfigureAwait(false);
        }
    }

    private async Task ExecuteAsync(string sql, CancellationToken cancellationToken) =>
        await ScalarAsync(sql, cancellationToken).ConfigureAwait(false);

    private async Task<string> ScalarAsync(string sql, CancellationToken cancellationToken)
    {
        // The slim builder leaves out what AOT could not trim; the demonstration needs text only.
        await using var source = new NpgsqlSlimDataSourceBuilder(connectionString).Build();
        await using var connection = await source.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        return Convert.ToString(
            await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false), CultureInfo.InvariantCulture) ?? "";
    }
}

/// <summary>What both tables held at one moment.</summary>
internal readonly record struct DemoFingerprint(long Accounts, long Payments, string Hash);
