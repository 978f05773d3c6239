using System.Management.Automation;
using WalRus.Configuration;
using WalRus.Daemon;

namespace WalRus.Cmdlets;

/// <summary>Starts an archiving daemon that outlives the session.</summary>
[Cmdlet(VerbsLifecycle.Start, "WalDaemon", SupportsShouldProcess = true)]
[OutputType(typeof(DaemonStatus))]
public sealed class StartWalDaemonCommand : WalRusCmdlet
{
    /// <summary>The Unix socket it is to listen on.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [Alias("Socket")]
    [ValidateNotNullOrEmpty]
    public string SocketPath { get; set; } = "";

    /// <summary>The server's data directory, which names in requests are relative to.</summary>
    [Parameter(Position = 1)]
    [Alias("PGDATA")]
    [ValidateNotNullOrEmpty]
    public string? DataDirectory { get; set; }

    /// <summary>Where it logs to.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? LogPath { get; set; }

    /// <summary>The walrus executable.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? ExecutablePath { get; set; }

    /// <summary>How long it may take until it answers.</summary>
    [Parameter]
    [ValidateRange(1, 600)]
    public int TimeoutSeconds { get; set; } = 15;

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var socket = ResolvePath(SocketPath);
        if (ShouldProcess(socket, "Start an archiving daemon") && TryRun(socket, _ => StartAsync(socket), out var status))
        {
            WriteObject(status);
        }
    }

    private async Task<DaemonStatus> StartAsync(string socket)
    {
        var settings = LoadSettings();
        var executable = ExecutablePath is null ? WalRusExecutable.Find() : ResolvePath(ExecutablePath);
        if (executable is null || !File.Exists(executable))
        {
            throw new WalRusException(
                ErrorCode.FileNotFound,
                executable is null ? "There is no walrus executable beside the module or on PATH." : $"'{executable}' does not exist.",
                "The daemon is that executable: put it on PATH, or give -ExecutablePath.");
        }

        var log = LogPath is null ? settings.Text(SettingCatalog.LogDestination) : ResolvePath(LogPath);
        log = log is null or "stderr" ? socket + ".log" : log;
        var client = new DaemonClient(new DaemonClientOptions { SocketPath = socket, Timeout = TimeSpan.FromSeconds(TimeoutSeconds) });
        using var process = DaemonProcess.Start(
            executable, socket, DataDirectory is null ? null : ResolvePath(DataDirectory), log, settings);
        return await DaemonProcess
            .AnswerAsync(process, client, log, TimeSpan.FromSeconds(TimeoutSeconds), StopToken).ConfigureAwait(false);
    }
}
