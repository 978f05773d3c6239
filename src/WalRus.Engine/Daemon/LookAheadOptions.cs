namespace WalRus.Daemon;

/// <summary>How long the uploader is patient; lanes and limits are the push's own options.</summary>
public sealed record LookAheadOptions
{
    /// <summary><c>WALG_DAEMON_WAL_UPLOAD_TIMEOUT</c>: how long one push may take, waiting for a lane included.</summary>
    public TimeSpan PushTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The pause before a store that failed is tried again.</summary>
    public TimeSpan ProbeInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>A push that runs so much longer than it may is stuck where no cancellation reaches it.</summary>
    public TimeSpan StuckGrace { get; init; } = TimeSpan.FromSeconds(30);

    public TimeProvider Time { get; init; } = TimeProvider.System;
}
