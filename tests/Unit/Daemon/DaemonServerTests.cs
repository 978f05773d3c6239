using System.Net.Sockets;
using System.Text;
using WalRus.Daemon;

namespace WalRus.Tests.Daemon;

/// <summary>What stands on the socket, byte by byte, for wal-g's client, WAL-RUS's client and the walg_archive extension.</summary>
public sealed class DaemonServerTests : IAsyncDisposable
{
    private const string Segment = "000000010000000000000002";

    private readonly TemporaryFolder folder = new();
    private readonly Operations operations = new();
    private readonly RecordingLog log = new();
    private DaemonServer? server;

    public async ValueTask DisposeAsync()
    {
        if (server is not null)
        {
            await server.DisposeAsync();
        }

        folder.Dispose();
    }

    [Fact]
    public async Task A_push_of_wal_gs_client_is_answered_in_three_bytes_and_the_connection_closed()
    {
        Start();
        using var peer = await ConnectAsync();
        await SendAsync(peer, "46001B" + Convert.ToHexString(Encoding.ASCII.GetBytes(Segment)));
        Assert.Equal("4F0003", await ReadAsync(peer));
        Assert.Equal("", await ReadAsync(peer));
        Assert.Equal([$"push {Segment}"], operations.Calls);
    }

    [Fact]
    public async Task A_fetch_is_answered_in_three_bytes_and_N_when_the_archive_does_not_hold_the_file()
    {
        Start();
        const string body = "020018" + "303030303030303130303030303030303030303030303032" + "0013" + "70675F77616C2F5245434F5645525958" + "4C4F47";
        foreach (var (reply, bytes) in new[] { (DaemonReply.Done, "4F0003"), (DaemonReply.NotFound, "4E0003") })
        {
            operations.Reply = reply;
            using var peer = await ConnectAsync();
            await SendAsync(peer, "660033" + body);
            Assert.Equal(bytes, await ReadAsync(peer));
            Assert.Equal("", await ReadAsync(peer));
        }

        Assert.Equal($"fetch {Segment} pg_wal/RECOVERYXLOG", operations.Calls[0]);
    }

    [Fact]
    public async Task A_check_leaves_the_connection_open_for_a_push_as_the_server_extension_sends_them()
    {
        Start();
        using var peer = await ConnectAsync();

        // The extension sends a body with its check, and the name without a path.
        await SendAsync(peer, "430008" + Convert.ToHexString("CHECK"u8));
        Assert.Equal("4F0003", await ReadAsync(peer));
        await SendAsync(peer, "430003");
        Assert.Equal("4F0003", await ReadAsync(peer));
        await SendAsync(peer, "46001B" + Convert.ToHexString(Encoding.ASCII.GetBytes(Segment)));
        Assert.Equal("4F0003", await ReadAsync(peer));
        Assert.Equal("", await ReadAsync(peer));
    }

    [Fact]
    public async Task Messages_sent_at_once_and_byte_by_byte_are_answered_in_order()
    {
        Start();
        using var peer = await ConnectAsync();
        var bytes = Convert.FromHexString("430003" + "430003" + "46001B" + Convert.ToHexString(Encoding.ASCII.GetBytes(Segment)));
        await peer.SendAsync(bytes.AsMemory(0, 20), TestContext.Current.CancellationToken);
        foreach (var one in bytes[20..])
        {
            await peer.SendAsync(new[] { one }, TestContext.Current.CancellationToken);
        }

        Assert.Equal("4F00034F00034F0003", await ReadAsync(peer, 9));
        Assert.Equal([$"push {Segment}"], operations.Calls);
    }

    [Fact]
    public async Task A_failure_is_E_in_three_bytes_then_the_reason_then_the_end()
    {
        Start();
        operations.Reply = DaemonReply.Failed("the store is down");
        using var peer = await ConnectAsync();
        await SendAsync(peer, "46001B" + Convert.ToHexString(Encoding.ASCII.GetBytes(Segment)));
        Assert.Equal("450003" + "4D0014" + Convert.ToHexString("the store is down"u8), await ReadAsync(peer));
        Assert.Equal("", await ReadAsync(peer));
    }

    [Theory]
    [InlineData("5A0003")]
    [InlineData("430002")]
    [InlineData("430000")]
    [InlineData("460003")]
    [InlineData("66000401")]
    [InlineData("46FFFF41")]
    [InlineData("530004FF")]
    public async Task What_is_no_request_is_answered_with_E_and_the_end(string message)
    {
        Start();
        using var peer = await ConnectAsync();
        await SendAsync(peer, message);
        Assert.StartsWith("450003", await ReadAsync(peer), StringComparison.Ordinal);
        Assert.Equal("", await ReadAsync(peer));
        Assert.Empty(operations.Calls);
    }

    [Fact]
    public async Task Random_bytes_never_reach_an_operation_wrongly_nor_end_the_server()
    {
        Start(new DaemonServerOptions { MessageTimeout = TimeSpan.FromMilliseconds(50) });
        var seed = Environment.TickCount;
        var random = new Random(seed);
        for (var i = 0; i < 200; i++)
        {
            var bytes = new byte[random.Next(1, 60)];
            random.NextBytes(bytes);
            bytes[0] = (byte)"CFfSZ"[random.Next(5)];
            using var peer = await ConnectAsync();
            await peer.SendAsync(bytes, TestContext.Current.CancellationToken);
            peer.Shutdown(SocketShutdown.Send);
            while (await ReadAsync(peer) is { Length: > 0 })
            {
            }
        }

        using var last = await ConnectAsync();
        await SendAsync(last, "430003");
        Assert.True(await ReadAsync(last) == "4F0003", $"seed {seed}");
        Assert.Equal(0, log.Count(nameof(LogEvents.DaemonRequestFault)));
    }

