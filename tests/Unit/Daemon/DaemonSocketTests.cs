using System.Diagnostics;
using System.Net.Sockets;
using WalRus.Daemon;

namespace WalRus.Tests.Daemon;

public sealed class DaemonSocketTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string SocketPath => folder["s"];

    [Fact]
    public void A_socket_that_a_dead_daemon_left_is_replaced()
    {
        Abandon();
        Assert.True(File.Exists(SocketPath));
        using var socket = DaemonSocket.Listen(SocketPath, groupMayConnect: false);
        using var peer = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        peer.Connect(new UnixDomainSocketEndPoint(SocketPath));
        Assert.True(peer.Connected);
    }

    [Fact]
    public void A_second_daemon_on_a_socket_is_refused_and_the_first_stays()
    {
        using var first = DaemonSocket.Listen(SocketPath, false);
        Assert.Equal(ErrorCode.DaemonAlreadyRunning, Assert.Throws<WalRusException>(() => DaemonSocket.Listen(SocketPath, false)).Code);
        using var peer = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        peer.Connect(new UnixDomainSocketEndPoint(SocketPath));
        Assert.True(peer.Connected);
    }

    [Fact]
    public void A_socket_that_another_program_listens_on_is_refused_even_when_it_takes_nobody()
    {
        using var other = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        other.Bind(new UnixDomainSocketEndPoint(SocketPath));
        other.Listen(1);
        for (var i = 0; i < 4; i++)
        {
            Assert.Equal(
                ErrorCode.DaemonAlreadyRunning, Assert.Throws<WalRusException>(() => DaemonSocket.Listen(SocketPath, false)).Code);
        }

        Assert.True(File.Exists(SocketPath));
    }

    [Fact]
    public void A_file_in_the_place_of_the_socket_is_left_alone()
    {
        File.WriteAllText(SocketPath, "precious");
        Assert.Equal(ErrorCode.FileExists, Assert.Throws<WalRusException>(() => DaemonSocket.Listen(SocketPath, false)).Code);
        Assert.Equal("precious", File.ReadAllText(SocketPath));
    }

    [Fact]
    public void A_socket_of_another_user_is_refused()
    {
        Assert.SkipUnless(PostgresPrograms.RunsAsPostgres, "only root can make another user's file");
        Abandon();
        using (var chown = Process.Start("chown", ["65534", SocketPath]))
        {
            chown.WaitForExit();
        }

        var failure = Assert.Throws<WalRusException>(() => DaemonSocket.Listen(SocketPath, false));
        Assert.Equal(ErrorCode.FileAccessDenied, failure.Code);
        Assert.True(File.Exists(SocketPath));
    }

    [Theory]
    [InlineData(false, UnixFileMode.UserRead | UnixFileMode.UserWrite)]
    [InlineData(true, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite)]
    public void Only_this_account_or_its_group_may_connect(bool group, UnixFileMode mode)
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Windows has access lists instead");
            return;
        }

        using var socket = DaemonSocket.Listen(SocketPath, group);
        Assert.Equal(mode, File.GetUnixFileMode(SocketPath));
    }

    [Fact]
    public void The_socket_is_gone_after_the_end_and_can_be_listened_on_again()
    {
        DaemonSocket.Listen(SocketPath, false).Dispose();
        Assert.False(File.Exists(SocketPath));
        DaemonSocket.Listen(SocketPath, false).Dispose();
    }

    [Fact]
    public void A_path_that_no_socket_can_have_is_refused_with_a_reason()
    {
        Assert.Equal(
            ErrorCode.InvalidArgument,
            Assert.Throws<WalRusException>(() => DaemonSocket.Listen(folder[new string('x', 120)], false)).Code);
        Assert.Equal(
            ErrorCode.FileNotFound, Assert.Throws<WalRusException>(() => DaemonSocket.Listen(folder["no", "s"], false)).Code);
    }

    /// <summary>Leaves a socket that nobody listens on, as kill -9 does; .NET removes one that it knows by its name.</summary>
    private void Abandon()
    {
        using var bound = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        bound.Bind(new UnixDomainSocketEndPoint(folder["b"]));
        File.Move(folder["b"], SocketPath);
    }
}
