using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.WalG;

namespace WalRus.Transfer;

/// <summary>Chooses what a copy takes along, and refuses before the first byte what could not be used at the target.</summary>
internal sealed class ArchiveCopyPlanner(Archive source, Archive target, ArchiveCopyOptions options, IEventLog log)
{
    private const int MissingShown = 5;

    private readonly BackupCatalog backups = new(source, log);
    private readonly WalCatalog wal = new(source);
    private readonly List<string> warnings = [];

    public async Task<ArchiveCopyPlan> RunAsync(ArchiveCopyRequest request, CancellationToken cancellationToken)
    {
        if (source.Store.Identity == target.Store.Identity)
        {
            throw new WalRusException(
                ErrorCode.InvalidArgument, $"Source and target are one archive: {source.Store.Location}.", "Name another target.");
        }

        var chosen = await ChooseAsync(request.Backups, cancellationToken).ConfigureAwait(false);
        await RequireSameClusterAsync([.. chosen.Select(one => one.Backup)], cancellationToken).ConfigureAwait(false);
        SayEncryption(request);
        WalSegmentSize? size = request.Wal == CopyWal.None || chosen.Count == 0
            ? null : await SegmentSizeAsync(chosen[0].Backup, cancellationToken).ConfigureAwait(false);
        var planned = new List<PlannedCopy>();
        foreach (var (backup, isAncestor) in chosen)
        {
            planned.Add(await PlanAsync(backup, isAncestor, size, cancellationToken).ConfigureAwait(false));
        }

        var plan = new ArchiveCopyPlan { Backups = planned, Warnings = warnings };
        return size is null ? plan : await WithWalAsync(plan, request.Wal, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Parents before their deltas, else in the order of the source, which is that of the sentinels' times.</summary>
    private async Task<IReadOnlyList<(BackupDetail Backup, bool IsAncestor)>> ChooseAsync(
        IReadOnlyList<string>? names, CancellationToken cancellationToken)
    {
        var asked = new List<BackupDetail>();
        if (names is null)
        {
            asked.AddRange(await backups.ListOrderedAsync(unreadable => throw unreadable.Error!, cancellationToken).ConfigureAwait(false));
        }
        else
        {
            foreach (var name in names)
            {
                asked.Add(await backups.FindAsync(name, cancellationToken).ConfigureAwait(false));
            }
        }

        var known = asked.DistinctBy(backup => backup.Name).ToDictionary(backup => backup.Name);
        var ordered = new Dictionary<BackupName, (BackupDetail Backup, bool IsAncestor)>();
        foreach (var backup in known.Values.OrderBy(backup => backup.Modified).ThenBy(backup => backup.Name))
        {
            foreach (var step in await backups.GetChainAsync(backup, cancellationToken).ConfigureAwait(false))
            {
                ordered.TryAdd(step.Name, (step, !known.ContainsKey(step.Name)));
            }
        }

        return [.. ordered.Values];
    }

    private async Task RequireSameClusterAsync(IReadOnlyList<BackupDetail> chosen, CancellationToken cancellationToken)
    {
        if (!options.CheckSystemIdentifier || chosen.FirstOrDefault(backup => backup.SystemIdentifier is not null) is not { } one)
        {
            return;
        }

        var there = await FindClusterAsync(cancellationToken).ConfigureAwait(false);
        if (there is { } other && other != one.SystemIdentifier)
        {
            throw new WalRusException(
                ErrorCode.WalSegmentForeign,
                $"'{one.Name}' is of cluster {one.SystemIdentifier}, but {target.Store.Location} holds cluster {other}.",
                "Copy into a prefix of its own; WALRUS_CHECK_SYSTEM_IDENTIFIER=false allows it all the same.");
        }
    }

    private async Task<ulong?> FindClusterAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await ArchiveIdentity.FindAsync(target, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException unreadable) when (
            unreadable.Code is ErrorCode.DecryptionFailed or ErrorCode.ObjectCorrupt or ErrorCode.CodecUnknown)
        {
            // Copied as it was under another key: only a sentinel can tell, and there is none yet.
            return null;
        }
    }

    private void SayEncryption(ArchiveCopyRequest request)
    {
        if (!request.Recode && source.Crypter is null != target.Crypter is null)
        {
            warnings.Add(source.Crypter is null
                ? "The objects are copied as they are, not encrypted, though the target's settings encrypt; "
                    + "--recode (-Recode) encrypts them."
                : "The objects are copied as they are: reading them takes the source's key, which the target's settings lack; "
                    + "--recode (-Recode) decrypts them.");
        }
    }

    private async Task<WalSegmentSize> SegmentSizeAsync(BackupDetail backup, CancellationToken cancellationToken)
    {
        var header = await wal.ReadHeaderAsync(backup.StartSegment, cancellationToken).ConfigureAwait(false);
        if (header is null)
        {
            await foreach (var item in wal.ListAsync(null, cancellationToken).ConfigureAwait(false))
            {
                if (item is { Kind: WalObjectKind.Segment, Segment: { } segment })
                {
                    header = await wal.ReadHeaderAsync(segment, cancellationToken).ConfigureAwait(false);
                    break;
                }
            }
        }

        return header is { } found && WalSegmentSize.IsValid(found.SegmentSizeBytes)
            ? WalSegmentSize.FromBytes(found.SegmentSizeBytes)
            : throw MissingWal(backup, [backup.StartSegment], 1);
    }

    private async Task<PlannedCopy> PlanAsync(
        BackupDetail backup, bool isAncestor, WalSegmentSize? size, CancellationToken cancellationToken)
    {
        // The sentinel lies beside the folder.
        var (count, bytes) = (1L, 0L);
        var request = new ListRequest { Folder = WalGLayout.BackupObjects(backup.Name), Recursive = true };
        await foreach (var entry in source.Store.ListAsync(request, cancellationToken).ConfigureAwait(false))
        {
            count++;
            bytes += entry.SizeBytes;
        }

        var listed = await target.Store.HeadAsync(WalGLayout.Sentinel(backup.Name), cancellationToken).ConfigureAwait(false);
        var (window, walCount, walBytes) = ((WalWindow?)null, 0L, 0L);
        if (size is { } segments)
        {
            window = WalWindow.Of(backup, segments);
            await RequireWindowAsync(backup, window, cancellationToken).ConfigureAwait(false);
            await foreach (var item in WalSelection.InWindowAsync(wal, window, cancellationToken).ConfigureAwait(false))
            {
                walCount++;
                walBytes += item.SizeBytes;
            }
        }

        return new PlannedCopy(backup, isAncestor, count, bytes, window, walCount, walBytes, listed is not null);
    }

    private async Task RequireWindowAsync(BackupDetail backup, WalWindow window, CancellationToken cancellationToken)
    {
        var missing = await wal.FindMissingAsync(window.FirstNeeded, window.LastNeeded, window.Size, cancellationToken).ConfigureAwait(false);
        if (missing.Count > 0)
        {
            throw MissingWal(backup, missing.First, missing.Count);
        }
    }

    private static WalRusException MissingWal(BackupDetail backup, IReadOnlyList<WalFileName> first, long count) => new(
        ErrorCode.RecoveryWalMissing,
        FormattableString.Invariant(
            $"The source lacks {count} of the WAL segments that '{backup.Name}' needs: {string.Join(", ", first.Take(MissingShown))}."),
        "Archive them, choose other backups, or copy without WAL (--without-wal, -Wal None).");

    private async Task<ArchiveCopyPlan> WithWalAsync(ArchiveCopyPlan plan, CopyWal mode, CancellationToken cancellationToken)
    {
        var from = mode == CopyWal.History ? WalSelection.HistoryStart(plan.Backups) : null;
        var (count, bytes) = (0L, 0L);
        await foreach (var item in wal.ListAsync(null, cancellationToken).ConfigureAwait(false))
        {
            if (item.Kind == WalObjectKind.TimelineHistory || (from is not null && WalSelection.IsSince(item, from)))
            {
                count++;
                bytes += item.SizeBytes;
            }
        }

        if (from is null)
        {
            return plan with
            {
                WalObjectCount = count + plan.Backups.Sum(backup => backup.WalObjectCount),
                WalSizeBytes = bytes + plan.Backups.Sum(backup => backup.WalSizeBytes),
            };
        }

        await SayGapsAsync(from, cancellationToken).ConfigureAwait(false);
        return plan with { HistoryFrom = from.First, WalObjectCount = count, WalSizeBytes = bytes };
    }

    /// <summary>A gap is the source's, and copying makes none; recovery cannot pass it there or here.</summary>
    private async Task SayGapsAsync(WalWindow from, CancellationToken cancellationToken)
    {
        foreach (var range in await wal.GetRangesAsync(cancellationToken).ConfigureAwait(false))
        {
            if (range.Timeline < from.First.Timeline || !range.First.IsValidFor(from.Size) || !range.Last.IsValidFor(from.Size))
            {
                continue;
            }

            var start = WalFileName.FromSegment(
                range.Timeline, Math.Max(range.First.SegmentNumber(from.Size), from.FirstNeeded.SegmentNumber(from.Size)), from.Size);
            if (start <= range.Last
                && await wal.FindMissingAsync(start, range.Last, from.Size, cancellationToken).ConfigureAwait(false) is { Count: > 0 } missing)
            {
                warnings.Add(FormattableString.Invariant(
                    $"The source lacks {missing.Count} segments of timeline {range.Timeline}, the first of them {missing.First[0]}: ")
                    + "no recovery passes it.");
            }
        }
    }
}
