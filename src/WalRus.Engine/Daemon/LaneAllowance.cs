namespace WalRus.Daemon;

/// <summary>
/// How many lanes may push ahead. A store that fails is probed by one, and all go on with the first success. Where pushes run
/// out of time the link may be too slow for so many at once: half of them go on, and one more for each round of successes,
/// as TCP finds its rate. On a fast link that is seconds. Not thread-safe.
/// </summary>
internal sealed class LaneAllowance
{
    private readonly int lanes;
    private int beforeFailure;
    private int successes;
    private long lastCut = long.MinValue;

    /// <param name="lanes">All there are.</param>
    public LaneAllowance(int lanes) => Allowed = this.lanes = lanes;

    public int Allowed { get; private set; }

    public void Succeeded()
    {
        if (beforeFailure > 0)
        {
            (Allowed, beforeFailure) = (beforeFailure, 0);
        }
        else if (Allowed < lanes && ++successes >= Allowed)
        {
            Allowed++;
            successes = 0;
        }
    }

    public void Failed()
    {
        beforeFailure = beforeFailure > 0 ? beforeFailure : Allowed;
        Allowed = 1;
    }

    /// <param name="started">When the push began; those from before the last cut say nothing about it.</param>
    /// <param name="now">The same clock.</param>
    public void TimedOut(long started, long now)
    {
        if (started >= lastCut)
        {
            (Allowed, beforeFailure, successes, lastCut) = (Math.Max(1, Allowed / 2), 0, 0, now);
        }
    }
}
