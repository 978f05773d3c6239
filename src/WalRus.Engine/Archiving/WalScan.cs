using System.Buffers;
using System.Runtime.CompilerServices;
using WalRus.Postgres;

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
    private readonly WalSegmentFeed feed = new(archive, path);
    private (Lsn Start, Lsn End) lastRecord;

    /// <summary>The last whole record that was read; 0/0 for none.</summary>
    public (Lsn Start, Lsn End) LastRecord => lastRecord;

    /// <summary>Null while nothing stopped it. Replay of this path would end there too.</summary>
    public WalScanStop? Stop => feed.Stop;

    /// <summary>How many segments were opened.</summary>
    public long SegmentCount => feed.SegmentCount;

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
                var source = await feed.OpenAsync(number, cancellationToken).ConfigureAwait(false);
                if (source is null)
                {
                    yield break;
                }

                await using (source.ConfigureAwait(false))
                {
                    while (reader.Position < path.Size.StartOf(number + 1)
                        && await feed.FeedAsync(reader, source, buffer, Take, cancellationToken).ConfigureAwait(false))
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

    private bool Take(in WalRecord record)
    {
        lastRecord = (record.Start, record.End);
        if (WalFactDecoder.Decode(record) is { } fact)
        {
            facts.Enqueue(fact);
        }

        return true;
    }
}
