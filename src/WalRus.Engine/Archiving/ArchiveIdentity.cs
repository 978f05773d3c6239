using System.Buffers;
using System.Text.Json;
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
    private const int MaxSentinelBytes = 64 << 20;

    /// <summary>The system identifier of the archive's cluster; null when the archive is empty or nothing in it tells.</summary>
    public static async ValueTask<ulong?> FindAsync(Archive archive, CancellationToken cancellationToken)
    {
        var newest = await NewestSentinelAsync(archive, cancellationToken).ConfigureAwait(false);
        if (newest is { } name)
        {
            var json = await archive
                .ReadDocumentAsync(WalGLayout.Sentinel(name), MaxSentinelBytes, cancellationToken)
                .ConfigureAwait(false);
            if (json is not null && IdentifierIn(json) is { } fromBackup)
            {
                return fromBackup;
            }
        }

        return await FromAnySegmentAsync(archive, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Null when the sentinel is unreadable or too old to tell: then the WAL is asked.</summary>
    private static ulong? IdentifierIn(byte[] sentinel)
    {
        try
        {
            using var document = JsonDocument.Parse(sentinel);
            return document.RootElement.TryGetProperty("SystemIdentifier", out var value) && value.TryGetUInt64(out var id)
                ? id
                : null;
        }
        catch (JsonException)
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
        var request = new ListRequest { Folder = WalGLayout.WalFolder };
        await foreach (var entry in archive.Store.ListAsync(request, cancellationToken).ConfigureAwait(false))
        {
            if (!entry.IsFolder && IsSegmentObject(archive, entry.Key))
            {
                return await ReadIdentifierAsync(archive, entry.Key, cancellationToken).ConfigureAwait(false);
            }
        }

        return null;
    }

    private static bool IsSegmentObject(Archive archive, ObjectKey key)
    {
        var name = key.Name;
        var stem = Path.GetFileNameWithoutExtension(name);
        return WalFileName.TryParse(stem, out _)
            && (name.Length == stem.Length
                || archive.ReadOrder.Any(codec => name.AsSpan(stem.Length + 1).SequenceEqual(codec.Extension)));
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
                return WalPageHeader.TryParse(header.Span[..read], out var page) ? page.SystemIdentifier : null;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
