namespace WalRus.Daemon;

/// <summary>How patient the server is with those who connect.</summary>
public sealed record DaemonServerOptions
{
    /// <summary>More than these at once, and who has been silent longest gives way.</summary>
    public int MaxConnections { get; init; } = 64;

    /// <summary>How long a connection may be silent between messages.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How long a message may take once it has begun, and a reply.</summary>
    public TimeSpan MessageTimeout { get; init; } = TimeSpan.FromSeconds(5);

    public TimeProvider Time { get; init; } = TimeProvider.System;
}
