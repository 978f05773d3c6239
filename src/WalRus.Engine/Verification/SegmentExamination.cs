using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Verification;

/// <summary>
/// Reads one archived segment to its end: the object's own checks, its length, every page header, every record's
/// checksum; a record that goes on in the next segment is read on there, so that no byte of WAL is left to chance.
/// </summary>
internal sealed class SegmentExamination(Archive archive, NativeBufferPool buffers, ExaminationFacts facts)
{
    private const int BufferBytes = 128 * 1024;

    /// <returns>The first thing that is wrong; null for a good segment.</returns>
    public async Task<ArchiveFinding?> RunAsync(ObjectKey key, WalFileName name, bool isPartial, CancellationToken cancellationToken)
    {
        var size = facts.Size;
        if (!name.IsValidFor(size))
        {
            return ArchiveFinding.Error(FindingKind.WalDamaged, key, $"No segment of a cluster with segments of {size} has this name.");
        }

        using var buffer = await buffers.RentAsync(BufferBytes, cancellationToken).ConfigureAwait(false);
        var reading = new SegmentReading(name, size, isPartial ? null : facts.History(name.Timeline));
        var source = await archive.OpenReadAsync(key, cancellationToken).ConfigureAwait(false);
        await using (source.ConfigureAwait(false))
        {
            await ReadAsync(source, buffer.Memory, reading, cancellationToken).ConfigureAwait(false);
        }

        if (reading.Problem is null && !isPartial && reading.Records.IsInsideRecord)
        {
            await ReadOnAsync(name.Next(size), buffer.Memory, reading, cancellationToken).ConfigureAwait(false);
        }

        return Judge(key, reading, size, isPartial);
    }

    /// <summary>A partial segment was cut where its timeline ended: only its beginning and its length say anything.</summary>
    private ArchiveFinding? Judge(ObjectKey key, SegmentReading reading, WalSegmentSize size, bool isPartial)
    {
        var foreign = reading.SystemIdentifier is { } here && facts.SystemIdentifier is { } known && here != known;
        var problem = reading.Length != size.Bytes
            ? FormattableString.Invariant($"it has {reading.Length} bytes instead of the segment size {size.Bytes}")
            : reading.FirstPageProblem ?? (isPartial ? null : reading.Problem ?? reading.HistoryProblem);
        return foreign
            ? ArchiveFinding.Error(
                FindingKind.WalForeign, key, $"It is of the cluster {reading.SystemIdentifier}, the archive's is {facts.SystemIdentifier}.")
            : problem is null ? null : ArchiveFinding.Error(FindingKind.WalDamaged, key, $"It is damaged: {problem}.");
    }

    private static async Task ReadAsync(Stream source, Memory<byte> buffer, SegmentReading reading, CancellationToken cancellationToken)
    {
        int count;
        while ((count = await source.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken)
            .ConfigureAwait(false)) > 0)
        {
            reading.Take(buffer.Span[..count]);
        }
    }

    /// <summary>The beginning of the segment behind, as far as the last record goes on in it.</summary>
    private async Task ReadOnAsync(WalFileName next, Memory<byte> buffer, SegmentReading reading, CancellationToken cancellationToken)
    {
        var found = await archive.FindAsync(WalGLayout.Wal(next.ToString()), cancellationToken).ConfigureAwait(false);
        if (found is null)
        {
            return;
        }

        try
        {
            var source = await archive.OpenReadAsync(found.Key, cancellationToken).ConfigureAwait(false);
            await using var close = source.ConfigureAwait(false);
            int count;
            while (reading.GoesOn
                && (count = await source.ReadAtLeastAsync(buffer[..SegmentPages.PageBytes], SegmentPages.PageBytes, false, cancellationToken)
                    .ConfigureAwait(false)) > 0)
            {
                reading.TakeNext(buffer.Span[..count]);
            }
        }
        catch (WalRusException damaged) when (ExaminationFacts.IsDamage(damaged) || damaged.Code == ErrorCode.ObjectNotFound)
        {
            // That one's own finding.
        }
    }
}
