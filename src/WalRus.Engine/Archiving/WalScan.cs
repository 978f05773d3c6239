using System.Buffers;
using System.Runtime.CompilerServices;
using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Archiving;

/// <summary>The end of a segment that was read whole.</summary>
/// <param name="Segment">Which.</param>
/// <param name="LastRecord">The start of the last record that lies in it to its end: how far this segment's bytes lead.</param>
/// <param name="End">The first byte behind that record.</param>
public sealed record WalSegmentEnd(WalFileName Segment, Lsn LastRecord, Lsn End);

/// <summary>One thing that a scan came by: a record that says something, or a segment's end.</summary>
public readonly record struct WalScanStep(WalFact? Fact, WalSegmentEnd? SegmentEnd);

/// <summary>Why a scan ended before its last segment's end.</summary>
/// <param name="SegmentNumber">In which.</param>
/// <param name="Reason">For people.</param>
/// <param name="IsMissing">True when the archive does not hold the segment.</param>
public sealed record WalScanStop(ulong SegmentNumber, string Reason, bool IsMissing);

/// <summary>
/// Reads the records of archived WAL along a path, segment by segment as they stream out of the archive: one record and
/// one small buffer in memory. For one pass; the next needs a new one.
/// </summary>
public sealed class WalScan(Archive archive, WalPath path)
{
    private const int BufferBytes = 64 << 10;

    private readonly Queue<WalFact> facts = new();
    private (Lsn Start, Lsn End) lastRecord;

    /// <summary>The last whole record that was read; 0/0 for none.</summary>
    public (Lsn Start, Lsn End) LastRecord => lastRecord;

    /// <summary>Null while nothing stopped it. Replay of this path would end there too.</summary>
    public WalScanStop? Stop { get; private set; }

    /// <summary>How many segments were opened.</summary>
    public long SegmentCount { get; private set; }

    /// <summary>
    /// What begins in the segments from one to another, both included. A record that begins in the last and ends in the one
    /// behind it is read to its end if that is archived. The caller may stop at any time.
    /// </summary>
    /// <exception cref="WalRusException">What the store or a key says; a segment that is missing or broken is <see cref="Stop"/>.</exception>
    public async IAsyncEnumerable<WalScanStep> ReadAsync(
        ulong first, ulong last, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var reader = new WalRecordReader(path.Size.StartOf(first), WalFactDecoder.IsWanted);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            for (var number = first; number <= last || (number == last + 1 && reader.IsInsideRecord && Stop is null); number++)
            {
                var source = await OpenAsync(number, cancellationToken).ConfigureAwait(false);
                if (source is null)
                {
                    yield break;
                }

                await using (source.ConfigureAwait(false))
                {
                    while (await FeedAsync(reader, source, buffer, number, cancellationToken).ConfigureAwait(false))
                    {
                        while (facts.TryDequeue(out var fact))
                        {
                            if (number <= last || fact.Lsn < path.Size.StartOf(number))
                            {
                                yield return new WalScanStep(fact, null);
                            }
                        }

                        if (number > last && !reader.IsInsideRecord)
                        {
                            yield break;
                        }
                    }
                }

                if (Stop is not null)
                {
                    yield break;
                }

                if (lastRecord.Start >= path.Size.StartOf(number) && number <= last)
                {
                    yield return new WalScanStep(null, new WalSegmentEnd(path.SegmentAt(number), lastRecord.Start, lastRecord.End));
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async ValueTask<Stream?> OpenAsync(ulong number, CancellationToken cancellationToken)
    {
        var name = path.SegmentAt(number);
        var found = await archive.FindAsync(WalGLayout.Wal(name.ToString()), cancellationToken).ConfigureAwait(false);
        if (found is null)
        {
            Stop = new WalScanStop(number, $"{name} is not archived", IsMissing: true);
            return null;
        }

        SegmentCount++;
        return await archive.OpenReadAsync(found.Key, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads a piece; facts of it are in the queue. False at the segment's end, or where the WAL ends.</summary>
    private async ValueTask<bool> FeedAsync(
        WalRecordReader reader, Stream source, byte[] buffer, ulong number, CancellationToken cancellationToken)
    {
        var end = path.Size.StartOf(number + 1);
        if (Stop is not null || reader.Position == end)
        {
            return false;
        }

        int count;
        try
        {
            var wanted = (int)Math.Min(buffer.Length, end - reader.Position);
            count = await source.ReadAsync(buffer.AsMemory(0, wanted), cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException broken) when (broken.Code == ErrorCode.ObjectCorrupt)
        {
            Stop = new WalScanStop(number, broken.Message, IsMissing: false);
            return false;
        }

        if (count == 0)
        {
            Stop = new WalScanStop(number, $"{path.SegmentAt(number)} is shorter than {path.Size}", IsMissing: false);
            return false;
        }

        Take(reader, buffer.AsSpan(0, count));
        if (reader.EndReason is { } reason)
        {
            Stop = new WalScanStop(number, $"{path.SegmentAt(number)}: {reason}", IsMissing: false);
        }

        // What came before the end is still told.
        return true;
    }

    private void Take(WalRecordReader reader, ReadOnlySpan<byte> bytes)
    {
        while (reader.Read(ref bytes) == WalReadState.Record)
        {
            var record = reader.Record;
            lastRecord = (record.Start, record.End);
            if (WalFactDecoder.Decode(record) is { } fact)
            {
                facts.Enqueue(fact);
            }
        }
    }
}
