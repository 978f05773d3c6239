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
        var size = facts.Coverage?.Size ?? WalSegmentSize.Default;
        if (!name.IsValidFor(size))
        {
            return ArchiveFinding.Error(FindingKind.WalDamaged, key, $"No segment of a cluster with segments of {size} has this name.");
        }

        using var buffer = await buffers.RentAsync(BufferBytes, cancellationToken).ConfigureAwait(false);
        var reading = new Reading(name, size, isPartial ? null : facts.History(name.Timeline));
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
    private ArchiveFinding? Judge(ObjectKey key, Reading reading, WalSegmentSize size, bool isPartial)
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

    private static async Task ReadAsync(Stream source, Memory<byte> buffer, Reading reading, CancellationToken cancellationToken)
    {
        int count;
        while ((count = await source.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken)
            .ConfigureAwait(false)) > 0)
        {
            reading.Take(buffer.Span[..count]);
        }
    }

    /// <summary>The beginning of the segment behind, as far as the last record goes on in it.</summary>
    private async Task ReadOnAsync(WalFileName next, Memory<byte> buffer, Reading reading, CancellationToken cancellationToken)
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

    /// <summary>What came to light of a segment so far.</summary>
    private sealed class Reading(WalFileName name, WalSegmentSize size, TimelineHistory? history)
    {
        private readonly SegmentPages pages = new(history);
        private readonly Lsn start = name.StartLsn(size);

        /// <summary>Where the timeline begins, if it does in this segment: a record starts there, unless the history is wrong.</summary>
        private readonly Lsn begin = history is { Switches.Count: > 0 } && size.SegmentNumber(history.Switches[^1].SwitchPoint) == name.SegmentNumber(size)
            ? history.Switches[^1].SwitchPoint : default;

        private bool hasBegun;
        private bool isSwitched;

        public WalRecordReader Records { get; } = new(name.StartLsn(size));

        public long Length { get; private set; }

        public ulong? SystemIdentifier { get; private set; }

        public string? FirstPageProblem { get; private set; }

        public string? Problem { get; private set; }

        /// <summary>What the history says of the segment and the segment does not.</summary>
        public string? HistoryProblem => begin.IsValid && !hasBegun
            ? $"timeline {name.Timeline} begins at {begin} by its history, where no record of its WAL does" : null;

        /// <summary>True while the record that began in the segment is not at its end.</summary>
        public bool GoesOn => Problem is null && Records.IsInsideRecord;

        public void Take(ReadOnlySpan<byte> bytes)
        {
            if (Length + bytes.Length <= size.Bytes && Problem is null)
            {
                CheckPages(bytes);
                CheckRecords(bytes);
            }

            Length += bytes.Length;
        }

        public void TakeNext(ReadOnlySpan<byte> bytes) => CheckRecords(bytes);

        private void CheckPages(ReadOnlySpan<byte> bytes)
        {
            for (var at = 0; at + SegmentPages.PageBytes <= bytes.Length && Problem is null; at += SegmentPages.PageBytes)
            {
                var page = bytes.Slice(at, SegmentPages.PageBytes);
                var address = start + (ulong)(Length + at);
                if (address == start)
                {
                    CheckFirst(page);
                }

                // Behind a switch there is nothing, not even headers.
                isSwitched = isSwitched || (address != start && !page.ContainsAnyExcept((byte)0));
                Problem ??= isSwitched ? null : pages.ProblemOf(page, address);
            }
        }

        /// <summary>At the start of a page the record stands behind the page's header.</summary>
        private bool IsBegin(Lsn record) => record == begin
            || (begin.Value % SegmentPages.PageBytes == 0 && record > begin && record - begin <= WalPageHeader.LongLength);

        private void CheckFirst(ReadOnlySpan<byte> page)
        {
            if (!WalPageHeader.TryParse(page, out var header) || !header.IsLong || header.PageAddress != start
                || header.Timeline > name.Timeline || header.SegmentSizeBytes != size.Bytes)
            {
                Problem = FirstPageProblem = "its first page is not that of the segment in its name";
                return;
            }

            SystemIdentifier = header.SystemIdentifier;
        }

        private void CheckRecords(ReadOnlySpan<byte> bytes)
        {
            WalReadState state;
            while (Problem is null && (state = Records.Read(ref bytes)) != WalReadState.NeedsBytes)
            {
                Problem = state == WalReadState.End ? Records.EndReason : null;
                hasBegun |= state == WalReadState.Record && IsBegin(Records.Record.Start);
            }

            Problem ??= Records.HasDataBetweenRecords ? "there is data where PostgreSQL leaves none, between or behind its records" : null;
        }
    }
}
