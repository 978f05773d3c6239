using WalRus.Cli.CommandLine;
using WalRus.Cli.Service;
using WalRus.Daemon;

namespace WalRus.Cli.Commands;

/// <summary><c>walrus daemon SOCKET</c>: archives for clients on a Unix socket, wal-g's protocol. And questions to such a daemon.</summary>
internal static class DaemonCommand
{
    public static Command Definition { get; } = new()
    {
        Name = "daemon",
        Arguments = "socket_path",
        Meaning = "Archive and fetch WAL for clients on a socket, several segments at a time",
        MinimumArguments = 1,
        MaximumArguments = 1,
        Options =
        [
            CommonOptions.TargetStorage,
            new("status", "print the status of the daemon on this socket as JSON"),
            new("stop", "have the daemon on this socket finish what is under way and end"),
            new("detach", "leave the terminal's session, for who starts it in the background"),
            new("service", "run as the Windows service of this name", null, "string"),
        ],
        RunAsync = RunAsync,
    };

    private static async Task<int> RunAsync(Invocation call, CancellationToken cancellationToken)
    {
        var socket = call.Arguments[0];
        if (call.Has("status") || call.Has("stop"))
        {
            return await AskAsync(call, new DaemonClient(new DaemonClientOptions { SocketPath = socket }), cancellationToken)
                .ConfigureAwait(false);
        }

        if (call.Has("detach"))
        {
            DaemonHost.LeaveSession();
        }

        var host = new DaemonHost(call, socket);
        if (call.Value("service") is not { } service)
        {
            return await host.RunAsync(cancellationToken).ConfigureAwait(false);
        }

        return OperatingSystem.IsWindows()
            ? WindowsService.Run(service, host)
            : throw new WalRusException(
                ErrorCode.InvalidArgument, "--service is for Windows; systemd starts the daemon without it.", "See docs/DAEMON.md.");
    }

    private static async Task<int> AskAsync(Invocation call, DaemonClient client, CancellationToken cancellationToken)
    {
        var reply = call.Has("stop")
            ? await client.StopAsync(cancellationToken).ConfigureAwait(false)
            : await client.StatusAsync(cancellationToken).ConfigureAwait(false);
        if (reply.Type != DaemonMessageType.Done)
        {
            throw new WalRusException(
                ErrorCode.DaemonRefused,
                $"The daemon does not know this request{(reply.Text.Length > 0 ? $": {reply.Text}" : "")}.",
                "Only a daemon of WalRus does; wal-g's and WAL-RUS's have neither status nor stop.");
        }

        if (!call.Has("stop"))
        {
            call.Output.Write(DaemonStatus.Indent(reply.Text));
            call.Output.Write('\n');
        }

        return ExitCodes.Success;
    }
}
