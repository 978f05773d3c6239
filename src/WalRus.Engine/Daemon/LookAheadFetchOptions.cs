namespace WalRus.Daemon;

/// <summary>How long the fetcher stays interested in a replay that does not ask.</summary>
internal sealed record LookAheadFetchOptions
{
    /// <summary>The pause before a segment that was not there, or could not be had, is looked for again.</summary>
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A replay that has not asked for so long waits for nothing new: only what is there is brought.</summary>
    public TimeSpan FollowLimit { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>A replay that has not asked for so long has ended, or found the WAL elsewhere: what waits for it is removed.</summary>
    public TimeSpan IdleLimit { get; init; } = TimeSpan.FromMinutes(15);

    public TimeProvider Time { get; init; } = TimeProvider.System;
}
