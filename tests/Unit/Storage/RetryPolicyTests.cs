using WalRus.Storage;
using WalRus.Tests.Contracts;

namespace WalRus.Tests.Storage;

public sealed class RetryPolicyTests
{
    private readonly ManualTime time = new() { AutoAdvance = true };
    private readonly RecordingLog log = new();

    private RetryPolicy Policy => new() { Time = time, Log = log, Jitter = () => 1 };

    [Fact]
    public async Task Waits_double_up_to_the_cap_and_end_after_the_retries()
    {
        var calls = 0;
        var policy = Policy with { MaxRetries = 9, TotalLimit = TimeSpan.FromHours(1) };
        await policy.RunAsync<int>("Trying", (_, _) => throw Failure(calls++), default).AsTask()
            .FailsAsync(ErrorCode.StoreUnreachable);
        Assert.Equal(10, calls);
        Assert.Equal(
            [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30],
            time.Waits.Where(wait => wait < TimeSpan.FromHours(1)).Select(wait => wait.TotalSeconds));
        Assert.Equal(9, log.Count(nameof(LogEvents.StoreRetry)));
    }

    [Fact]
    public async Task A_failure_that_is_not_transient_is_final()
    {
        var calls = 0;
        await Policy.RunAsync<int>(
            "Trying",
            (_, _) =>
            {
                calls++;
                throw new WalRusException(ErrorCode.StoreAccessDenied, "no");
            },
            default).AsTask().FailsAsync(ErrorCode.StoreAccessDenied);
        Assert.Equal(1, calls);
    }

    [Fact]
    public async Task The_number_of_the_try_and_the_result_come_through()
    {
        var result = await Policy.RunAsync(
            "Trying", (attempt, _) => attempt < 4 ? throw Failure(attempt) : ValueTask.FromResult(attempt), default);
        Assert.Equal(4, result);
    }

    [Fact]
    public async Task A_wait_that_would_pass_the_total_time_ends_the_operation_with_its_reason()
    {
        var asked = new WalRusException(ErrorCode.StoreThrottled, "busy")
        {
            IsTransient = true, RetryAfter = TimeSpan.FromMinutes(11),
        };
        var failure = await Policy.RunAsync<int>("Trying", (_, _) => throw asked, default).AsTask()
            .FailsAsync(ErrorCode.StoreThrottled);
        Assert.Same(asked, failure);
        Assert.Equal(0, log.Count(nameof(LogEvents.StoreRetry)));
    }

    [Fact]
    public async Task A_try_that_runs_past_the_total_time_is_DeadlineExceeded()
    {
        var clock = new ManualTime();
        var policy = Policy with { Time = clock };
        var running = policy.RunAsync(
            "Trying",
            async (_, token) =>
            {
                await Task.Delay(Timeout.Infinite, token);
                return 0;
            },
            default).AsTask();
        clock.Advance(policy.TotalLimit);
        await running.FailsAsync(ErrorCode.DeadlineExceeded);
    }

    [Fact]
    public async Task Cancelling_ends_a_wait()
    {
        using var cancel = new CancellationTokenSource();
        var policy = Policy with { Time = new ManualTime() };
        var running = policy.RunAsync<int>("Trying", (_, _) => throw Failure(1), cancel.Token).AsTask();
        Assert.False(running.IsCompleted);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
    }

    [Fact]
    public void Throttling_has_waits_of_its_own_and_the_jitter_is_full()
    {
        var busy = new WalRusException(ErrorCode.StoreThrottled, "busy") { IsTransient = true };
        Assert.Equal(0.5, Policy.Wait(busy, 1)!.Value.TotalSeconds);
        Assert.Equal(60, Policy.Wait(busy, 15)!.Value.TotalSeconds);
        Assert.Equal(0, (Policy with { Jitter = () => 0 }).Wait(busy, 15)!.Value.TotalSeconds);
        Assert.Null(Policy.Wait(busy, 16));
    }

    private static WalRusException Failure(int call) =>
        new(ErrorCode.StoreUnreachable, $"call {call}") { IsTransient = true };
}
