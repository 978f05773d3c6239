using System.Buffers;
using System.Globalization;
using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Delta;

/// <summary>
/// Fills a map from WAL: from the sidecars of whole groups of segments where the archive has them, else from the segments
/// themselves, the server's own first.
/// </summary>
internal sealed class WalMapBuilder
{
    private const int BufferBytes = 64 << 10;

    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(250);

    private readonly Archive archive;
    private readonly ChangedBlockRange range;
    private readonly ChangedBlockMap map;
    private readonly TimeSpan archiveTimeout;
    private readonly IEventLog log;
    private readonly WalPath path;
    private readonly WalChangeReader changes;
    private readonly string? walFolder;
    private long sidecarCount;
    private long segmentCount;
    private long localCount;

    public WalMapBuilder(Archive archive, ChangedBlockRange range, ChangedBlockMap map, TimeSpan archiveTimeout, IEventLog log)
    {
        this.archive = archive;
        this.range = range;
        this.map = map;
        this.archiveTimeout = archiveTimeout;
        this.log = log;
        path = new WalPath(range.Timelines, range.SegmentSize);
        walFolder = range.DataDirectory is { } folder ? Path.Combine(folder, "pg_wal") : null;
        changes = new WalChangeReader(TakeBlock, TakeFile);
    }

    /// <summary>What was read so far, for people.</summary>
    public string Read => string.Create(
        CultureInfo.InvariantCulture,
        $"{sidecarCount} sidecars and {segmentCount} WAL segments ({localCount} of the server's own)");

    /// <summary>The error for what nobody can tell.</summary>
    public static WalRusException Unknown(string reason, Exception? inner = null) => new(
        ErrorCode.ChangedBlocksUnknown,
        $"What changed since the parent backup is not known: {reason}.",
        "A delta backup can look at all pages instead. Check that all WAL since the parent backup is archived.",
        inner);

