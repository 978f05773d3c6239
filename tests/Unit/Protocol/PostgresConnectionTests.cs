using WalRus.Protocol;
using WalRus.Tests.Contracts;

namespace WalRus.Tests.Protocol;

/// <summary>Sessions with a real server in each way it can ask who is there.</summary>
public sealed class PostgresConnectionTests(TlsServer server) : IClassFixture<TlsServer>
{
    private static readonly PostgresCommand Identify = new("Reading the system's identity", "IDENTIFY_SYSTEM");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("scram", PostgresChannelBinding.Require)]
    [InlineData("scram", PostgresChannelBinding.Prefer)]
    [InlineData("scram", PostgresChannelBinding.Disable)]
    [InlineData("hashed", PostgresChannelBinding.Prefer)]
    [InlineData("plain", PostgresChannelBinding.Prefer)]
    public async Task A_replication_session_over_TCP_is_encrypted_with_the_server_known_and_logs_in_by_password(
        string user, PostgresChannelBinding binding)
    {
        await using var connection = await OpenAsync(server.Settings(user) with { ChannelBinding = binding });
        Assert.True(connection.IsEncrypted);
        var row = await connection.QueryRowAsync(Identify, Token);
        Assert.Equal(["systemid", "timeline", "xlogpos", "dbname"], row.Columns);
        Assert.Equal(await server.Cluster.ScalarAsync<string>("SELECT system_identifier::text FROM pg_control_system()"), row[0]);
        Assert.Equal("1", row[1]);
        Assert.Null(row[3]);
    }

    [Theory]
    [InlineData("hashed")]
    [InlineData("plain")]
    public async Task A_login_without_channel_binding_is_refused_where_it_is_required(string user)
    {
        var settings = server.Settings(user) with { ChannelBinding = PostgresChannelBinding.Require };
        await OpenAsync(settings).FailsAsync(ErrorCode.PostgresAuthenticationFailed);
    }

    [Theory]
    [InlineData("client.key", null)]
    [InlineData("locked.key", "key")]
    public async Task A_client_certificate_logs_in(string key, string? password)
    {
        await using var connection = await OpenAsync(server.Settings("certified", null) with
        {
            SslCertificateFile = server.Files["client.crt"],
            SslKeyFile = server.Files[key],
            SslKeyPassword = password,
        });
        Assert.Equal("1", (await connection.QueryRowAsync(Identify, Token))[1]);
    }

    [Fact]
    public async Task A_key_that_others_may_read_is_not_used()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Windows has other permissions.");
            return;
        }

        await server.WriteAsync(server.Files["shared.key"], await File.ReadAllTextAsync(server.Files["client.key"], Token));
        File.SetUnixFileMode(server.Files["shared.key"], UnixFileMode.UserRead | UnixFileMode.OtherRead);
        var settings = server.Settings("certified", null) with
        {
            SslCertificateFile = server.Files["client.crt"],
            SslKeyFile = server.Files["shared.key"],
        };
        await OpenAsync(settings).FailsAsync(ErrorCode.SettingInvalid);
    }

    [Theory]
    [InlineData("127.0.0.1", "stranger.crt", PostgresSslMode.VerifyFull)]
    [InlineData("127.0.0.1", "stranger.crt", PostgresSslMode.VerifyCa)]
    [InlineData("127.0.0.1", "stranger.crt", PostgresSslMode.Require)]
    [InlineData("127.0.0.1", "stranger.crt", null)]
    [InlineData("127.0.0.1", null, null)]
    [InlineData("localhost", "ca.crt", null)]
    public async Task A_server_that_cannot_be_known_gets_no_password(string host, string? root, PostgresSslMode? mode)
    {
        var settings = server.Settings("plain") with
        {
            Endpoints = [new PostgresEndpoint(host, server.Cluster.Port)],
            SslRootCertificateFile = root is null ? null : server.Files[root],
            SslMode = mode,
        };
        var failure = await OpenAsync(settings).FailsAsync(ErrorCode.PostgresUnreachable);
        Assert.Contains("certificate", failure.Message, StringComparison.Ordinal);
        Assert.NotNull(failure.Hint);
    }

    [Theory]
    [InlineData("localhost", "ca.crt", PostgresSslMode.VerifyCa)]
    [InlineData("localhost", null, PostgresSslMode.Require)]
    [InlineData("localhost", "stranger.crt", PostgresSslMode.Prefer)]
    [InlineData("127.0.0.1", "stranger.crt", PostgresSslMode.Allow)]
    public async Task A_mode_that_asks_for_less_gets_its_encrypted_session(string host, string? root, PostgresSslMode mode)
    {
        await using var connection = await OpenAsync(server.Settings("scram") with
        {
            Endpoints = [new PostgresEndpoint(host, server.Cluster.Port)],
            SslRootCertificateFile = root is null ? null : server.Files[root],
            SslMode = mode,
        });
        Assert.True(connection.IsEncrypted);
    }

    [Theory]
    [InlineData(PostgresSslMode.Disable)]
    [InlineData(PostgresSslMode.Allow)]
    [InlineData(PostgresSslMode.Prefer)]
    public async Task A_server_that_wants_no_encryption_is_reached_by_the_modes_that_do_without(PostgresSslMode mode)
    {
        await using var connection = await OpenAsync(server.Settings("open") with { SslMode = mode });
        Assert.False(connection.IsEncrypted);
        Assert.Equal("1", (await connection.QueryRowAsync(Identify, Token))[1]);
    }

    [Fact]
    public async Task The_password_file_gives_the_password_of_replication_and_only_when_nobody_else_may_read_it()
    {
        var port = server.Cluster.Port;
        await server.WriteAsync(
            server.Files["pgpass"],
            $"# mine\n*:*:postgres:scram:no\n127.0.0.1:{port + 1}:*:*:no\n127.0.0.1:{port}:replication:scram:pass\\:wörd\\\\\n*:*:*:*:no\n");
        var settings = server.Settings("scram", null) with { PassFile = server.Files["pgpass"] };
        await using (var connection = await OpenAsync(settings))
        {
            Assert.Equal("1", (await connection.QueryRowAsync(Identify, Token))[1]);
        }

        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(server.Files["pgpass"], UnixFileMode.UserRead | UnixFileMode.GroupRead);
            var failure = await OpenAsync(settings).FailsAsync(ErrorCode.PostgresAuthenticationFailed);
            Assert.Contains("0600", failure.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("scram", "wrong", ErrorCode.PostgresAuthenticationFailed)]
    [InlineData("scram", null, ErrorCode.PostgresAuthenticationFailed)]
    [InlineData("hashed", "wrong", ErrorCode.PostgresAuthenticationFailed)]
    [InlineData("nobody", "wrong", ErrorCode.PostgresAuthenticationFailed)]
    public async Task A_wrong_login_is_refused_without_its_password_in_the_error(string user, string? password, ErrorCode code)
    {
        var failure = await OpenAsync(server.Settings(user, password)).FailsAsync(code);
        Assert.NotNull(failure.Hint);
        Assert.DoesNotContain("wrong", failure.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_role_without_replication_is_told_what_it_lacks() =>
        await OpenAsync(server.LocalSettings("powerless")).FailsAsync(ErrorCode.PostgresPrivilegeMissing);

    [Fact]
    public async Task The_second_host_is_reached_when_the_first_does_not_answer()
    {
        var local = server.LocalSettings();
        await using var connection = await OpenAsync(
            local with { Endpoints = [new PostgresEndpoint("/nowhere", 5432), .. local.Endpoints] });
        Assert.Equal(local.Endpoints[0], connection.Endpoint);
        Assert.Equal(server.Cluster.Major, connection.ServerVersion / 10000);
    }

    [Fact]
    public async Task An_error_of_the_server_has_its_SQLSTATE_and_the_session_goes_on()
    {
        await using var connection = await PostgresConnection.OpenAsync(server.LocalSettings(), SessionKind.Sql, Token);
        var notices = new List<string>();
        connection.OnNotice = notice => notices.Add(notice.Message);
        var failure = await Assert.ThrowsAsync<ServerErrorException>(
            () => connection.QueryAsync(new PostgresCommand("Looking", "SELECT 1; SELECT 1/0; SELECT 2"), Token));
        Assert.Equal("22012", failure.SqlState);
        var rows = await connection.QueryAsync(
            new PostgresCommand("Looking", "DO $$ BEGIN RAISE NOTICE 'hear'; END $$; SELECT n, NULL, repeat('x', 100000) FROM generate_series(1, 3) AS n"),
            Token);
        Assert.Equal(["1", "2", "3"], rows.Select(row => row[0]));
        Assert.All(rows, row => Assert.Null(row[1]));
        Assert.All(rows, row => Assert.Equal(new string('x', 100_000), row[2]));
        Assert.Equal(["hear"], notices);
    }

    [Fact]
    public async Task A_copy_is_read_in_pieces()
    {
        await using var connection = await PostgresConnection.OpenAsync(server.LocalSettings(), SessionKind.Sql, Token);
        var command = new PostgresCommand("Copying", "COPY (SELECT repeat('y', 3000000) FROM generate_series(1, 4)) TO STDOUT");
        await using var reply = await connection.ExecuteAsync(command, Token);
        Assert.Equal(ReplyPart.Copy, await reply.NextAsync(Token));
        var buffer = new byte[100_000];
        for (var message = 0; message < 4; message++)
        {
            Assert.True(await reply.Copy!.NextAsync(Token));
            Assert.Equal(3_000_001, reply.Copy.Remaining);
            await reply.Copy.ReadExactlyAsync(buffer, Token);
            Assert.Equal(-1, buffer.AsSpan().IndexOfAnyExcept((byte)'y'));
        }

        Assert.False(await reply.Copy!.NextAsync(Token));
        Assert.Equal(ReplyPart.Completed, await reply.NextAsync(Token));
        Assert.Equal("COPY 4", reply.Tag);
        Assert.Equal(ReplyPart.End, await reply.NextAsync(Token));
        Assert.Single(await connection.QueryAsync(new PostgresCommand("Looking", "SELECT 1"), Token));
    }

    [Fact]
    public async Task Silence_of_the_server_ends_at_the_limit_and_a_cancelled_wait_at_once()
    {
        foreach (var isCancelled in new[] { false, true })
        {
            await using var connection = await PostgresConnection.OpenAsync(server.LocalSettings(), SessionKind.Sql, Token);
            using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Token);
            var query = connection.QueryAsync(
                new PostgresCommand("Waiting", "SELECT pg_sleep(30)") { SilenceLimit = TimeSpan.FromSeconds(isCancelled ? 20 : 0.3) },
                cancellation.Token);
            if (isCancelled)
            {
                await cancellation.CancelAsync();
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => query.WaitAsync(TimeSpan.FromSeconds(5), Token));
            }
            else
            {
                await query.FailsAsync(ErrorCode.DeadlineExceeded);
            }
        }
    }

    private static Task<PostgresConnection> OpenAsync(PostgresConnectionSettings settings) =>
        PostgresConnection.OpenAsync(settings, SessionKind.Replication, Token);
}
