using System.Diagnostics;
using System.Net.Sockets;
using WalRus.Cli.Client;
using WalRus.Tests.Daemon;

namespace WalRus.Tests.Cli;

/// <summary>The client's program against daemons that answer in wal-g's, in WAL-RUS's and in our form, and in none.</summary>
public sealed class ClientProgramTests : IDisposable
{
    private const string Segment = "000000010000000000000002";

    private readonly TemporaryFolder folder = new();
    private readonly List<string[]> fallbacks = [];
    private string output = "";
    private string errors = "";

    public void Dispose() => folder.Dispose();

    private string SocketPath => folder["s"];

    [Theory]
    [InlineData("4F", 0, "", "")]
    [InlineData("4F0003", 0, "", "")]
    [InlineData("4E", 74, "does not hold '" + Segment, "")]
    [InlineData("4E0003", 74, "does not hold '" + Segment, "")]
    [InlineData("45", 1, "", "its log says why")]
    [InlineData("450003", 1, "", "its log says why")]
    [InlineData("4500034D0007646F776E", 1, "", ": down\n")]
    [InlineData("", 1, "", "without an answer")]
    [InlineData("58", 1, "", "without an answer")]
    public async Task Each_answer_has_its_exit_code_and_words(string reply, int exitCode, string said, string complained)
    {
        await using var daemon = new ScriptedDaemon(SocketPath, Convert.FromHexString(reply));
        Assert.Equal(exitCode, Run(SocketPath, "wal-fetch", Segment, "pg_wal/RECOVERYXLOG", "-fallback"));
        Assert.Contains(said, output, StringComparison.Ordinal);
        Assert.Contains(complained, errors, StringComparison.Ordinal);
        Assert.Equal(said.Length == 0, output.Length == 0);
        Assert.Equal(complained.Length == 0, errors.Length == 0);
        Assert.Empty(fallbacks);
        Assert.Equal((byte)'f', (await daemon.Request)[0]);
    }

    [Fact]
    public async Task A_reply_in_single_bytes_is_understood()
    {
        await using var daemon = new ScriptedDaemon(SocketPath, Convert.FromHexString("4500034D0007646F776E")) { OneByteAtATime = true };
        Assert.Equal(1, Run(SocketPath, "check"));
        Assert.Contains("the check: down", errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_daemon_that_says_nothing_ends_at_the_timeout_and_nothing_is_done_twice()
    {
        await using var daemon = new ScriptedDaemon(SocketPath, []) { StaysOpen = true };
        var watch = Stopwatch.StartNew();
        Assert.Equal(1, Run(SocketPath, "wal-push", Segment, "-timeout", "300ms", "-fallback"));
        Assert.InRange(watch.Elapsed.TotalSeconds, 0.25, 20);
        Assert.Contains("did not answer in time", errors, StringComparison.Ordinal);
        Assert.Empty(fallbacks);
    }

    [Fact]
    public void A_listener_that_takes_no_connection_counts_as_absent_once_the_connection_timeout_is_over()
    {
        using var full = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        full.Bind(new UnixDomainSocketEndPoint(SocketPath));
        full.Listen(1);
        List<Socket> waiting = [];
        try
        {
            for (var i = 0; i < 2; i++)
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                waiting.Add(socket);
                socket.Connect(new UnixDomainSocketEndPoint(SocketPath));
            }

            Assert.Equal(5, Run(SocketPath, "wal-push", Segment, "-connection-timeout", "200ms", "-fallback"));
            Assert.Contains("takes no connection", errors, StringComparison.Ordinal);
        }
        finally
        {
            waiting.ForEach(socket => socket.Dispose());
        }
    }

    [Fact]
    public void Without_a_daemon_it_fails_and_with_fallback_walrus_does_it_from_the_data_directory()
    {
        Assert.Equal(1, Run(SocketPath, "wal-push", Segment));
        Assert.Contains("no such socket", errors, StringComparison.Ordinal);
        Assert.Empty(fallbacks);

        // Closing it would remove its file.
        using var abandoned = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        abandoned.Bind(new UnixDomainSocketEndPoint(SocketPath));

        var data = Environment.GetEnvironmentVariable("PGDATA") ?? Environment.CurrentDirectory;
        Assert.Equal(5, Run(SocketPath, "wal-push", Segment, "-fallback"));
        Assert.Equal(5, Run(SocketPath, "wal-push", "pg_wal/" + Segment, "-fallback"));
        Assert.Equal(5, Run(SocketPath, "wal-fetch", Segment, "pg_wal/RECOVERYXLOG", "-fallback"));
        Assert.Equal(
            [
                ["wal-push", Path.Combine(data, "pg_wal", Segment)],
                ["wal-push", Path.Combine(data, "pg_wal", Segment)],
                ["wal-fetch", Segment, Path.Combine(data, "pg_wal", "RECOVERYXLOG")],
            ],
            fallbacks);
        Assert.Contains("nobody listens", errors, StringComparison.Ordinal);
        Assert.Contains("running 'walrus wal-push", errors, StringComparison.Ordinal);
        Assert.Equal(1, Run(SocketPath, "check", "-fallback"));
    }

    [Fact]
    public void What_is_no_socket_or_cannot_be_one_is_a_failure_of_its_own()
    {
        File.WriteAllText(SocketPath, "");
        Assert.NotEqual(0, Run(SocketPath, "check"));
        Assert.Equal(1, Run("/tmp/" + new string('x', 200), "wal-push", Segment, "-fallback"));
        Assert.Contains("too long", errors, StringComparison.Ordinal);
        Assert.Empty(fallbacks);
    }

    [Fact]
    public void Version_and_usage_go_to_standard_output()
    {
        Assert.Equal(0, Run("--version"));
        Assert.Equal("1.2.3\tabc\t-\n", output);
        Assert.Equal(1, Run());
        Assert.Contains("Error: not enough arguments\n", output, StringComparison.Ordinal);
        Assert.Contains("client SOCKET wal-push", output, StringComparison.Ordinal);
        Assert.Empty(errors);
    }

    private int Run(params string[] words) => new ClientProgram(
        "client",
        "1.2.3\tabc\t-",
        text => output += text,
        text => errors += text,
        instead =>
        {
            fallbacks.Add(instead);
            return 5;
        }).Run(words);
}
