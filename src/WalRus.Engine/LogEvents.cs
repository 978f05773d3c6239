namespace WalRus;

/// <summary>
/// Every event the engine reports, by name. Message texts follow wal-g's fragments where scripts are known to look for
/// them (wal-g's documentation, "commands"). Grouped by the folder that reports them; add to the end of your group.
/// </summary>
public static class LogEvents
{
    private static void Write(IEventLog log, EventLevel level, string name, FormattableString message)
    {
        if (log.IsEnabled(level))
        {
            log.Write(new LogEvent(level, name, FormattableString.Invariant(message)));
        }
    }

    // Storage
    public static void StoreRetry(this IEventLog log, string operation, int attempt, TimeSpan delay, string reason) =>
        Write(log, EventLevel.Warning, nameof(StoreRetry),
            $"{operation} failed (attempt {attempt}): {reason}; trying again in {delay.TotalSeconds:0.0} s");

    // Wal

    // Backup

    // Configuration
}
