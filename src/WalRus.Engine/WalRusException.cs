namespace WalRus;

/// <summary>
/// A failure of the world (store, disk, server, data) with what the operator should do next. Mistakes of the caller are
/// the ArgumentException family instead; cancellation is OperationCanceledException. Messages never hold secrets.
/// </summary>
public class WalRusException : Exception
{
    /// <param name="code">Which failure; decides ErrorId, category and exit code.</param>
    /// <param name="message">What happened, naming the object, file or server.</param>
    /// <param name="hint">The operator's next step, a full sentence; null where there is none to give.</param>
    /// <param name="inner">What was caught at the layer's edge.</param>
    public WalRusException(ErrorCode code, string message, string? hint = null, Exception? inner = null)
        : base(message, inner)
    {
        Code = code;
        Hint = hint;
    }

    public ErrorCode Code { get; }

    /// <summary>The operator's next step, or null.</summary>
    public string? Hint { get; }

    /// <summary>True when the same call may well succeed later without anybody changing anything.</summary>
    public bool IsTransient { get; init; }

    /// <summary>How long the other side asked to wait before the next try (Retry-After); null if it did not say.</summary>
    public TimeSpan? RetryAfter { get; init; }
}
