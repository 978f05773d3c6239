using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Streaming;
using WalRus.Streaming.Tar;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>Whether a parent is of the server as it is now: the same cluster, on the way to its timeline, and behind it.</summary>
internal sealed class DeltaParentCheck(Archive archive, NativeBufferPool buffers)
{
    private const string FullHint = "Make a full backup (--full, -Full), or name another parent.";

    /// <returns>Why the parent cannot be used, to be said with a full backup; null when it can.</returns>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.BackupParentUnusable"/>: it is of another cluster, or ahead of the server; or it was named and
    /// cannot be used.
    /// </exception>
    public async Task<string?> FindObstacleAsync(
        BackupPushPlan plan, BackupSourceStart start, CancellationToken cancellationToken)
    {
        var parent = plan.Parent!;
        RefuseForeign(parent, start);
        var obstacle = TimelineObstacle(parent, start);
        if (obstacle is null)
        {
            RefuseAhead(parent, start);
            obstacle = start.PageBytes != Delta.IncrementLayout.PageBytes
                ? $"the server's pages have {start.PageBytes} bytes, increments are made of pages of {Delta.IncrementLayout.PageBytes}"
                : await ChecksumObstacleAsync(parent, start, cancellationToken).ConfigureAwait(false);
        }

        return obstacle is not null && plan.IsParentNamed
            ? throw new WalRusException(ErrorCode.BackupParentUnusable, $"No delta can be made: {obstacle}.", FullHint)
            : obstacle;
    }

    private static void RefuseForeign(BackupDetail parent, BackupSourceStart start)
    {
        if (parent.SystemIdentifier is { } theirs && start.SystemIdentifier is { } ours && theirs != ours)
        {
            throw new WalRusException(
                ErrorCode.BackupParentUnusable,
                $"{parent.Name} is a backup of another cluster ({theirs}); this one is {ours}.",
                "Give each cluster a prefix of its own; two in one ruin both.");
        }

        if (parent.PgVersion != 0 && parent.PgVersion / 10000 != start.PgVersion / 10000)
        {
            throw new WalRusException(
                ErrorCode.BackupParentUnusable,
                $"{parent.Name} is of PostgreSQL {parent.PgVersion / 10000}; the server is {start.PgVersion / 10000}.",
                FullHint);
        }
    }

    private static string? TimelineObstacle(BackupDetail parent, BackupSourceStart start)
    {
        var now = start.Segment.Timeline;
        if (parent.Timeline == now)
        {
            return null;
        }

        if (start.Timelines is not { } history)
        {
            return $"{parent.Name} is of timeline {parent.Timeline}, and {now.HistoryFileName}, which would say whether "
                + $"timeline {now} comes from there, is neither on the server nor in the archive";
        }

        if (!history.Contains(parent.Timeline))
        {
            return $"{parent.Name} is of timeline {parent.Timeline}, which is not in the past of the server's timeline {now}";
        }

        return history.EndOf(parent.Timeline) is { } end && parent.FinishLsn > end
            ? $"{parent.Name} ends at {parent.FinishLsn}, but the server left timeline {parent.Timeline} at {end}"
            : null;
    }

    private static void RefuseAhead(BackupDetail parent, BackupSourceStart start)
    {
        if (parent.FinishLsn > start.Lsn)
        {
            throw new WalRusException(
                ErrorCode.BackupParentUnusable,
                $"{parent.Name} ends at {parent.FinishLsn}, but the server's backup starts at {start.Lsn}, before that.",
                "On a standby run CHECKPOINT on the primary, wait until it is replayed, and try again; or make a full backup.");
        }
    }

    /// <summary>
    /// pg_checksums writes a checksum into every page of a stopped cluster and leaves each page's LSN as it was: pages
    /// taken from a parent made before that would be without, and the restored server would call them broken.
    /// </summary>
    private async Task<string?> ChecksumObstacleAsync(
        BackupDetail parent, BackupSourceStart start, CancellationToken cancellationToken)
    {
        if (!start.HasDataChecksums)
        {
            return null;
        }

        try
        {
            return await ReadControlAsync(parent.Name, cancellationToken).ConfigureAwait(false) switch
            {
                null => $"{parent.Name} has lost its pg_control, so it cannot be told whether its pages have checksums",
                { DataChecksumVersion: 0 } => $"{parent.Name} was made before the cluster's data checksums were turned on",
                _ => null,
            };
        }
        catch (WalRusException unreadable) when (unreadable.Code is ErrorCode.ObjectCorrupt or ErrorCode.DataDirectoryInvalid)
        {
            return $"the pg_control of {parent.Name} cannot be read: {unreadable.Message.TrimEnd('.')}";
        }
    }

    private async Task<ControlFile?> ReadControlAsync(BackupName name, CancellationToken cancellationToken)
    {
        var found = await archive
            .FindAsync(WalGLayout.Tar(name, WalGLayout.ControlTar), cancellationToken).ConfigureAwait(false);
        if (found is null)
        {
            return null;
        }

        using var buffer = await buffers.RentAsync(TarReader.MinBufferBytes, cancellationToken).ConfigureAwait(false);
        var content = await archive.OpenReadAsync(found.Key, cancellationToken).ConfigureAwait(false);
        await using (content.ConfigureAwait(false))
        {
            var tar = new TarReader(content, buffer.Memory, found.Key.ToString());
            while (await tar.ReadEntryAsync(cancellationToken).ConfigureAwait(false))
            {
                if (tar.Entry.Name.EndsWith(ControlFile.RelativePath, StringComparison.Ordinal))
                {
                    return ControlFile.Parse(await ReadStartAsync(tar, cancellationToken).ConfigureAwait(false));
                }
            }
        }

        return null;
    }

    private static async Task<byte[]> ReadStartAsync(TarReader tar, CancellationToken cancellationToken)
    {
        var bytes = new byte[ControlFile.FileLength];
        for (var filled = 0; filled < bytes.Length;)
        {
            var part = await tar.ReadContentAsync(cancellationToken).ConfigureAwait(false);
            if (part.IsEmpty)
            {
                break;
            }

            part = part[..Math.Min(part.Length, bytes.Length - filled)];
            part.CopyTo(bytes.AsMemory(filled));
            filled += part.Length;
        }

        return bytes;
    }
}