    [Fact]
    public async Task A_status_is_a_document_and_leaves_the_connection_open_and_a_stop_is_answered()
    {
        Start();
        using var peer = await ConnectAsync();
        await SendAsync(peer, "530003");
        Assert.Equal("4F0005" + Convert.ToHexString("{}"u8), await ReadAsync(peer));
        await SendAsync(peer, "580003");
        Assert.Equal("4F0003", await ReadAsync(peer));
        Assert.Equal(["stop"], operations.Calls);
    }

    [Fact]
    public async Task A_peer_that_is_silent_or_slow_is_let_go_in_time()
    {
        Start(new DaemonServerOptions { IdleTimeout = TimeSpan.FromMilliseconds(100), MessageTimeout = TimeSpan.FromMilliseconds(100) });
        using var silent = await ConnectAsync();
        using var slow = await ConnectAsync();
        await SendAsync(slow, "46");
        Assert.Equal("", await ReadAsync(silent));
        Assert.Equal("", await ReadAsync(slow));
        await UploaderFixture.UntilAsync(() => server!.ConnectionCount == 0);
    }

    [Fact]
    public async Task The_connections_are_bounded_and_who_is_silent_gives_way_to_who_asks()
    {
        Start(new DaemonServerOptions { MaxConnections = 4 });
        var peers = new List<Socket>();
        for (var i = 0; i < 20; i++)
        {
            peers.Add(await ConnectAsync());
        }

        using var asking = await ConnectAsync();
        await SendAsync(asking, "430003");
        Assert.Equal("4F0003", await ReadAsync(asking));
        await UploaderFixture.UntilAsync(() => server!.ConnectionCount <= 4);
        peers.ForEach(peer => peer.Dispose());
    }

    [Fact]
    public async Task Closing_answers_what_is_under_way_and_lets_the_silent_go_at_once()
    {
        Start();
        operations.Hold = new TaskCompletionSource();
        using var silent = await ConnectAsync();
        using var waiting = await ConnectAsync();
        await SendAsync(waiting, "46001B" + Convert.ToHexString(Encoding.ASCII.GetBytes(Segment)));
        await UploaderFixture.UntilAsync(() => operations.Calls.Count == 1);
        var closing = server!.CloseAsync(TimeSpan.FromSeconds(20));
        Assert.Equal("", await ReadAsync(silent));
        Assert.False(closing.IsCompleted);
        operations.Hold.SetResult();
        Assert.Equal("4F0003", await ReadAsync(waiting));
        Assert.True(await closing);
        Assert.False(File.Exists(folder["s"]));
    }

    [Fact]
    public async Task Closing_does_not_wait_past_its_limit()
    {
        Start();
        operations.Hold = new TaskCompletionSource();
        using var waiting = await ConnectAsync();
        await SendAsync(waiting, "46001B" + Convert.ToHexString(Encoding.ASCII.GetBytes(Segment)));
        await UploaderFixture.UntilAsync(() => operations.Calls.Count == 1);
        Assert.False(await server!.CloseAsync(TimeSpan.FromMilliseconds(50)));
        Assert.Equal("", await ReadAsync(waiting));
    }

    private void Start(DaemonServerOptions? options = null)
    {
        server = new DaemonServer(DaemonSocket.Listen(folder["s"], false), operations, options ?? new DaemonServerOptions(), log);
        server.Start();
    }

    private async Task<Socket> ConnectAsync()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(folder["s"]), TestContext.Current.CancellationToken);
        return socket;
    }

    private static async Task SendAsync(Socket peer, string hex) =>
        await peer.SendAsync(Convert.FromHexString(hex), TestContext.Current.CancellationToken);

    /// <summary>What one read gives; empty at the end, however it comes.</summary>
    private static async Task<string> ReadAsync(Socket peer, int atLeast = 1)
    {
        var buffer = new byte[2048];
        var length = 0;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        try
        {
            while (length < atLeast)
            {
                var read = await peer.ReceiveAsync(buffer.AsMemory(length), limit.Token);
                if (read == 0)
                {
                    break;
                }

                length += read;
            }
        }
        catch (SocketException)
        {
        }

        return Convert.ToHexString(buffer, 0, length);
    }

    private sealed class Operations : IDaemonOperations
    {
        public List<string> Calls { get; } = [];

        public DaemonReply Reply { get; set; } = DaemonReply.Done;

        public TaskCompletionSource? Hold { get; set; }

        public ValueTask<DaemonReply> PushAsync(string argument, CancellationToken cancellationToken) =>
            AnswerAsync($"push {argument}", cancellationToken);

        public ValueTask<DaemonReply> FetchAsync(string name, string destination, CancellationToken cancellationToken) =>
            AnswerAsync($"fetch {name} {destination}", cancellationToken);

        public string Status() => "{}";

        public void Stop() => Calls.Add("stop");

        private async ValueTask<DaemonReply> AnswerAsync(string call, CancellationToken cancellationToken)
        {
            lock (Calls)
            {
                Calls.Add(call);
            }

            if (Hold is not null)
            {
                await Hold.Task.WaitAsync(cancellationToken);
            }

            return Reply;
        }
    }
}
