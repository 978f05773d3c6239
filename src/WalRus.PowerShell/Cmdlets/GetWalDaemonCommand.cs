using System.Management.Automation;
using WalRus.Daemon;

namespace WalRus.Cmdlets;

/// <summary>Tells what archiving daemons are doing.</summary>
[Cmdlet(VerbsCommon.Get, "WalDaemon")]
[OutputType(typeof(DaemonStatus))]
public sealed class GetWalDaemonCommand : WalRusCmdlet
{
    /// <summary>The sockets of the daemons.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("Socket")]
    [ValidateNotNullOrEmpty]
    public string[] SocketPath { get; set; } = [];

    /// <summary>How long each may take to answer.</summary>
    [Parameter]
    [ValidateRange(1, 600)]
    public int TimeoutSeconds { get; set; } = 10;

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var path in SocketPath)
        {
            var socket = ResolvePath(path);
            if (TryRun(socket, _ => AskAsync(socket), out var status))
            {
                WriteObject(status);
            }
        }
    }

    private async Task<DaemonStatus> AskAsync(string socket)
    {
        var patience = TimeSpan.FromSeconds(TimeoutSeconds);
        var client = new DaemonClient(new DaemonClientOptions { SocketPath = socket, ConnectTimeout = patience, Timeout = patience });
        var reply = await client.StatusAsync(StopToken).ConfigureAwait(false);
        return reply.Type == DaemonMessageType.Done ? DaemonStatus.Parse(reply.Text) : throw new WalRusException(
            ErrorCode.DaemonRefused,
            $"The daemon at '{socket}' has no status to tell.",
            "Only a daemon of WalRus does; wal-g's and WAL-RUS's do not.");
    }
}
