using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Protocol;
using WalRus.Streaming.Tar;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>Gives a server the manifest of the backup that its incremental one is to be based on (PostgreSQL 17 and later).</summary>
internal sealed class ManifestUpload(Archive archive, PostgresConnection connection)
{
    private static readonly PostgresCommand Command =
        new("Uploading the parent's manifest", "UPLOAD_MANIFEST") { SilenceLimit = TimeSpan.FromMinutes(5) };

    /// <summary>Sends it, as it streams from the archive.</summary>
    /// <param name="buffer">At least <see cref="TarReader.MinBufferBytes"/>; lent.</param>
    /// <returns>False when the parent has none.</returns>
    /// <exception cref="WalRusException">What the server says of it, what the store says, or a damaged tar.</exception>
    public async Task<bool> TrySendAsync(BackupName parent, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var found = await archive
            .FindAsync(WalGLayout.Tar(parent, WalGLayout.ManifestTar), cancellationToken).ConfigureAwait(false);
        if (found is null)
        {
            return false;
        }

        var content = await archive.OpenReadAsync(found.Key, cancellationToken).ConfigureAwait(false);
        await using (content.ConfigureAwait(false))
        {
            var tar = new TarReader(content, buffer, found.Key.ToString());
            if (!await tar.ReadEntryAsync(cancellationToken).ConfigureAwait(false)
                || tar.Entry.Name != BackupManifestParser.FileName)
            {
                throw new WalRusException(ErrorCode.ObjectCorrupt, $"'{found.Key}' holds no {BackupManifestParser.FileName}.");
            }

            await SendAsync(tar, cancellationToken).ConfigureAwait(false);
        }

        return true;
    }

    private async Task SendAsync(TarReader tar, CancellationToken cancellationToken)
    {
        var reply = await connection.ExecuteAsync(Command, cancellationToken).ConfigureAwait(false);
        await using (reply.ConfigureAwait(false))
        {
            if (await reply.NextAsync(cancellationToken).ConfigureAwait(false) != ReplyPart.Copy)
            {
                throw connection.Violated("it does not take the manifest");
            }

            var copy = reply.Copy!;
            while (await ReadAsync(tar, copy, cancellationToken).ConfigureAwait(false) is { IsEmpty: false } piece)
            {
                await copy.WriteAsync(piece, cancellationToken).ConfigureAwait(false);
            }

            await copy.CompleteAsync(cancellationToken).ConfigureAwait(false);
            if (await copy.NextAsync(cancellationToken).ConfigureAwait(false)
                || await reply.NextAsync(cancellationToken).ConfigureAwait(false) != ReplyPart.End)
            {
                throw connection.Violated("it answers a manifest with something else");
            }
        }
    }

    /// <summary>Where the archive's copy breaks off, the server is told: the session goes on, and makes another backup.</summary>
    private static async ValueTask<ReadOnlyMemory<byte>> ReadAsync(
        TarReader tar, CopyStream copy, CancellationToken cancellationToken)
    {
        try
        {
            return await tar.ReadContentAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException)
        {
            await copy.FailAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                await copy.NextAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (ServerErrorException)
            {
                // As it should be: what the archive's copy broke with is thrown instead.
            }

            throw;
        }
    }
}
