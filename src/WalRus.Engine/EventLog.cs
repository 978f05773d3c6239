namespace WalRus;

/// <summary>How much an event matters; wal-g's log levels are a filter over these.</summary>
public enum EventLevel
{
    Debug,
    Info,
    Warning,
    Error,
}

/// <summary>One thing that happened: a stable name for machines and a sentence for people.</summary>
/// <param name="Level">How much it matters.</param>
/// <param name="Name">Stable PascalCase name, the JSON log's <c>event</c>.</param>
/// <param name="Message">The sentence, without secrets and without a trailing newline.</param>
public readonly record struct LogEvent(EventLevel Level, string Name, string Message);

/// <summary>Where the engine reports what it decided. Implementations are thread-safe and never throw or block for long.</summary>
public interface IEventLog
{
    bool IsEnabled(EventLevel level);

    void Write(in LogEvent logEvent);
}

/// <summary>Reports nothing.</summary>
public sealed class NullEventLog : IEventLog
{
    public static NullEventLog Instance { get; } = new();

    private NullEventLog()
    {
    }

    public bool IsEnabled(EventLevel level) => false;

    public void Write(in LogEvent logEvent)
    {
    }
}
