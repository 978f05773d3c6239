namespace WalRus.Daemon;

/// <summary>What a daemon has done so far, counted by whoever does it.</summary>
/// <param name="time">The clock: the monotonic one for rates, the wall's for what people read.</param>
internal sealed class DaemonFigures(TimeProvider time)
{
    private const int WindowSeconds = 60;

    private readonly object gate = new();
    private readonly long start = time.GetTimestamp();
    private readonly (long Second, int Files, long Bytes)[] window = new (long, int, long)[WindowSeconds];
    private DaemonCounts counts = new() { Started = time.GetUtcNow() };

    /// <summary>The counts now, with what the last minute was like.</summary>
    public DaemonCounts Read()
    {
        lock (gate)
        {
            var now = Second();
            var files = 0;
            var bytes = 0L;
            foreach (var slot in window)
            {
                if (slot.Second > now - WindowSeconds)
                {
                    files += slot.Files;
                    bytes += slot.Bytes;
                }
            }

            return counts with { Uptime = time.GetElapsedTime(start), UploadedLastMinute = files, BytesLastMinute = bytes };
        }
    }

    /// <summary>A file became durable in the archive.</summary>
    public void Uploaded(long bytes, long storedBytes)
    {
        lock (gate)
        {
            counts = counts with
            {
                Uploaded = counts.Uploaded + 1,
                UploadedBytes = counts.UploadedBytes + bytes,
                StoredBytes = counts.StoredBytes + storedBytes,
            };
            var now = Second();
            ref var slot = ref window[now % WindowSeconds];
            slot = slot.Second == now ? (now, slot.Files + 1, slot.Bytes + bytes) : (now, 1, bytes);
        }
    }

    /// <summary>PostgreSQL was told that a file is archived.</summary>
    public void Answered(string name)
    {
        lock (gate)
        {
            counts = counts with { Archived = counts.Archived + 1, LastArchived = name, LastArchivedTime = time.GetUtcNow() };
        }
    }

    /// <summary>A file was brought back.</summary>
    public void Fetched()
    {
        lock (gate)
        {
            counts = counts with { Fetched = counts.Fetched + 1 };
        }
    }

    /// <summary>A request was refused, for this reason.</summary>
    public void Failed(string reason)
    {
        lock (gate)
        {
            counts = counts with { Failed = counts.Failed + 1, LastError = reason, LastErrorTime = time.GetUtcNow() };
        }
    }

    /// <summary>Seconds since the start, from 1: a slot of second 0 is an unused one.</summary>
    private long Second() => 1 + WindowSeconds + (long)time.GetElapsedTime(start).TotalSeconds;
}

/// <summary>Counts since the daemon started.</summary>
internal sealed record DaemonCounts
{
    public DateTimeOffset Started { get; init; }

    public TimeSpan Uptime { get; init; }

    public long Archived { get; init; }

    public long Uploaded { get; init; }

    public long UploadedBytes { get; init; }

    public long StoredBytes { get; init; }

    public long Fetched { get; init; }

    public long Failed { get; init; }

    public int UploadedLastMinute { get; init; }

    public long BytesLastMinute { get; init; }

    public string? LastArchived { get; init; }

    public DateTimeOffset? LastArchivedTime { get; init; }

    public string? LastError { get; init; }

    public DateTimeOffset? LastErrorTime { get; init; }
}
