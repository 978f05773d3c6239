using System.Buffers;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.WalG;

namespace WalRus.Archiving;

/// <summary>
/// Which cluster an archive belongs to: the system identifier of its newest backup or, before there is one, of a WAL
/// segment in it. wal-g keeps no such mark and lets two clusters mix their WAL in one prefix.
/// </summary>
public static class ArchiveIdentity
{
    /// <summary>The system identifier of the archive's cluster; null when the archive is empty or nothing in it tells.</summary>
    public static async ValueTask<ulong?> FindAsync(Archive archive, CancellationToken cancellationToken)
    {
        var newest = await NewestSentinelAsync(archive, cancellationToken).ConfigureAwait(false);
        return newest is { } name && await IdentifierOfAsync(archive, name, cancellationToken).ConfigureAwait(false) is { } found
            ? found
            : await FromAnySegmentAsync(archive, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Null when the sentinel is gone, unreadable or too old to tell: then the WAL is asked.</summary>
    private static async ValueTask<ulong?> IdentifierOfAsync(
        Archive archive, BackupName name, CancellationToken cancellationToken)
    {
        try
        {
            var sentinel = await new BackupCatalog(archive).ReadSentinelAsync(name, cancellationToken).ConfigureAwait(false);
            return sentinel?.SystemIdentifier;
        }
        catch (WalRusException unreadable) when (unreadable.Code == ErrorCode.BackupUnreadable)
        {
            return null;
        }
    }

    private static async ValueTask<BackupName?> NewestSentinelAsync(Archive archive, CancellationToken cancellationToken)
    {
        BackupName? newest = null;
        var modified = DateTimeOffset.MinValue;
        var request = new ListRequest { Folder = WalGLayout.BackupFolder };
        await foreach (var entry in archive.Store.ListAsync(request, cancellationToken).ConfigureAwait(false))
        {
            if (!entry.IsFolder && entry.LastModified >= modified && WalGLayout.SentinelOwner(entry.Key) is { } name)
            {
                (newest, modified) = (name, entry.LastModified);
            }
        }

        return newest;
    }

    private static async ValueTask<ulong?> FromAnySegmentAsync(Archive archive, CancellationToken cancellationToken)
    {
        var objects = new WalCatalog(archive).ListAsync(null, cancellationToken).ConfigureAwait(false);
        await foreach (var found in objects)
        {
            if (found.Kind == WalObjectKind.Segment)
            {
                return await ReadIdentifierAsync(archive, found.Key, cancellationToken).ConfigureAwait(false);
            }
        }

        return null;
    }

    private static async ValueTask<ulong?> ReadIdentifierAsync(
        Archive archive, ObjectKey key, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(WalPageHeader.LongLength);
        try
        {
            var source = await archive.OpenReadAsync(key, cancellationToken).ConfigureAwait(false);
            await using (source.ConfigureAwait(false))
            {
                var header = buffer.AsMemory(0, WalPageHeader.LongLength);
                var read = await source.ReadAtLeastAsync(header, header.Length, false, cancellationToken).ConfigureAwait(false);
                return WalPageHeader.TryParse(header.Span[..read], out var page) && page.IsLong
                    ? page.SystemIdentifier
                    : null;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
