using WalRus.WalG;

namespace WalRus.Archiving;

/// <summary>
/// Whether a backup is permanent is said by its metadata.json alone, as in wal-g: the sentinel stays as it is, since its
/// modification time is the backups' order.
/// </summary>
public static class BackupPermanence
{
    private const int MaxMetadataBytes = 4 << 20;

    /// <summary>Writes it. A missing or damaged document is made anew from the sentinel.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupNotFound"/>: deleted meanwhile.</exception>
    public static async Task WriteAsync(
        Archive archive, BackupName backup, bool isPermanent, CancellationToken cancellationToken)
    {
        var key = WalGLayout.Metadata(backup);
        var metadata = await ReadAsync(archive, backup, cancellationToken).ConfigureAwait(false);
        await archive
            .WriteDocumentAsync(key, (metadata with { IsPermanent = isPermanent }).ToJson(), cancellationToken)
            .ConfigureAwait(false);
        if (await archive.Store.HeadAsync(WalGLayout.Sentinel(backup), cancellationToken).ConfigureAwait(false) is null)
        {
            // Else the document would be all that is left of a backup that was just deleted.
            await archive.Store.DeleteAsync([key], cancellationToken).ConfigureAwait(false);
            throw Gone(backup);
        }
    }

    private static async Task<BackupMetadata> ReadAsync(
        Archive archive, BackupName backup, CancellationToken cancellationToken)
    {
        try
        {
            var json = await archive
                .ReadDocumentAsync(WalGLayout.Metadata(backup), MaxMetadataBytes, cancellationToken).ConfigureAwait(false);
            if (json is not null)
            {
                return BackupMetadata.Parse(json);
            }
        }
        catch (WalRusException damaged) when (damaged.Code is ErrorCode.BackupUnreadable or ErrorCode.ObjectCorrupt)
        {
            // The sentinel says the same but for permanence, which is about to be written.
        }

        var sentinel = await new BackupCatalog(archive)
            .ReadSentinelAsync(backup, cancellationToken).ConfigureAwait(false);
        return sentinel?.ToMetadata() ?? throw Gone(backup);
    }

    private static WalRusException Gone(BackupName backup) =>
        new(ErrorCode.BackupNotFound, $"Backup '{backup}' was deleted meanwhile.");
}
