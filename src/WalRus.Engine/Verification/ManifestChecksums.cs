using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Streaming.Tar;
using WalRus.WalG;

namespace WalRus.Verification;

/// <summary>
/// The checksums that the server's manifest of a remote backup has of its files, on disk for as many as there are. Files put
/// together from increments have none there.
/// </summary>
internal sealed class ManifestChecksums : IDisposable
{
    private readonly NameTable table;

    private ManifestChecksums(NameTable table) => this.table = table;

    /// <summary>Reads it, and holds it against its own checksum.</summary>
    /// <param name="archive">Where from.</param>
    /// <param name="key">The manifest's tar.</param>
    /// <param name="buffer">At least <see cref="TarReader.MinBufferBytes"/>; lent.</param>
    /// <param name="spoolFolder">For the temporary file.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="WalRusException">What is wrong with the tar or the manifest.</exception>
    public static async Task<ManifestChecksums> ReadAsync(
        Archive archive, ObjectKey key, Memory<byte> buffer, string spoolFolder, CancellationToken cancellationToken)
    {
        var table = NameTable.Create(spoolFolder);
        try
        {
            using var parser = new BackupManifestParser { OnFile = file => Take(table, file) };
            var source = await archive.OpenReadAsync(key, cancellationToken).ConfigureAwait(false);
            await using var close = source.ConfigureAwait(false);
            var tar = new TarReader(source, buffer, key.ToString());
            if (!await tar.ReadEntryAsync(cancellationToken).ConfigureAwait(false) || tar.Entry.Name != BackupManifestParser.FileName)
            {
                throw new WalRusException(ErrorCode.ObjectCorrupt, $"It holds no {BackupManifestParser.FileName}.");
            }

            while (await tar.ReadContentAsync(cancellationToken).ConfigureAwait(false) is { IsEmpty: false } piece)
            {
                parser.Feed(piece.Span);
            }

            parser.Complete();
            return new ManifestChecksums(table);
        }
        catch
        {
            table.Dispose();
            throw;
        }
    }

    /// <returns>CRC-32C of a file's content; null where the manifest has none.</returns>
    public uint? Find(string relative) => table.Find(relative);

    public void Dispose() => table.Dispose();

    /// <summary>PostgreSQL writes the digits of the number's bytes as they lie in memory: little-endian.</summary>
    private static void Take(NameTable table, BackupManifestFile file)
    {
        if (file is { IsEncoded: false, ChecksumAlgorithm: "CRC32C", Checksum: { Length: 8 } digits })
        {
            table.Set(file.Path, System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(Convert.FromHexString(digits)));
        }
    }
}
