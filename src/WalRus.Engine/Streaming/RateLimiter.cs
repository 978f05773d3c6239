namespace WalRus.Streaming;

/// <summary>
/// Holds a flow of bytes to a rate, however many callers share it: a token bucket, served first come, first served.
/// A call for more than the bucket holds waits for what is missing, so any size may be asked for and the rate still holds.
/// </summary>
public sealed class RateLimiter
{
    private readonly object gate = new();
    private readonly TimeProvider time;
    private readonly long burstTicks;
    private readonly double ticksPerByte;

    /// <summary>When the bucket is full again, on the clock of <see cref="time"/>.</summary>
    private long fullAt;

    /// <param name="bytesPerSecond">The rate; a tenth of a second of it may pass at once.</param>
    /// <param name="time">The clock; null for the system's.</param>
    public RateLimiter(long bytesPerSecond, TimeProvider? time = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bytesPerSecond);
        BytesPerSecond = bytesPerSecond;
        this.time = time ?? TimeProvider.System;
        ticksPerByte = (double)this.time.TimestampFrequency / bytesPerSecond;
        burstTicks = this.time.TimestampFrequency / 10;
        fullAt = this.time.GetTimestamp();
    }

    public long BytesPerSecond { get; }

    /// <summary>Returns when <paramref name="bytes"/> may pass. A cancelled wait gives its share back.</summary>
    public ValueTask WaitAsync(int bytes, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        cancellationToken.ThrowIfCancellationRequested();
        var cost = (long)(bytes * ticksPerByte);
        long wait;
        lock (gate)
        {
            var now = time.GetTimestamp();
            fullAt = Math.Max(fullAt, now) + cost;
            wait = fullAt - now - burstTicks;
        }

        return wait <= 0 ? ValueTask.CompletedTask : DelayAsync(wait, cost, cancellationToken);
    }

    private async ValueTask DelayAsync(long wait, long cost, CancellationToken cancellationToken)
    {
        try
        {
            // Rounded up to the timer's millisecond: a wait that ends early would let the rate creep up.
            var milliseconds = Math.Ceiling(wait * 1000.0 / time.TimestampFrequency);
            await Task.Delay(TimeSpan.FromMilliseconds(milliseconds), time, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            lock (gate)
            {
                fullAt -= cost;
            }

            throw;
        }
    }
}
