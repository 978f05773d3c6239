using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Verification;

/// <summary>
/// Reads everything of one backup: its documents, held against each other and against its chain; its tars, held against
/// its list; the WAL that a restore needs to be consistent.
/// </summary>
internal sealed class BackupExamination(
    Archive archive, NativeBufferPool buffers, ExaminationFacts facts, int lanes, Func<ArchiveFinding, ValueTask> report)
{
    /// <summary>Objects read so far are told to <paramref name="readObject"/> with their bytes.</summary>
    public async Task RunAsync(BackupName name, Action<ObjectKey, long> readObject, CancellationToken cancellationToken)
    {
        var documents = await BackupDocuments.ReadAsync(archive, name, cancellationToken).ConfigureAwait(false);
        foreach (var problem in documents.Problems)
        {
            await report(problem with { Backup = name.ToString() }).ConfigureAwait(false);
        }

        if (documents.Sentinel is not { } sentinel)
        {
            return;
        }

        await CheckChainAsync(name, sentinel, cancellationToken).ConfigureAwait(false);
        await CheckWalAsync(name, sentinel).ConfigureAwait(false);
        await new BackupTarsExamination(archive, buffers, name, sentinel, lanes, finding => report(finding with { Backup = name.ToString() }))
            .RunAsync(readObject, cancellationToken).ConfigureAwait(false);
    }

    private async Task CheckChainAsync(BackupName name, BackupSentinel sentinel, CancellationToken cancellationToken)
    {
        if (sentinel.Delta is not { } delta)
        {
            return;
        }

        string? problem = null;
        try
        {
            var catalog = new BackupCatalog(archive);
            var backup = await catalog.FindAsync(name.ToString(), cancellationToken).ConfigureAwait(false);
            var chain = await catalog.GetChainAsync(backup, cancellationToken).ConfigureAwait(false);
            problem = chain[0].Name.ToString() != delta.FullName ? $"Its chain begins with '{chain[0].Name}', its sentinel says '{delta.FullName}'."
                : chain.Count - 1 != delta.Count ? $"Its chain has {chain.Count - 1} deltas, its sentinel says {delta.Count}."
                : name.ParentSegment is { } parent && parent != chain[^2].StartSegment ? $"Its parent starts in {chain[^2].StartSegment}, its name says {parent}."
                : await catalog.ReadSentinelAsync(chain[^2].Name, cancellationToken).ConfigureAwait(false) is { } parentSentinel
                    ? await FilesProblemAsync(name, sentinel, chain[^2].Name, parentSentinel, cancellationToken).ConfigureAwait(false)
                : null;
        }
        catch (WalRusException broken) when (ExaminationFacts.IsDamage(broken))
        {
            problem = broken.Message;
        }

        if (problem is not null)
        {
            await ReportAsync(FindingKind.BackupChainBroken, WalGLayout.Sentinel(name), name, problem).ConfigureAwait(false);
        }
    }

    private async Task<string?> FilesProblemAsync(
        BackupName name, BackupSentinel sentinel, BackupName parent, BackupSentinel parentSentinel, CancellationToken cancellationToken)
    {
        try
        {
            return await new ParentExamination(archive)
                .FindProblemAsync(name, sentinel, parent, parentSentinel, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException damaged) when (ExaminationFacts.IsDamage(damaged))
        {
            // A list that cannot be read is a finding of the backup that it is of.
            return null;
        }
    }

    /// <summary>A backup without the WAL from its start to its end is nothing.</summary>
    private async Task CheckWalAsync(BackupName name, BackupSentinel sentinel)
    {
        if (sentinel is not { StartLsn: { IsValid: true } start, FinishLsn: { IsValid: true } finish } || finish < start)
        {
            return;
        }

        var size = facts.Size;
        var timeline = name.StartSegment.Timeline;
        for (var number = size.SegmentNumber(start); number <= size.SegmentNumber(new Lsn(finish.Value - 1)); number++)
        {
            if (!facts.Has(timeline, number))
            {
                await report(ArchiveFinding.Missing(
                    WalFileName.FromSegment(timeline, number, size),
                    $"'{name}' cannot be recovered: it needs this segment, which the archive does not hold.") with { Backup = name.ToString() })
                    .ConfigureAwait(false);
                return;
            }
        }
    }

    private ValueTask ReportAsync(FindingKind kind, ObjectKey key, BackupName name, string message) =>
        report(ArchiveFinding.Error(kind, key, message) with { Backup = name.ToString() });
}