    /// <summary>Adds what the records change that start in a stretch of WAL; both ends are those of records.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ChangedBlocksUnknown"/>, or what the store says.</exception>
    public async Task AddAsync(Lsn from, Lsn to, CancellationToken cancellationToken)
    {
        if (from >= to)
        {
            return;
        }

        var (first, last) = (range.SegmentSize.SegmentNumber(from), LastSegment(to));
        await WaitForAsync(last, cancellationToken).ConfigureAwait(false);
        ulong? unread = null;
        var followsSidecar = false;
        for (var number = first; number <= last;)
        {
            var group = number - (number % DeltaSidecar.SegmentCount);
            var next = group + DeltaSidecar.SegmentCount;
            if (next - 1 <= last && await TrySidecarAsync(group, cancellationToken).ConfigureAwait(false))
            {
                // A record that goes on into the group's first segment is in its sidecar.
                await ReadAsync(unread, number - 1, to, cancellationToken).ConfigureAwait(false);
                (unread, followsSidecar) = (null, true);
            }
            else
            {
                // One that goes on behind the group's last segment is not: it is read from where it begins.
                unread ??= followsSidecar ? number - 1 : number;
            }

            number = next;
        }

        await ReadAsync(unread, last, to, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>No record lies between a segment's first page header and its first record.</summary>
    private ulong LastSegment(Lsn to)
    {
        var last = range.SegmentSize.SegmentNumber(new Lsn(to.Value - 1));
        return to - range.SegmentSize.StartOf(last) <= WalPageHeader.LongLength && last > 0 ? last - 1 : last;
    }

    /// <summary>The server has switched to a new segment, but may not have archived the one before yet.</summary>
    private async Task WaitForAsync(ulong last, CancellationToken cancellationToken)
    {
        var name = path.SegmentAt(last).ToString();
        for (var waited = TimeSpan.Zero; !IsLocal(name); waited += PollInterval)
        {
            if (await archive.FindAsync(WalGLayout.Wal(name), cancellationToken).ConfigureAwait(false) is not null)
            {
                return;
            }

            if (waited >= archiveTimeout)
            {
                throw Unknown(string.Create(
                    CultureInfo.InvariantCulture, $"{name} was not archived within {archiveTimeout.TotalSeconds:0} s"));
            }

            await Task.Delay(PollInterval, cancellationToken).ConfigureAwait(false);
        }
    }

    private bool IsLocal(string name) => walFolder is not null && File.Exists(Path.Combine(walFolder, name));

    private async Task<bool> TrySidecarAsync(ulong group, CancellationToken cancellationToken)
    {
        var first = path.SegmentAt(group);
        if (path.SegmentAt(group + DeltaSidecar.SegmentCount - 1).Timeline != first.Timeline)
        {
            return false;
        }

        var name = DeltaSidecar.NameOf(first);
        var sidecar = await archive.FindAsync(WalGLayout.Wal(name), cancellationToken).ConfigureAwait(false);
        if (sidecar is null)
        {
            return false;
        }

        try
        {
            var files = await archive.FindAsync(WalGLayout.Wal(DeltaFileChanges.NameOf(first)), cancellationToken).ConfigureAwait(false);
            var problem = files is null
                ? "another tool recorded it, which leaves out what is cut off"
                : await TakeSidecarAsync(sidecar.Key, files.Key, cancellationToken).ConfigureAwait(false);
            if (problem is null)
            {
                sidecarCount++;
                return true;
            }

            log.WalDeltaNotUsed(name, problem);
        }
        catch (WalRusException broken) when (broken.Code is ErrorCode.ObjectCorrupt or ErrorCode.ObjectNotFound)
        {
            log.WalDeltaNotUsed(name, broken.Message);
        }

        return false;
    }

    /// <returns>Null, or why it says nothing; what was taken of it by then is too much, which does no harm.</returns>
    private async Task<string?> TakeSidecarAsync(Storage.ObjectKey sidecar, Storage.ObjectKey files, CancellationToken cancellationToken)
    {
        DeltaFileChanges changed;
        var stored = await archive.OpenReadAsync(files, cancellationToken).ConfigureAwait(false);
        await using (stored.ConfigureAwait(false))
        {
            changed = await DeltaFileChanges.ReadAsync(stored, cancellationToken).ConfigureAwait(false);
        }

        if (changed.SystemIdentifier != range.SystemIdentifier || changed.SegmentSize != range.SegmentSize)
        {
            return $"it belongs to the cluster {changed.SystemIdentifier.ToString(CultureInfo.InvariantCulture)}, not to this one";
        }

        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            var source = await archive.OpenReadAsync(sidecar, cancellationToken).ConfigureAwait(false);
            await using (source.ConfigureAwait(false))
            {
                var (length, checksum) = await DeltaSidecar.ReadAsync(source, buffer, map.Add, cancellationToken).ConfigureAwait(false);
                if (length != changed.SidecarLength || checksum != changed.SidecarChecksum)
                {
                    return "another tool has replaced it";
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        for (var entries = changed.Entries.Span; !entries.IsEmpty; entries = entries[DeltaSidecar.LocationBytes..])
        {
            var (relation, block) = DeltaSidecar.ReadLocation(entries);
            map.AddFrom(relation, block);
        }

        return null;
    }

    /// <summary>Reads segments; once more from the archive when the server's own were used up for new WAL meanwhile.</summary>
    private async Task ReadAsync(ulong? first, ulong last, Lsn to, CancellationToken cancellationToken)
    {
        if (first is not { } start)
        {
            return;
        }

        var feed = new WalSegmentFeed(archive, path, walFolder);
        var problem = await ReadAsync(feed, start, last, to, cancellationToken).ConfigureAwait(false);
        if (problem is not null && feed.LocalCount > 0)
        {
            feed = new WalSegmentFeed(archive, path);
            problem = await ReadAsync(feed, start, last, to, cancellationToken).ConfigureAwait(false) is { } second
                ? $"{problem}; {second}"
                : null;
        }

        if (problem is not null)
        {
            throw Unknown(problem);
        }
    }

    /// <returns>Null, or why not all of it could be read.</returns>
    private async Task<string?> ReadAsync(WalSegmentFeed feed, ulong first, ulong last, Lsn to, CancellationToken cancellationToken)
    {
        var reader = new WalRecordReader(
            range.SegmentSize.StartOf(first), WalChangeReader.BytesWanted, WalChangeReader.MaxBodyBytes, maxTailBytes: 0);
        var run = new Run(changes, to);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            for (var number = first; number <= last && !run.IsReached; number++)
            {
                var source = await feed.OpenAsync(number, cancellationToken).ConfigureAwait(false);
                if (source is null)
                {
                    return feed.Stop!.Reason;
                }

                await using (source.ConfigureAwait(false))
                {
                    while (reader.Position < range.SegmentSize.StartOf(number + 1)
                        && await feed.FeedAsync(reader, source, buffer, run.Take, cancellationToken).ConfigureAwait(false))
                    {
                    }
                }

                var problem = run.Problem ?? ProblemOf(reader, run, feed);
                if (problem is not null)
                {
                    return problem;
                }
            }

            return null;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            segmentCount += feed.SegmentCount;
            localCount += feed.LocalCount;
        }
    }

    private string? ProblemOf(WalRecordReader reader, Run run, WalSegmentFeed feed)
    {
        if (reader.SystemIdentifier != 0 && reader.SystemIdentifier != range.SystemIdentifier)
        {
            return $"the WAL is of the cluster {reader.SystemIdentifier.ToString(CultureInfo.InvariantCulture)}, not of this one";
        }

        // The server's current segment ends where the last record does.
        return feed.Stop is { } stop && !run.IsReached && run.NextRecord(range.SegmentSize) < run.To ? stop.Reason : null;
    }

    private void TakeBlock(WalBlockReference block)
    {
        if (block.Fork == 0)
        {
            map.Add(block.Relation, block.Block);
        }
    }

    private void TakeFile(WalFileChange change) => map.AddFrom(change.Relation, change.Block);

    /// <summary>One pass over records, up to the end of the stretch.</summary>
    private sealed class Run(WalChangeReader changes, Lsn to)
    {
        private Lsn lastEnd;

        public Lsn To => to;

        public bool IsReached { get; private set; }

        public string? Problem { get; private set; }

        /// <summary>Where the record behind the last one starts.</summary>
        public Lsn NextRecord(WalSegmentSize size)
        {
            const int PageBytes = 8192;
            var header = lastEnd.Value % (ulong)size.Bytes == 0 ? WalPageHeader.LongLength : WalPageHeader.ShortLength;
            return lastEnd.Value % PageBytes == 0 ? lastEnd + (ulong)header : lastEnd;
        }

        public bool Take(in WalRecord record)
        {
            IsReached = record.Start >= to;
            if (IsReached)
            {
                return false;
            }

            lastEnd = record.End;
            Problem = changes.Read(record);
            return Problem is null;
        }
    }
}
