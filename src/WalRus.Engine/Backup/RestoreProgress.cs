namespace WalRus.Backup;

/// <summary>Adds up what the lanes of a restore do, and reports it no oftener than each few megabytes.</summary>
internal sealed class RestoreProgress(IProgress<TransferProgress>? listener, long? totalBytes)
{
    private const long ReportEachBytes = 4 << 20;
    private readonly object gate = new();
    private long bytes;
    private long reported;

    /// <summary>Content bytes written so far; a tar that is tried again counts once.</summary>
    public long Bytes => Interlocked.Read(ref bytes);

    /// <param name="count">Negative when a tar's work was in vain.</param>
    /// <param name="item">What was worked on.</param>
    public void Add(long count, string item)
    {
        var now = Interlocked.Add(ref bytes, count);
        if (listener is null || now - Interlocked.Read(ref reported) < ReportEachBytes)
        {
            return;
        }

        lock (gate)
        {
            if (now - reported >= ReportEachBytes)
            {
                reported = now;
                listener.Report(new TransferProgress("Restoring", item, now, totalBytes));
            }
        }
    }

    public void Finish(string activity) => listener?.Report(new TransferProgress(activity, null, Bytes, totalBytes));
}
