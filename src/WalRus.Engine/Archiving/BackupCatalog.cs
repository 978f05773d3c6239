using System.Runtime.CompilerServices;
using System.Text.Json;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.WalG;

namespace WalRus.Archiving;

/// <summary>One backup of a listing, or why it cannot be read.</summary>
/// <param name="Name">The name in the sentinel's key.</param>
/// <param name="Modified">The sentinel's modification time.</param>
/// <param name="Detail">Null when <paramref name="Error"/> says why.</param>
public sealed record BackupCatalogEntry(
    BackupName Name, DateTimeOffset Modified, BackupDetail? Detail, WalRusException? Error);

/// <summary>
/// The backups of an archive: those that have a sentinel. metadata.json is the authority for permanence and user data,
/// as in wal-g; the sentinel where it is missing or damaged.
/// </summary>
/// <param name="archive">Where they are.</param>
/// <param name="log">Hears of a damaged metadata.json; null for silence.</param>
public sealed class BackupCatalog(Archive archive, IEventLog? log = null)
{
    public const string Latest = "LATEST";

    private const int MaxMetadataBytes = 2 << 20;

    /// <summary>Documents read at the same time.</summary>
    private const int Lanes = 8;

    private const string CannotBeRestored = "Choose another backup: this one cannot be restored without its parent.";

