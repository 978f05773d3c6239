using System.Runtime.CompilerServices;
using System.Threading.Channels;
using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Verification;

/// <summary>
/// Reads every object of an archive to its end, or those that one backup needs, and tells what is wrong with each.
/// Bounded: so many objects at a time, a buffer each; findings wait for whoever takes them.
/// </summary>
/// <param name="archive">The archive.</param>
/// <param name="buffers">Where buffers come from.</param>
/// <param name="lanes">Objects read at the same time.</param>
/// <param name="assumedSize">The segment size where no segment can be read that tells it.</param>
public sealed class ArchiveExamination(Archive archive, NativeBufferPool buffers, int lanes, WalSegmentSize assumedSize)
{
    private const int WaitingFindings = 64;

    private long objects;
    private long bytes;
    private long segments;
    private long backups;

    /// <summary>What was read so far; final when the findings have ended.</summary>
    public ExaminationSummary Summary => new(
        Interlocked.Read(ref objects), Interlocked.Read(ref bytes), Interlocked.Read(ref backups), Interlocked.Read(ref segments));

    /// <summary>Each thing that is wrong as it is found. For one pass; the next needs a new one.</summary>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.BackupNotFound"/> for a name; what keeps the store from being read. Damage is a finding.
    /// </exception>
    public async IAsyncEnumerable<ArchiveFinding> RunAsync(
        ExaminationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var found = Channel.CreateBounded<ArchiveFinding>(WaitingFindings);
        var work = Task.Run(
            async () =>
            {
                Exception? failure = null;
                try
                {
                    await ExamineAsync(request, finding => found.Writer.WriteAsync(finding, stop.Token), stop.Token).ConfigureAwait(false);
                }
                catch (Exception any)
                {
                    failure = any;
                }

                found.Writer.Complete(failure);
            },
            CancellationToken.None);
        try
        {
            await foreach (var finding in found.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                yield return finding;
            }
        }
        finally
        {
            // A caller that stops early leaves no read behind.
            await stop.CancelAsync().ConfigureAwait(false);
            await work.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task ExamineAsync(ExaminationRequest request, Func<ArchiveFinding, ValueTask> report, CancellationToken cancellationToken)
    {
        var facts = await ExaminationFacts.ReadAsync(archive, assumedSize, cancellationToken).ConfigureAwait(false);
        var progress = new Progress(this, request.Progress, facts.WalBytes);
        if (request.BackupName is { } name)
        {
            await ExamineOneAsync(name, facts, report, progress, cancellationToken).ConfigureAwait(false);
            return;
        }

        await ExamineWalAsync(facts, report, progress, cancellationToken).ConfigureAwait(false);
        await ExamineBackupsAsync(facts, report, progress, cancellationToken).ConfigureAwait(false);
    }

    private async Task ExamineWalAsync(
        ExaminationFacts facts, Func<ArchiveFinding, ValueTask> report, Progress progress, CancellationToken cancellationToken)
    {
        foreach (var missing in facts.Missing())
        {
            await report(missing).ConfigureAwait(false);
        }

        var examination = new WalObjectExamination(archive, buffers, facts);
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = lanes, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(
            new WalCatalog(archive).ListAsync(null, cancellationToken),
            parallel,
            async (item, token) =>
            {
                if (item.Kind == WalObjectKind.Foreign)
                {
                    return;
                }

                if (await examination.RunAsync(item, token).ConfigureAwait(false) is { } finding)
                {
                    await report(finding).ConfigureAwait(false);
                }

                progress.Add(item.Key, item.SizeBytes, item.Kind == WalObjectKind.Segment);
            }).ConfigureAwait(false);
    }

    private async Task ExamineBackupsAsync(
        ExaminationFacts facts, Func<ArchiveFinding, ValueTask> report, Progress progress, CancellationToken cancellationToken)
    {
        var examination = new BackupExamination(archive, buffers, facts, lanes, report);
        var names = new HashSet<string>(StringComparer.Ordinal);
        await foreach (var (name, _) in new BackupCatalog(archive).SentinelsAsync(cancellationToken).ConfigureAwait(false))
        {
            names.Add(name.ToString());
            await examination.RunAsync(name, (key, size) => progress.Add(key, size, false), cancellationToken).ConfigureAwait(false);
            Interlocked.Increment(ref backups);
        }

        var request = new ListRequest { Folder = WalGLayout.BackupFolder };
        await foreach (var entry in archive.Store.ListAsync(request, cancellationToken).ConfigureAwait(false))
        {
            if (entry.IsFolder && !names.Contains(entry.Key.Name))
            {
                await report(ArchiveFinding.Warning(
                    FindingKind.Unlisted, entry.Key, "The backup has no sentinel: it is being made, or it was given up or deleted.")).ConfigureAwait(false);
            }
        }
    }

    /// <summary>A backup, those it is made from, and the WAL until it is consistent.</summary>
    private async Task ExamineOneAsync(
        string name, ExaminationFacts facts, Func<ArchiveFinding, ValueTask> report, Progress progress, CancellationToken cancellationToken)
    {
        var catalog = new BackupCatalog(archive);
        var backup = await catalog.FindAsync(name, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<BackupDetail> chain;
        try
        {
            chain = await catalog.GetChainAsync(backup, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException broken) when (ExaminationFacts.IsDamage(broken))
        {
            // The backup's own examination tells why.
            chain = [backup];
        }

        var size = facts.Size;
        var segmentExamination = new WalObjectExamination(archive, buffers, facts);
        for (var number = size.SegmentNumber(backup.StartLsn); number <= size.SegmentNumber(backup.FinishLsn); number++)
        {
            var segment = WalFileName.FromSegment(backup.Timeline, number, size);
            var found = await archive.FindAsync(WalGLayout.Wal(segment.ToString()), cancellationToken).ConfigureAwait(false);
            if (found is null)
            {
                continue;
            }

            var item = new WalObject(found.Key, WalObjectKind.Segment, segment.ToString(), segment, segment.Timeline, found.SizeBytes, found.LastModified);
            if (await segmentExamination.RunAsync(item, cancellationToken).ConfigureAwait(false) is { } finding)
            {
                await report(finding).ConfigureAwait(false);
            }

            progress.Add(found.Key, found.SizeBytes, true);
        }

        var examination = new BackupExamination(archive, buffers, facts, lanes, report);
        foreach (var step in chain)
        {
            await examination.RunAsync(step.Name, (key, bytesRead) => progress.Add(key, bytesRead, false), cancellationToken).ConfigureAwait(false);
            Interlocked.Increment(ref backups);
        }
    }

    private sealed class Progress(ArchiveExamination owner, IProgress<TransferProgress>? listener, long total)
    {
        public void Add(ObjectKey key, long size, bool isSegment)
        {
            Interlocked.Increment(ref owner.objects);
            Interlocked.Add(ref owner.segments, isSegment ? 1 : 0);
            var done = Interlocked.Add(ref owner.bytes, size);
            listener?.Report(new TransferProgress("Examining", key.ToString(), done, total > done ? total : null));
        }
    }
}
