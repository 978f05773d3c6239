using WalRus.Cli.Terminal;

namespace WalRus.Cli.Service;

/// <summary>A log whose level and destination change while others write to it.</summary>
internal sealed class SwitchingLog : IEventLog, IDisposable
{
    private readonly object gate = new();
    private readonly ConsoleLog first;
    private ConsoleLog current;

    /// <param name="first">Stays the caller's.</param>
    public SwitchingLog(ConsoleLog first) => current = this.first = first;

    public bool IsEnabled(EventLevel level) => Volatile.Read(ref current).IsEnabled(level);

    public void Write(in LogEvent logEvent)
    {
        lock (gate)
        {
            current.Write(logEvent);
        }
    }

    /// <summary>Goes on with another log, which is disposed with this one.</summary>
    public void SwitchTo(ConsoleLog next)
    {
        lock (gate)
        {
            DisposeCurrent();
            current = next;
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            DisposeCurrent();
            current = first;
        }
    }

    private void DisposeCurrent()
    {
        if (current != first)
        {
            current.Dispose();
        }
    }
}
