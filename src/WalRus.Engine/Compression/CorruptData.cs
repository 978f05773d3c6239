namespace WalRus.Compression;

/// <summary>The two ways a compressed object is not what was written.</summary>
internal static class CorruptData
{
    public static WalRusException Truncated(string method) => new(
        ErrorCode.ObjectCorrupt,
        $"The {method} data is truncated: its end is missing.",
        "The object was not stored whole; use another copy of it.");

    /// <param name="method">The compression method.</param>
    /// <param name="reason">What is wrong, without a full stop.</param>
    /// <param name="inner">What was caught.</param>
    public static WalRusException Damaged(string method, string reason, Exception? inner = null) => new(
        ErrorCode.ObjectCorrupt,
        $"The {method} data is damaged: {reason}.",
        "The object does not hold what was written; use another copy of it.",
        inner);
}
