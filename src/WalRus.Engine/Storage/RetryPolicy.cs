using WalRus.Streaming;

namespace WalRus.Storage;

/// <summary>
/// How a store repeats what failed for a passing reason: exponential waits with full jitter up to a cap, never shorter
/// than the server asked for, up to a number of retries and a total time.
/// </summary>
public sealed record RetryPolicy
{
    /// <summary>Tries after the first.</summary>
    public int MaxRetries { get; init; } = 15;

    /// <summary>The longest wait before the first retry; it doubles for each that follows.</summary>
    public TimeSpan BaseDelay { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>The longest wait, except where the server asks for more.</summary>
    public TimeSpan MaxDelay { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The longest wait before the first retry after being throttled (wal-g's S3_MIN_THROTTLING_RETRY_DELAY).</summary>
    public TimeSpan ThrottledBaseDelay { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>The longest wait after being throttled (wal-g's S3_MAX_THROTTLING_RETRY_DELAY).</summary>
    public TimeSpan ThrottledMaxDelay { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long an operation may take with all its retries.</summary>
    public TimeSpan TotalLimit { get; init; } = TimeSpan.FromMinutes(10);

    public TimeProvider Time { get; init; } = TimeProvider.System;

    public IEventLog Log { get; init; } = NullEventLog.Instance;

    /// <summary>Gives the jitter, from 0 to 1.</summary>
    public Func<double> Jitter { get; init; } = Random.Shared.NextDouble;

    /// <summary>Calls until it succeeds, fails for good, or retries or time run out.</summary>
    /// <param name="operation">For the log and errors: "Putting 'x'".</param>
    /// <param name="call">
    /// One try: its number from 1 and a token that fires when the total time is up. Fails with <see cref="WalRusException"/>.
    /// </param>
    /// <exception cref="WalRusException">
    /// The last try's failure, or <see cref="ErrorCode.DeadlineExceeded"/> when the total time ended a try.
    /// </exception>
    public async ValueTask<T> RunAsync<T>(
        string operation, Func<int, CancellationToken, ValueTask<T>> call, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var total = new Deadline(TotalLimit, Time, cancellationToken);
        var start = Time.GetTimestamp();
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await call(attempt, total.Token).ConfigureAwait(false);
            }
            catch (WalRusException failure) when (
                Wait(failure, attempt) is { } wait && Time.GetElapsedTime(start) + wait < TotalLimit)
            {
                await PauseAsync(operation, attempt, (wait, failure), cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (total.HasPassed)
            {
                throw new WalRusException(
                    ErrorCode.DeadlineExceeded,
                    $"{operation} took longer than {TotalLimit.TotalSeconds:0} s with all its retries.",
                    "Look at the store's health and the way to it.") { IsTransient = true };
            }
        }
    }

    /// <summary>How long to wait before the next try, or null when there should be none.</summary>
    /// <param name="failure">Why the try failed.</param>
    /// <param name="attempt">Its number, from 1.</param>
    internal TimeSpan? Wait(WalRusException failure, int attempt)
    {
        if (!failure.IsTransient || attempt > MaxRetries)
        {
            return null;
        }

        var throttled = failure.Code == ErrorCode.StoreThrottled;
        var (first, cap) = throttled ? (ThrottledBaseDelay, ThrottledMaxDelay) : (BaseDelay, MaxDelay);
        var backoff = Math.Min(cap.TotalMilliseconds, first.TotalMilliseconds * Math.Pow(2, attempt - 1));
        var wait = TimeSpan.FromMilliseconds(backoff * Jitter());
        return failure.RetryAfter is { } asked && asked > wait ? asked : wait;
    }

    internal async ValueTask PauseAsync(
        string operation, int attempt, (TimeSpan Time, WalRusException Failure) wait, CancellationToken cancellationToken)
    {
        // The failure's own sentence begins like the event's.
        var said = $"{operation} failed: ";
        var reason = wait.Failure.Message;
        reason = reason.StartsWith(said, StringComparison.Ordinal) ? reason[said.Length..] : reason;
        Log.StoreRetry(operation, attempt, wait.Time, reason);
        await Task.Delay(wait.Time, Time, cancellationToken).ConfigureAwait(false);
    }
}
