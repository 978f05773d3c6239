using System.Collections.Concurrent;

namespace WalRus.Tests;

/// <summary>Keeps what the engine reports.</summary>
internal sealed class RecordingLog : IEventLog
{
    public ConcurrentQueue<LogEvent> Events { get; } = [];

    public bool IsEnabled(EventLevel level) => true;

    public void Write(in LogEvent logEvent) => Events.Enqueue(logEvent);

    public int Count(string name) => Events.Count(one => one.Name == name);
}
