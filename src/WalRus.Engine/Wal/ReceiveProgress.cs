using System.Diagnostics;
using WalRus.Postgres;

namespace WalRus.Wal;

/// <summary>Where receiving stands: written by its parts, read by any of them.</summary>
internal sealed class ReceiveProgress
{
    private readonly long begun = Stopwatch.GetTimestamp();
    private long receivedBytes;
    private long segments;
    private long storedBytes;
    private long reconnects;
    private ulong received;
    private ulong durable;
    private ulong server;
    private uint timeline;
    private int waiting;

    /// <summary>Everything before it has been received and written to the folder.</summary>
    public Lsn Received
    {
        get => new(Volatile.Read(ref received));
        set => Volatile.Write(ref received, value.Value);
    }

    /// <summary>Everything before it is durable in the store.</summary>
    public Lsn Durable
    {
        get => new(Volatile.Read(ref durable));
        set => Volatile.Write(ref durable, value.Value);
    }

    public Lsn Server
    {
        get => new(Volatile.Read(ref server));
        set => Volatile.Write(ref server, value.Value);
    }

    public int Waiting
    {
        get => Volatile.Read(ref waiting);
        set => Volatile.Write(ref waiting, value);
    }

    public TimelineId Timeline
    {
        set => Volatile.Write(ref timeline, value.Value);
    }

    public void Came(int bytes) => Interlocked.Add(ref receivedBytes, bytes);

    public void Reconnected() => Interlocked.Increment(ref reconnects);

    public void Stored(WalFileKind kind, long bytes)
    {
        Interlocked.Add(ref storedBytes, bytes);
        if (kind == WalFileKind.Segment)
        {
            Interlocked.Increment(ref segments);
        }
    }

    public WalReceiveStatistics Take() => new()
    {
        Duration = Stopwatch.GetElapsedTime(begun),
        ReceivedBytes = Interlocked.Read(ref receivedBytes),
        Segments = Interlocked.Read(ref segments),
        StoredBytes = Interlocked.Read(ref storedBytes),
        Reconnects = Interlocked.Read(ref reconnects),
        Timeline = Volatile.Read(ref timeline) is var number and > 0 ? new TimelineId(number) : null,
        ReceivedPosition = Received,
        DurablePosition = Durable,
        ServerPosition = Server,
        WaitingSegments = Waiting,
    };
}
