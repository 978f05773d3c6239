namespace WalRus.Backup;

/// <summary>What an operator should know about a backup that is good all the same; logged at once, kept for the result.</summary>
internal sealed class BackupWarnings(IEventLog log)
{
    /// <summary>A directory full of oddities must not fill memory: what comes later is only logged and counted.</summary>
    private const int MaxKept = 100;

    private readonly List<string> kept = [];
    private long dropped;

    /// <summary>Thread-safe.</summary>
    public void Add(string message)
    {
        log.BackupWarning(message);
        lock (kept)
        {
            if (kept.Count < MaxKept)
            {
                kept.Add(message);
            }
            else
            {
                dropped++;
            }
        }
    }

    public IReadOnlyList<string> ToList()
    {
        lock (kept)
        {
            return dropped == 0 ? [.. kept] : [.. kept, $"{dropped} more warnings are in the log."];
        }
    }
}
