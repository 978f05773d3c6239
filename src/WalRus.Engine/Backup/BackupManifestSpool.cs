using System.Buffers;
using WalRus.Postgres;
using WalRus.Streaming.Tar;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>
/// A backup's manifest on its way into the archive. Its length must stand in front of it and is known only at its end,
/// and it may describe a million files: so it waits in a temporary file.
/// </summary>
/// <remarks>
/// Neither wal-g nor WAL-RUS keeps manifests. Ours is a tar of its own beside the parts, with the one member
/// <c>backup_manifest</c>: so every tool that restores the backup puts it where pg_verifybackup looks for it, and a
/// server's incremental backup finds it without reading anything else.
/// </remarks>
internal sealed class BackupManifestSpool : IBufferWriter<byte>, IDisposable
{
    private const int BufferBytes = 64 * 1024;
    private const int PrivateMode = 0x180; // 0600

    private readonly SpoolFile spool;
    private readonly SpoolChain chain;

    /// <param name="folder">For the temporary file.</param>
    public BackupManifestSpool(string folder)
    {
        spool = SpoolFile.Create(folder);
        chain = new SpoolChain(spool, BufferBytes);
    }

    public long LengthBytes { get; private set; }

    public void Advance(int count)
    {
        chain.Advance(count);
        LengthBytes += count;
    }

    public Memory<byte> GetMemory(int sizeHint = 0) => chain.GetMemory(sizeHint);

    public Span<byte> GetSpan(int sizeHint = 0) => chain.GetSpan(sizeHint);

    /// <summary>Stores the manifest; nothing can be added afterwards.</summary>
    /// <param name="like">The member whose owner and time it gets.</param>
    public async Task StoreAsync(BackupTars tars, TarEntry like, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        chain.Complete();
        var entry = like with { Name = BackupManifestParser.FileName, SizeBytes = LengthBytes, Mode = PrivateMode };
        var tar = await tars.OpenManifestAsync(buffer, cancellationToken).ConfigureAwait(false);
        await using (tar.ConfigureAwait(false))
        {
            await tar.BeginAsync(entry, RemoteTarPacker.Owner, cancellationToken).ConfigureAwait(false);
            var piece = ArrayPool<byte>.Shared.Rent(BufferBytes);
            try
            {
                await spool.CopyToAsync(chain.First, new TarContent(tar.Tar), piece, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(piece);
            }

            await tar.Tar.EndMemberAsync(cancellationToken).ConfigureAwait(false);
            await tar.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }

        tars.Metadata?.AddFile(RemoteTarPacker.Describe(entry));
    }

    public void Dispose()
    {
        chain.Dispose();
        spool.Dispose();
    }

    /// <summary>The content of a member as a stream to copy into.</summary>
    private sealed class TarContent(TarWriter tar) : Streaming.OutputStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            tar.WriteContentAsync(buffer, cancellationToken);

        public override ValueTask CompleteAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;
    }
}
