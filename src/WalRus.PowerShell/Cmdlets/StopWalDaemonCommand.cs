using System.Diagnostics;
using System.Management.Automation;
using WalRus.Daemon;

namespace WalRus.Cmdlets;

/// <summary>Ends archiving daemons, after what they have under way.</summary>
[Cmdlet(VerbsLifecycle.Stop, "WalDaemon", SupportsShouldProcess = true)]
[OutputType(typeof(void))]
public sealed class StopWalDaemonCommand : WalRusCmdlet
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(50);

    /// <summary>The sockets of the daemons.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("Socket")]
    [ValidateNotNullOrEmpty]
    public string[] SocketPath { get; set; } = [];

    /// <summary>How long to wait for the end.</summary>
    [Parameter]
    [ValidateRange(1, 3600)]
    public int TimeoutSeconds { get; set; } = 60;

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var path in SocketPath)
        {
            var socket = ResolvePath(path);
            if (ShouldProcess(socket, "Stop the archiving daemon"))
            {
                TryRun(socket, _ => StopAsync(socket), out _);
            }
        }
    }

    private async Task<bool> StopAsync(string socket)
    {
        var client = new DaemonClient(new DaemonClientOptions { SocketPath = socket, Timeout = TimeSpan.FromSeconds(10) });
        var reply = await client.StopAsync(StopToken).ConfigureAwait(false);
        if (reply.Type != DaemonMessageType.Done)
        {
            throw new WalRusException(
                ErrorCode.DaemonRefused,
                $"The daemon at '{socket}' cannot be stopped by asking.",
                "Only a daemon of WalRus can; end another one by its service manager.");
        }

        // The socket goes when all that was under way has been answered.
        for (var start = Stopwatch.GetTimestamp(); File.Exists(socket);)
        {
            if (Stopwatch.GetElapsedTime(start).TotalSeconds > TimeoutSeconds)
            {
                throw new WalRusException(
                    ErrorCode.DeadlineExceeded,
                    $"The daemon at '{socket}' still finishes what it has under way after {TimeoutSeconds} s.",
                    "It ends by itself after WALRUS_DAEMON_DRAIN_TIMEOUT; Get-WalDaemon tells what it is busy with.");
            }

            await Task.Delay(PollInterval, StopToken).ConfigureAwait(false);
        }

        return true;
    }
}
