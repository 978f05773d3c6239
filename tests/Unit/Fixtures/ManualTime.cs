namespace WalRus.Tests;

/// <summary>
/// A clock that moves only when told, or (with <see cref="AutoAdvance"/>) jumps to each timer as it is set, so that waits
/// of minutes pass at once and can be counted.
/// </summary>
internal sealed class ManualTime : TimeProvider
{
    private readonly object gate = new();
    private readonly List<Timer> timers = [];
    private DateTimeOffset now = new(2024, 5, 6, 7, 8, 9, TimeSpan.Zero);

    /// <summary>True: the clock jumps ahead whenever a timer of less than <see cref="LongestJump"/> is waiting.</summary>
    public bool AutoAdvance { get; init; }

    /// <summary>Longer timers are deadlines, which come only when the waits before them add up to them.</summary>
    public TimeSpan LongestJump { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>What timers were set to wait for, in order.</summary>
    public List<TimeSpan> Waits { get; } = [];

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow()
    {
        lock (gate)
        {
            return now;
        }
    }

    public override long GetTimestamp() => GetUtcNow().Ticks;

    public void Advance(TimeSpan by)
    {
        List<Timer> due;
        lock (gate)
        {
            now += by;
            due = [.. timers.Where(timer => timer.Due <= now)];
            timers.RemoveAll(due.Contains);
        }

        due.ForEach(timer => timer.Fire());
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new Timer(this, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class Timer(ManualTime time, Action fire) : ITimer
    {
        public DateTimeOffset Due { get; private set; }

        public Action Fire { get; } = fire;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time.gate)
            {
                time.timers.Remove(this);
                if (dueTime == Timeout.InfiniteTimeSpan)
                {
                    return true;
                }

                Due = time.now + dueTime;
                time.timers.Add(this);
                time.Waits.Add(dueTime);
            }

            if (time.AutoAdvance && dueTime < time.LongestJump)
            {
                ThreadPool.QueueUserWorkItem(_ => time.Advance(TimeSpan.FromTicks(Math.Max(0, (Due - time.GetUtcNow()).Ticks))));
            }

            return true;
        }

        public void Dispose() => Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
