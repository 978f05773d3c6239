using WalRus.Archiving;

namespace WalRus.Wal;

/// <summary>
/// Refuses WAL of a cluster that is not the archive's. What the archive says is asked once and kept: an archive does not
/// change its cluster while a process pushes to it.
/// </summary>
internal sealed class ClusterCheck(Archive archive)
{
    private ulong archiveIdentifier;

    /// <exception cref="WalRusException"><see cref="ErrorCode.WalSegmentForeign"/>.</exception>
    public async ValueTask RequireAsync(ulong systemIdentifier, string fileName, CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref archiveIdentifier) is var known && known == 0)
        {
            // An empty archive becomes this cluster's with its first segment; of several at once, with the first of them.
            var found = await ArchiveIdentity.FindAsync(archive, cancellationToken).ConfigureAwait(false) ?? systemIdentifier;
            var earlier = Interlocked.CompareExchange(ref archiveIdentifier, found, 0);
            known = earlier == 0 ? found : earlier;
        }

        if (known != systemIdentifier)
        {
            throw new WalRusException(
                ErrorCode.WalSegmentForeign,
                $"'{fileName}' belongs to the cluster with system identifier {systemIdentifier}, but {archive.Store.Location} "
                + $"holds the archive of {known}.",
                "Give each cluster a prefix of its own. After pg_upgrade or a new initdb start a new prefix; "
                + "WALRUS_CHECK_SYSTEM_IDENTIFIER=false lets them mix.");
        }
    }
}
