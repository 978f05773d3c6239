using System.Diagnostics;
using WalRus.Storage;

namespace WalRus.Transfer;

/// <summary>Counts what lanes have done.</summary>
internal sealed class CopyTally(string? name)
{
    private readonly long started = Stopwatch.GetTimestamp();
    private long copied;
    private long kept;
    private long bytes;

    public void Add(CopiedObject one)
    {
        if (one.Outcome == CopyOutcome.AlreadyThere)
        {
            Interlocked.Increment(ref kept);
            return;
        }

        Interlocked.Increment(ref copied);
        Interlocked.Add(ref bytes, one.SizeBytes);
    }

    public CopiedBackup Result() => new(
        name,
        Interlocked.Read(ref copied),
        Interlocked.Read(ref kept),
        Interlocked.Read(ref bytes),
        Stopwatch.GetElapsedTime(started));
}

/// <summary>Adds up what all lanes have read and reports it.</summary>
internal sealed class CopyProgress(IProgress<TransferProgress>? listener, long? totalBytes, string activity = "Copying")
{
    private static readonly long Interval = Stopwatch.Frequency / 10;

    private long doneBytes;
    private long nextReport;

    public void Add(ObjectKey key, long bytes)
    {
        var done = Interlocked.Add(ref doneBytes, bytes);
        if (listener is null)
        {
            return;
        }

        var now = Stopwatch.GetTimestamp();
        var due = Interlocked.Read(ref nextReport);
        if (now >= due && Interlocked.CompareExchange(ref nextReport, now + Interval, due) == due)
        {
            listener.Report(new TransferProgress(activity, key.Name, done, totalBytes));
        }
    }
}
