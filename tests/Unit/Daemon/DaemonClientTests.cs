using System.Net.Sockets;
using WalRus.Daemon;

namespace WalRus.Tests.Daemon;

public sealed class DaemonClientTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string SocketPath => folder["s"];

    private DaemonClient Client(double seconds = 20) =>
        new(new DaemonClientOptions { SocketPath = SocketPath, Timeout = TimeSpan.FromSeconds(seconds) });

    [Theory]
    [InlineData("4F", DaemonMessageType.Done, "")]
    [InlineData("4F0003", DaemonMessageType.Done, "")]
    [InlineData("4E", DaemonMessageType.NotFound, "")]
    [InlineData("4E0003", DaemonMessageType.NotFound, "")]
    [InlineData("45", DaemonMessageType.Failed, "")]
    [InlineData("450003", DaemonMessageType.Failed, "")]
    [InlineData("4500034D0007646F776E", DaemonMessageType.Failed, "down")]
    public async Task Every_form_of_a_reply_is_understood(string reply, DaemonMessageType type, string text)
    {
        await using var daemon = new ScriptedDaemon(SocketPath, Convert.FromHexString(reply));
        var answer = await Client().PushAsync("000000010000000000000002", TestContext.Current.CancellationToken);
        Assert.Equal(new DaemonReply(type, text), answer);
        Assert.Equal(DaemonRequest.Push("000000010000000000000002").Encode(), await daemon.Request);
    }

    [Fact]
    public async Task A_status_comes_whole_from_single_bytes()
    {
        var json = "{\"a\":\"" + new string('x', 300) + "\"}";
        await using var daemon = new ScriptedDaemon(SocketPath, DaemonReply.Document(json).Encode()) { OneByteAtATime = true };
        Assert.Equal(json, (await Client().StatusAsync(TestContext.Current.CancellationToken)).Text);
    }

    [Fact]
    public async Task A_failure_whose_daemon_stays_connected_is_told_without_waiting_for_a_reason()
    {
        await using var daemon = new ScriptedDaemon(SocketPath, [(byte)'E']) { StaysOpen = true };
        Assert.Equal(DaemonReply.Failed(""), await Client().CheckAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_socket_that_nobody_listens_on_and_one_that_is_not_there_are_unreachable()
    {
        Assert.Equal(ErrorCode.DaemonUnreachable, (await FailureAsync(Client())).Code);
        // Closing it would remove its file.
        using var abandoned = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        abandoned.Bind(new UnixDomainSocketEndPoint(SocketPath));

        var failure = await FailureAsync(Client());
        Assert.Equal(ErrorCode.DaemonUnreachable, failure.Code);
        Assert.Contains("nobody listens", failure.Message, StringComparison.Ordinal);
        Assert.Contains(SocketPath, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_daemon_that_never_answers_ends_at_the_deadline()
    {
        await using var daemon = new ScriptedDaemon(SocketPath, []) { StaysOpen = true };
        Assert.Equal(ErrorCode.DeadlineExceeded, (await FailureAsync(Client(0.2))).Code);
    }

    [Theory]
    [InlineData("")]
    [InlineData("58")]
    [InlineData("000003")]
    public async Task What_is_no_reply_is_a_violation(string reply)
    {
        await using var daemon = new ScriptedDaemon(SocketPath, Convert.FromHexString(reply));
        Assert.Equal(ErrorCode.DaemonProtocolViolation, (await FailureAsync(Client())).Code);
    }

    [Fact]
    public async Task A_path_too_long_for_a_socket_is_the_callers_mistake()
    {
        var client = new DaemonClient(new DaemonClientOptions { SocketPath = "/tmp/" + new string('x', 300) });
        Assert.Equal(ErrorCode.InvalidArgument, (await FailureAsync(client)).Code);
    }

    private static Task<WalRusException> FailureAsync(DaemonClient client) =>
        Assert.ThrowsAsync<WalRusException>(() => client.CheckAsync(TestContext.Current.CancellationToken));
}
