using WalRus.Postgres;

namespace WalRus.Wal;

/// <summary>How this installation receives WAL; from settings.</summary>
public sealed record WalReceiveOptions
{
    /// <summary>Holds what is received until it is durable in the store, and the segment that is being written.</summary>
    public required string Folder { get; init; }

    /// <summary>The physical slot that keeps WAL on the server; made when it is not there. Null for none.</summary>
    public string? SlotName { get; init; }

    /// <summary>Segments on their way to the store at a time.</summary>
    public int Lanes { get; init; } = 16;

    /// <summary>Finished segments that may wait in the folder for the store; with more, receiving pauses.</summary>
    public int WaitingSegments { get; init; } = 64;

    /// <summary>The longest time between two reports to the server.</summary>
    public TimeSpan StatusInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long what is finished may still take to become durable once asked to end.</summary>
    public TimeSpan DrainLimit { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Refuse to add to the archive of another cluster.</summary>
    public bool CheckSystemIdentifier { get; init; } = true;

    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>One run of receiving.</summary>
public sealed record WalReceiveRequest
{
    /// <summary>Ends once everything before this position has been received; null for not by itself.</summary>
    public Lsn? EndPosition { get; init; }

    /// <summary>
    /// Begin at the server's current position although the archive ends before it: what lies between is not received.
    /// </summary>
    public bool SkipGap { get; init; }

    /// <summary>Asks it to end: what is finished is made durable, the unfinished segment stays in the folder.</summary>
    public CancellationToken Stop { get; init; }

    /// <summary>
    /// Called for each file that has become durable, in the order they did, one at a time; receiving waits for a slow one.
    /// </summary>
    public Func<ReceivedWal, CancellationToken, ValueTask>? OnDurable { get; init; }
}

/// <summary>A WAL file that was received and is durable in the store.</summary>
public sealed record ReceivedWal
{
    /// <summary>A segment, a .history or, at the end of a timeline, a .partial file.</summary>
    public required string Name { get; init; }

    public required WalPushState State { get; init; }

    /// <summary>The object's key below the archive's prefix.</summary>
    public string? Key { get; init; }

    public long BytesIn { get; init; }

    public long BytesOut { get; init; }

    /// <summary>From the last byte's arrival until the file was durable.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>Everything before this position is durable in the store.</summary>
    public Lsn DurablePosition { get; init; }

    /// <summary>How far the server was ahead of that when this file became durable; bytes.</summary>
    public long LagBytes { get; init; }
}

/// <summary>What a run did, or has done so far.</summary>
public sealed record WalReceiveStatistics
{
    public TimeSpan Duration { get; init; }

    /// <summary>Bytes of WAL that came.</summary>
    public long ReceivedBytes { get; init; }

    /// <summary>Whole segments made durable.</summary>
    public long Segments { get; init; }

    /// <summary>Bytes stored for all files.</summary>
    public long StoredBytes { get; init; }

    /// <summary>Tries to get another session after the first.</summary>
    public long Reconnects { get; init; }

    /// <summary>The timeline that was streamed last.</summary>
    public TimelineId? Timeline { get; init; }

    /// <summary>Everything before this position has been received.</summary>
    public Lsn ReceivedPosition { get; init; }

    /// <summary>Everything before this position is durable in the store: what the server is told as flushed.</summary>
    public Lsn DurablePosition { get; init; }

    /// <summary>Where the server's WAL ended when it last spoke.</summary>
    public Lsn ServerPosition { get; init; }

    /// <summary>Finished segments that wait for the store.</summary>
    public int WaitingSegments { get; init; }
}
