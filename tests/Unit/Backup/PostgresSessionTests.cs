using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using WalRus.Backup;
using WalRus.Protocol;

namespace WalRus.Tests.Backup;

public sealed class PostgresSessionTests
{
    [Fact]
    public async Task A_server_that_takes_the_connection_and_says_nothing_is_left_at_once_when_cancelled()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var settings = new PostgresConnectionSettings
        {
            Endpoints = [new PostgresEndpoint("127.0.0.1", ((IPEndPoint)silent.LocalEndpoint).Port)],
            User = "somebody",
            Database = "postgres",
            ConnectTimeout = TimeSpan.FromSeconds(30),
        };
        using var cancellation = new CancellationTokenSource();
        var opening = PostgresSession.OpenAsync(settings, null, cancellation.Token);
        using var client = await silent.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
        var watch = Stopwatch.StartNew();
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => opening);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(10), $"It took {watch.Elapsed}.");
    }
}