    /// <summary>Every backup as its documents arrive, in no promised order. A sentinel that cannot be read is an entry with its error.</summary>
    public async IAsyncEnumerable<BackupCatalogEntry> ListAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var reading = new Queue<Task<BackupCatalogEntry?>>(Lanes);
        try
        {
            await foreach (var (name, modified) in SentinelsAsync(cancellationToken).ConfigureAwait(false))
            {
                reading.Enqueue(ReadEntryAsync(name, modified, stop.Token));
                if (reading.Count >= Lanes && await reading.Dequeue().ConfigureAwait(false) is { } entry)
                {
                    yield return entry;
                }
            }

            while (reading.TryDequeue(out var next))
            {
                if (await next.ConfigureAwait(false) is { } entry)
                {
                    yield return entry;
                }
            }
        }
        finally
        {
            // A caller that stops early leaves no read behind.
            await stop.CancelAsync().ConfigureAwait(false);
            await ((Task)Task.WhenAll(reading)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Names and modification times only: one listing, no document read.</summary>
    public async IAsyncEnumerable<(BackupName Name, DateTimeOffset Modified)> SentinelsAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListRequest { Folder = WalGLayout.BackupFolder };
        await foreach (var entry in archive.Store.ListAsync(request, cancellationToken).ConfigureAwait(false))
        {
            if (!entry.IsFolder && WalGLayout.SentinelOwner(entry.Key) is { } name)
            {
                yield return (name, entry.LastModified);
            }
        }
    }

    /// <summary>Every readable backup, oldest first by modification time, then name: wal-g's order.</summary>
    /// <param name="unreadable">Told of each that cannot be read; null to pass over them.</param>
    /// <param name="cancellationToken">Stops the listing.</param>
    public async Task<IReadOnlyList<BackupDetail>> ListOrderedAsync(
        Action<BackupCatalogEntry>? unreadable, CancellationToken cancellationToken)
    {
        var found = new List<BackupDetail>();
        await foreach (var entry in ListAsync(cancellationToken).ConfigureAwait(false))
        {
            if (entry.Detail is not null)
            {
                found.Add(entry.Detail);
            }
            else
            {
                unreadable?.Invoke(entry);
            }
        }

        return [.. found.OrderBy(backup => backup.Modified).ThenBy(backup => backup.Name)];
    }

    /// <summary>The backup of a name, or the newest for "LATEST".</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupNotFound"/>, <see cref="ErrorCode.BackupUnreadable"/>.</exception>
    public async Task<BackupDetail> FindAsync(string name, CancellationToken cancellationToken)
    {
        if (name == Latest)
        {
            return await FindLatestAsync(cancellationToken).ConfigureAwait(false);
        }

        var head = BackupName.TryParse(name, out var parsed)
            ? await archive.Store.HeadAsync(WalGLayout.Sentinel(parsed), cancellationToken).ConfigureAwait(false)
            : null;
        var detail = head is null
            ? null
            : await ReadDetailAsync(parsed, head.LastModified, cancellationToken).ConfigureAwait(false);
        return detail ?? throw new WalRusException(
            ErrorCode.BackupNotFound,
            $"Backup '{name}' does not exist.",
            "backup-list (Get-BackupList) shows those there are.");
    }

    /// <summary>The one backup with this user data: values are compared, not texts; the order of keys does not matter.</summary>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.BackupNotFound"/>; <see cref="ErrorCode.BackupAmbiguous"/> when several have it.
    /// </exception>
    public async Task<BackupDetail> FindByUserDataAsync(JsonElement userData, CancellationToken cancellationToken)
    {
        var unreadable = 0;
        var all = await ListOrderedAsync(_ => unreadable++, cancellationToken).ConfigureAwait(false);
        var matching = all.Where(backup => backup.UserData is { } data && JsonEquality.Equal(data, userData)).ToArray();
        return matching.Length switch
        {
            1 => matching[0],
            0 => throw new WalRusException(
                ErrorCode.BackupNotFound,
                "No backups found with the given user data"
                    + (unreadable > 0 ? $"; {unreadable} that cannot be read were passed over." : "."),
                "backup-list --detail --json (Get-BackupList -Detail) shows each backup's user data."),
            _ => throw new WalRusException(
                ErrorCode.BackupAmbiguous,
                $"{matching.Length} backups have the given user data: {string.Join(", ", matching.Select(backup => backup.Name))}.",
                "Name one of them."),
        };
    }

    /// <summary>The backups to restore for this one, from the full backup to it; a full backup is a chain of one.</summary>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.BackupIncomplete"/> when a parent is missing or is another backup than the delta was made
    /// from, or the chain is a circle; <see cref="ErrorCode.BackupUnreadable"/> when a parent cannot be read.
    /// </exception>
    public async Task<IReadOnlyList<BackupDetail>> GetChainAsync(BackupDetail backup, CancellationToken cancellationToken)
    {
        var chain = new List<BackupDetail> { backup };
        while (chain[^1].DeltaFrom is { } parent)
        {
            if (chain.Count > BackupChains.MaxLength || chain.Exists(step => step.Name.ToString() == parent))
            {
                throw new WalRusException(
                    ErrorCode.BackupIncomplete,
                    $"The chain of '{backup.Name}' comes back to '{parent}': it has no full backup.",
                    CannotBeRestored);
            }

            chain.Add(await FindParentAsync(chain[^1], parent, cancellationToken).ConfigureAwait(false));
        }

        chain.Reverse();
        return chain;
    }

    /// <summary>A backup's sentinel; null when there is none.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupUnreadable"/>.</exception>
    public async ValueTask<BackupSentinel?> ReadSentinelAsync(BackupName name, CancellationToken cancellationToken)
    {
        Stream document;
        try
        {
            document = await archive.Store
                .OpenReadAsync(WalGLayout.Sentinel(name), null, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException missing) when (missing.Code == ErrorCode.ObjectNotFound)
        {
            return null;
        }

        await using (document.ConfigureAwait(false))
        {
            return await BackupSentinel.ReadAsync(document, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<BackupDetail> FindParentAsync(
        BackupDetail delta, string parentName, CancellationToken cancellationToken)
    {
        if (parentName.Length == 0)
        {
            throw new WalRusException(
                ErrorCode.BackupIncomplete,
                $"'{delta.Name}' is a catchup backup: it was made for a standby at {delta.DeltaFromLsn} and has no full backup.",
                "Use wal-g's catchup-fetch on that standby, or choose another backup.");
        }

        BackupDetail parent;
        try
        {
            parent = await FindAsync(parentName, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException missing) when (missing.Code == ErrorCode.BackupNotFound)
        {
            throw new WalRusException(
                ErrorCode.BackupIncomplete,
                $"'{delta.Name}' is a delta of '{parentName}', which the archive does not hold.",
                CannotBeRestored,
                missing);
        }

        return BackupChains.Difference(delta, parent) is { } difference
            ? throw new WalRusException(ErrorCode.BackupIncomplete, $"{difference}.", CannotBeRestored)
            : parent;
    }

    private async Task<BackupDetail> FindLatestAsync(CancellationToken cancellationToken)
    {
        (BackupName Name, DateTimeOffset Modified)? latest = null;
        await foreach (var candidate in SentinelsAsync(cancellationToken).ConfigureAwait(false))
        {
            if (latest is not { } best || candidate.Modified > best.Modified
                || (candidate.Modified == best.Modified && candidate.Name.CompareTo(best.Name) > 0))
            {
                latest = candidate;
            }
        }

        var detail = latest is { } found
            ? await ReadDetailAsync(found.Name, found.Modified, cancellationToken).ConfigureAwait(false)
            : null;
        return detail ?? throw new WalRusException(
            ErrorCode.BackupNotFound,
            $"No backups found in {archive.Store.Location}.",
            "Make one (backup-push, New-BaseBackup), or check that the prefix is the right one.");
    }

    private async Task<BackupCatalogEntry?> ReadEntryAsync(
        BackupName name, DateTimeOffset modified, CancellationToken cancellationToken)
    {
        try
        {
            var detail = await ReadDetailAsync(name, modified, cancellationToken).ConfigureAwait(false);
            return detail is null ? null : new BackupCatalogEntry(name, modified, detail, null);
        }
        catch (WalRusException unreadable) when (unreadable.Code is ErrorCode.BackupUnreadable or ErrorCode.ObjectCorrupt)
        {
            return new BackupCatalogEntry(name, modified, null, new WalRusException(
                ErrorCode.BackupUnreadable, $"Backup '{name}' cannot be read: {unreadable.Message}", unreadable.Hint, unreadable));
        }
    }

    /// <returns>Null when the backup was deleted since it was listed.</returns>
    private async Task<BackupDetail?> ReadDetailAsync(
        BackupName name, DateTimeOffset modified, CancellationToken cancellationToken)
    {
        var sentinel = await ReadSentinelAsync(name, cancellationToken).ConfigureAwait(false);
        if (sentinel is null)
        {
            return null;
        }

        var document = await ReadMetadataAsync(name, sentinel, cancellationToken).ConfigureAwait(false);
        var metadata = document ?? sentinel.ToMetadata();
        return new BackupDetail
        {
            Name = name,
            Modified = modified,
            StorageName = archive.Store.Name,
            StartTime = TimeOf(metadata.StartTime),
            FinishTime = TimeOf(metadata.FinishTime),
            Hostname = metadata.Hostname,
            DataDirectory = metadata.DataDirectory,
            PgVersion = metadata.PgVersion,
            StartLsn = metadata.StartLsn,
            FinishLsn = metadata.FinishLsn,
            IsPermanent = metadata.IsPermanent
                || (sentinel.IsPermanent && await IsMarkedLaterAsync(name, modified, cancellationToken).ConfigureAwait(false)),
            SystemIdentifier = metadata.SystemIdentifier,
            UncompressedSize = metadata.UncompressedSize,
            CompressedSize = metadata.CompressedSize,
            UserData = metadata.UserData,
            DeltaFrom = sentinel.Delta?.From,
            DeltaFromLsn = sentinel.Delta?.FromLsn,
            DeltaFullName = sentinel.Delta?.FullName,
            DeltaCount = sentinel.Delta?.Count ?? 0,
            HasMetadata = document is not null,
        };
    }

    /// <summary>
    /// Null when there is none. A damaged one must not keep a backup from being restored: the sentinel says the same, but
    /// whether the backup was marked permanent since is lost with it, so it counts as permanent.
    /// </summary>
    private async ValueTask<BackupMetadata?> ReadMetadataAsync(
        BackupName name, BackupSentinel sentinel, CancellationToken cancellationToken)
    {
        try
        {
            var json = await archive
                .ReadDocumentAsync(WalGLayout.Metadata(name), MaxMetadataBytes, cancellationToken).ConfigureAwait(false);
            return json is null ? null : BackupMetadata.Parse(json);
        }
        catch (WalRusException damaged) when (damaged.Code is ErrorCode.BackupUnreadable or ErrorCode.ObjectCorrupt)
        {
            log?.BackupMetadataUnreadable(name.ToString(), damaged.Message);
            return sentinel.ToMetadata() with { IsPermanent = true };
        }
    }

    /// <summary>
    /// WAL-RUS marks in the sentinel, wal-g in metadata.json. Where the sentinel says permanent and metadata.json does not,
    /// the later of the two is believed; the sentinel when that cannot be told.
    /// </summary>
    private async ValueTask<bool> IsMarkedLaterAsync(
        BackupName name, DateTimeOffset sentinelModified, CancellationToken cancellationToken)
    {
        var metadata = await archive.Store.HeadAsync(WalGLayout.Metadata(name), cancellationToken).ConfigureAwait(false);
        return metadata is null || metadata.LastModified <= sentinelModified;
    }

    private static DateTimeOffset? TimeOf(WalGTime time) => time.IsZero ? null : time.ToDateTimeOffset();
}
