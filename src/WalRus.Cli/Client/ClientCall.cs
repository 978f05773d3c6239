using WalRus.Daemon;

namespace WalRus.Cli.Client;

/// <summary>One call of the daemon's client, as its command line says.</summary>
internal sealed record ClientCall
{
    public required string SocketPath { get; init; }

    public required DaemonRequest Request { get; init; }

    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>From the connection to the reply.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Do it without a daemon when none answers.</summary>
    public bool FallsBack { get; init; }

    /// <summary>The account the daemon runs under, when it is neither this one nor root.</summary>
    public uint? DaemonUserId { get; init; }

    /// <summary>Words after the command's own that wal-g's client passes over.</summary>
    public string? Ignored { get; init; }
}
