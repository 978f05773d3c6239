using System.Diagnostics;

namespace WalRus.Backup;

/// <summary>Adds up what all lanes have read and reports it, not more than ten times a second.</summary>
internal sealed class BackupProgress
{
    private const string Activity = "Backing up";

    private static readonly long Interval = Stopwatch.Frequency / 10;

    private readonly IProgress<TransferProgress>? listener;
    private readonly long? totalBytes;
    private long doneBytes;
    private long nextReport;

    /// <param name="totalBytes">An estimate, or null.</param>
    public BackupProgress(IProgress<TransferProgress>? listener, long? totalBytes)
    {
        this.listener = listener;
        this.totalBytes = totalBytes;
    }

    public void Add(string name, long bytes)
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
            listener.Report(new TransferProgress(Activity, name, done, totalBytes));
        }
    }

    /// <summary>Says that another step has begun, with what is done so far.</summary>
    public void Step(string activity) =>
        listener?.Report(new TransferProgress(activity, null, Interlocked.Read(ref doneBytes), totalBytes));
}
