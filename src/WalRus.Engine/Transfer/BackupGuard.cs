using WalRus.Storage;
using WalRus.WalG;

namespace WalRus.Transfer;

/// <summary>
/// Keeps single objects of a backup from being taken away while its sentinel says that it is whole, and a sentinel while
/// deltas stand on its backup.
/// </summary>
internal sealed class BackupGuard(IObjectStore store)
{
    private const string Hint = "Delete the backup (walrus delete target NAME, Remove-PgBackup), or insist with --force (-Force).";

    /// <param name="path">What is to go: an object's key or a folder.</param>
    /// <param name="cancellationToken">Stops the listing.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupNeeded"/>.</exception>
    public async Task RequireFreeAsync(string path, CancellationToken cancellationToken)
    {
        var parts = path.Split('/');
        if (parts.Length < 2 || parts[0] is not (WalGLayout.BackupFolder or WalGLayout.CatchupFolder))
        {
            // The folder of all backups goes with its sentinels, and other folders hold none.
            return;
        }

        var key = ObjectKey.Parse(path);
        if (parts.Length == 2 && WalGLayout.SentinelOwner(key) is { } owner)
        {
            await RequireNoDeltaAsync(parts[0], owner, cancellationToken).ConfigureAwait(false);
            return;
        }

        var sentinel = ObjectKey.Parse($"{parts[0]}/{parts[1]}{WalGLayout.SentinelSuffix}");
        if (await store.HeadAsync(sentinel, cancellationToken).ConfigureAwait(false) is not null)
        {
            throw new WalRusException(
                ErrorCode.BackupNeeded,
                $"'{path}' is part of backup '{parts[1]}', which is listed: without it the backup could not be restored.",
                Hint);
        }
    }

    private async Task RequireNoDeltaAsync(string folder, BackupName owner, CancellationToken cancellationToken)
    {
        await foreach (var entry in store.ListAsync(new ListRequest { Folder = folder }, cancellationToken).ConfigureAwait(false))
        {
            if (!entry.IsFolder && WalGLayout.SentinelOwner(entry.Key) is { IsDelta: true } other
                && other.ParentSegment == owner.StartSegment && other != owner)
            {
                throw new WalRusException(
                    ErrorCode.BackupNeeded, $"'{other}' is a delta of '{owner}' and could not be restored without it.", Hint);
            }
        }
    }
}
