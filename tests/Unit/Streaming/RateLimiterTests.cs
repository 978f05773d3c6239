using WalRus.Streaming;

namespace WalRus.Tests.Streaming;

public sealed class RateLimiterTests
{
    private readonly ManualTime time = new();

    [Fact]
    public async Task A_tenth_of_a_second_passes_at_once_and_the_rest_at_the_rate()
    {
        var limiter = new RateLimiter(1000, time);
        Assert.True(limiter.WaitAsync(100, default).AsTask().IsCompleted);
        var second = limiter.WaitAsync(500, default).AsTask();
        var third = limiter.WaitAsync(500, default).AsTask();
        time.Advance(TimeSpan.FromMilliseconds(499));
        Assert.False(second.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(1));
        await second.WaitAsync(TimeSpan.FromSeconds(5));
        Assert.False(third.IsCompleted);
        time.Advance(TimeSpan.FromMilliseconds(500));
        await third.WaitAsync(TimeSpan.FromSeconds(5));
    }

    [Fact]
    public void A_pause_saves_up_no_more_than_the_burst()
    {
        var limiter = new RateLimiter(1000, time);
        time.Advance(TimeSpan.FromHours(1));
        Assert.True(limiter.WaitAsync(100, default).AsTask().IsCompleted);
        Assert.False(limiter.WaitAsync(10, default).AsTask().IsCompleted);
    }

    [Fact]
    public async Task A_cancelled_wait_gives_its_share_back()
    {
        var limiter = new RateLimiter(1000, time);
        using var cancel = new CancellationTokenSource();
        var large = limiter.WaitAsync(1_000_000, cancel.Token).AsTask();
        Assert.False(large.IsCompleted);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => large);
        Assert.True(limiter.WaitAsync(100, default).AsTask().IsCompleted);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await limiter.WaitAsync(1, cancel.Token));
    }

    [Fact]
    public async Task Many_callers_share_one_rate()
    {
        var clock = new ManualTime { AutoAdvance = true };
        var limiter = new RateLimiter(1_000_000, clock);
        var start = clock.GetUtcNow();
        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => limiter.WaitAsync(100_000, default).AsTask()));
        // The clock jumps for whichever caller waits next, so it may run ahead a little; never behind.
        Assert.InRange((clock.GetUtcNow() - start).TotalSeconds, 4.89, 6);
    }

    [Fact]
    public void A_rate_must_be_positive()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new RateLimiter(0));
        Assert.True(new RateLimiter(5, time).WaitAsync(0, default).AsTask().IsCompleted);
    }
}
