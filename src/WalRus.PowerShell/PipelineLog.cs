namespace WalRus.Cmdlets;

/// <summary>The engine lives as long as its cmdlet, a pump as long as one piece of work: this leads to the pump of the moment.</summary>
internal sealed class PipelineLog : IEventLog, IProgress<TransferProgress>
{
    private IEventLog current = NullEventLog.Instance;

    public bool IsEnabled(EventLevel level) => Volatile.Read(ref current).IsEnabled(level);

    public void Write(in LogEvent logEvent) => Volatile.Read(ref current).Write(logEvent);

    public void Report(TransferProgress value) => (Volatile.Read(ref current) as IProgress<TransferProgress>)?.Report(value);

    public void LeadTo(IEventLog log) => Volatile.Write(ref current, log);
}
