using System.Buffers;
using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>Takes the manifest that a server sends: checks that it is whole and of this backup, and spools it byte for byte.</summary>
internal sealed class RemoteManifest : IDisposable
{
    private const int PieceBytes = 32 * 1024;

    private readonly BackupManifestSpool spool;
    private readonly BackupManifestParser parser;
    private Lsn? start;
    private Lsn end;

    public RemoteManifest(BackupManifestSpool spool)
    {
        this.spool = spool;
        parser = new BackupManifestParser { OnWalRange = Cover };
    }

    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>.</exception>
    public async Task TakeAsync(Stream content, CancellationToken cancellationToken)
    {
        var piece = ArrayPool<byte>.Shared.Rent(PieceBytes);
        try
        {
            while (await content.ReadAsync(piece, cancellationToken).ConfigureAwait(false) is > 0 and var count)
            {
                parser.Feed(piece.AsSpan(0, count));
                spool.Write(piece.AsSpan(0, count));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(piece);
        }

        parser.Complete();
    }

    /// <summary>Holds that the manifest describes this backup.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.ObjectCorrupt"/>.</exception>
    public void Require(RemoteServer server, Lsn backupStart, Lsn backupEnd)
    {
        if (start != backupStart || end != backupEnd
            || (parser.SystemIdentifier is { } system && system != server.SystemIdentifier))
        {
            throw new WalRusException(
                ErrorCode.ObjectCorrupt,
                $"The manifest the server sent is of another backup ({start} to {end}; this one is {backupStart} to {backupEnd}).");
        }
    }

    public void Dispose() => parser.Dispose();

    private void Cover(BackupManifestWalRange range)
    {
        start = start is null || range.Start < start ? range.Start : start;
        end = range.End > end ? range.End : end;
    }
}
