using WalRus.Cli.Client;
using WalRus.Daemon;

namespace WalRus.Tests.Cli;

public sealed class ClientCommandLineTests
{
    private const string Segment = "000000010000000000000002";

    [Fact]
    public void The_words_of_wal_g_s_client_stand_at_fixed_places_and_its_flags_follow()
    {
        var call = ClientCommandLine.Parse(
            ["/tmp/s", "WAL-Fetch", Segment, "-odd/name", "-timeout", "1m30s", "--connection-timeout=500ms"]);
        Assert.Equal("/tmp/s", call.SocketPath);
        Assert.Equal(DaemonRequest.Fetch(Segment, "-odd/name"), call.Request);
        Assert.Equal(TimeSpan.FromSeconds(90), call.Timeout);
        Assert.Equal(TimeSpan.FromMilliseconds(500), call.ConnectTimeout);
        Assert.False(call.FallsBack);
        Assert.Null(call.Ignored);
    }

    [Theory]
    [InlineData("--socket", "/tmp/s", "--timeout", "7s", "wal-push", Segment)]
    [InlineData("--socket=/tmp/s", "wal-push", Segment, "-timeout=7s")]
    [InlineData("/tmp/s", "--timeout", "7s", "wal-push", Segment)]
    [InlineData("-timeout=7s", "/tmp/s", "wal-push", Segment)]
    public void The_flags_of_WAL_RUS_s_client_may_stand_before_the_command(params string[] words)
    {
        var call = ClientCommandLine.Parse(words);
        Assert.Equal(("/tmp/s", DaemonRequest.Push(Segment), TimeSpan.FromSeconds(7)), (call.SocketPath, call.Request, call.Timeout));
    }

    [Fact]
    public void The_defaults_are_wal_g_s()
    {
        var call = ClientCommandLine.Parse(["s", "check"]);
        Assert.Equal((TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(5)), (call.Timeout, call.ConnectTimeout));
        Assert.Equal(DaemonRequest.Check, call.Request);
    }

    [Fact]
    public void Our_flags_are_read_and_words_that_wal_g_passes_over_are_named()
    {
        var call = ClientCommandLine.Parse(["s", "wal-push", Segment, "-fallback", "-daemon-uid=70", "extra", "-timeout", "1s"]);
        Assert.True(call.FallsBack);
        Assert.Equal(70u, call.DaemonUserId);
        Assert.Equal("extra", call.Ignored);
        Assert.Equal(TimeSpan.FromSeconds(60), call.Timeout);
        Assert.False(ClientCommandLine.Parse(["s", "wal-push", Segment, "-fallback=false"]).FallsBack);
    }

    [Theory]
    [InlineData("not enough arguments")]
    [InlineData("not enough arguments", "s")]
    [InlineData("not enough command arguments", "s", "wal-push")]
    [InlineData("not enough command arguments", "s", "wal-fetch", Segment)]
    [InlineData("unsupported command", "s", "backup-push", "x")]
    [InlineData("not defined: -nope", "s", "wal-push", Segment, "-nope")]
    [InlineData("needs an argument: -timeout", "s", "wal-push", Segment, "-timeout")]
    [InlineData("\"60\" for flag -timeout", "s", "wal-push", Segment, "-timeout", "60")]
    [InlineData("-fallback", "s", "wal-push", Segment, "-fallback=maybe")]
    [InlineData("-daemon-uid", "s", "wal-push", Segment, "-daemon-uid=-1")]
    [InlineData("empty", "s", "wal-push", "")]
    [InlineData("no name", "", "check")]
    public void What_is_wrong_is_named(string part, params string[] words) =>
        Assert.Contains(
            part, Assert.Throws<ClientUsageException>(() => ClientCommandLine.Parse(words)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("0", 0)]
    [InlineData("60s", 60_000)]
    [InlineData("1m30s", 90_000)]
    [InlineData("1.5h", 5_400_000)]
    [InlineData("+2ms", 2)]
    [InlineData(".5s", 500)]
    [InlineData("1.s", 1000)]
    [InlineData("1500us", 1.5)]
    [InlineData("1500\u00b5s", 1.5)]
    [InlineData("1000000ns", 1)]
    [InlineData("-1s", 0)]
    [InlineData("9999999h", 365.0 * 24 * 3_600_000)]
    public void Durations_are_Go_s(string text, double milliseconds)
    {
        Assert.True(GoDuration.TryParse(text, out var duration));
        Assert.Equal(milliseconds, duration.TotalMilliseconds);
    }

    [Theory]
    [InlineData("")]
    [InlineData("60")]
    [InlineData("s")]
    [InlineData(".s")]
    [InlineData("1.2.3s")]
    [InlineData("1 s")]
    [InlineData("1d")]
    [InlineData("-")]
    [InlineData("--1s")]
    public void What_Go_refuses_is_no_duration(string text) => Assert.False(GoDuration.TryParse(text, out _));
}
