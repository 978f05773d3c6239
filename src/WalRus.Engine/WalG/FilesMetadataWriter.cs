using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace WalRus.WalG;

/// <summary>
/// Collects a backup's <c>files_metadata.json</c> while its tars are built, then writes it as one document. Entries of
/// all tars come interleaved and may be millions: they wait as finished JSON in one temporary file, never in memory.
/// Source: wal-g's layout 005.
/// </summary>
public sealed class FilesMetadataWriter : IDisposable
{
    /// <summary>
    /// A section of our own, {"part_001.tar":439041101,...}: CRC-32C of tars whose codec has no checksum. Go and WAL-RUS pass
    /// over keys that they do not know.
    /// </summary>
    public const string TarChecksumsKey = "WalRusTarChecksums";

    private const int FilesBufferBytes = 64 * 1024;
    private const int CopyBufferBytes = 64 * 1024;

    private readonly object gate = new();
    private readonly SpoolFile spool;
    private readonly SpoolChain files;
    private readonly List<(string Name, long First)> tars = [];
    private readonly List<long> databases = [];
    private readonly List<TarChecksum> checksums = [];
    private int open;
    private bool isBroken;
    private bool isComplete;

    /// <param name="spoolFolder">An existing local folder for the temporary file.</param>
    /// <exception cref="WalRusException">The folder is missing or not writable.</exception>
    public FilesMetadataWriter(string spoolFolder)
    {
        spool = SpoolFile.Create(spoolFolder);
        files = new SpoolChain(spool, FilesBufferBytes);
        files.Json.WriteStartObject();
    }

    /// <summary>How many entries were added.</summary>
    public long FileCount { get; private set; }

    /// <summary>Adds an entry of <c>Files</c>. Thread-safe; a name is added once.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.DiskFull"/>, The folder is missing or not writable.</exception>
    public void AddFile(in FilesMetadataEntry entry)
    {
        lock (gate)
        {
            ThrowIfUnusable();
            isBroken = true;
            WriteFile(files.Json, entry);
            FileCount++;
            isBroken = false;
        }
    }

    /// <summary>
    /// Begins a tar's set of members. Thread-safe, and any number may be open; the result belongs to one task at a time,
    /// which disposes it when the tar is done. A set without members is left out.
    /// </summary>
    /// <param name="tarObjectName">With the codec's extension: wal-g skips a tar that it does not find under its full name.</param>
    public TarFileSetWriter BeginTar(string tarObjectName)
    {
        ArgumentException.ThrowIfNullOrEmpty(tarObjectName);
        lock (gate)
        {
            ThrowIfUnusable();
            open++;
        }

        return new TarFileSetWriter(this, spool, tarObjectName);
    }

    /// <summary>Begins a database's tables; disposed when done. One at a time is what memory wants; several are allowed.</summary>
    public DatabaseTablesWriter BeginDatabase(string name, uint oid)
    {
        ArgumentNullException.ThrowIfNull(name);
        lock (gate)
        {
            ThrowIfUnusable();
            open++;
        }

        return new DatabaseTablesWriter(this, spool, name, oid);
    }

    /// <summary>Adds what a finished tar comes to. Thread-safe.</summary>
    public void AddChecksum(TarChecksum checksum)
    {
        lock (gate)
        {
            ThrowIfUnusable();
            checksums.Add(checksum);
        }
    }

    /// <summary>Writes the whole document; nothing can be added afterwards. The destination is neither completed nor disposed.</summary>
    /// <exception cref="InvalidOperationException">A tar or database is still open.</exception>
    public async ValueTask WriteToAsync(Stream destination, CancellationToken cancellationToken)
    {
        CompleteFiles();
        var buffer = ArrayPool<byte>.Shared.Rent(CopyBufferBytes);
        try
        {
            var document = new DocumentSections(spool, destination, buffer);
            if (FileCount > 0)
            {
                await document.TextAsync("{\"Files\":", cancellationToken).ConfigureAwait(false);
                await document.ChainAsync(files.First, cancellationToken).ConfigureAwait(false);
            }

            await WriteTarsAsync(document, cancellationToken).ConfigureAwait(false);
            await WriteDatabasesAsync(document, cancellationToken).ConfigureAwait(false);
            await WriteChecksumsAsync(document, cancellationToken).ConfigureAwait(false);
            await document.TextAsync(HasSections || checksums.Count > 0 ? "}" : "{}", cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public void Dispose()
    {
        files.Dispose();
        spool.Dispose();
    }

    /// <param name="name">Null when the set has no members and is to be left out.</param>
    internal void EndTar(string? name, SpoolChain chain, bool isWhole) => End(isWhole, () =>
    {
        if (name is not null)
        {
            chain.Json.WriteEndArray();
            chain.Complete();
            tars.Add((name, chain.First));
        }
    });

    internal void EndDatabase(SpoolChain chain, Action writeEnd, bool isWhole) => End(isWhole, () =>
    {
        writeEnd();
        chain.Complete();
        databases.Add(chain.First);
    });

    private static void WriteFile(Utf8JsonWriter json, in FilesMetadataEntry entry)
    {
        json.WriteStartObject(entry.Name);
        json.WriteBoolean("IsIncremented", entry.IsIncremented);
        json.WriteBoolean("IsSkipped", entry.IsSkipped);
        json.WriteTime("MTime", entry.ModifiedTime);
        if (entry.CorruptBlocks is { } corrupt)
        {
            json.WriteStartObject("CorruptBlocks");
            json.WriteNumber("CorruptBlocksCount", corrupt.Count);
            json.WriteStartArray("SomeCorruptBlocks");
            foreach (var block in corrupt.Blocks)
            {
                json.WriteNumberValue(block);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteNumber("UpdatesCount", entry.UpdatesCount);
        json.WriteEndObject();
    }

    private void End(bool isWhole, Action complete)
    {
        lock (gate)
        {
            open--;
            if (isWhole && !isBroken)
            {
                isBroken = true;
                complete();
                isBroken = false;
            }
            else
            {
                isBroken = isBroken || !isWhole;
            }
        }
    }

    private void CompleteFiles()
    {
        lock (gate)
        {
            ThrowIfUnusable();
            if (open > 0)
            {
                throw new InvalidOperationException("A tar's file set or a database's tables are still being written.");
            }

            isComplete = true;
            isBroken = true;
            files.Json.WriteEndObject();
            files.Complete();
            isBroken = false;
        }
    }

    private async ValueTask WriteTarsAsync(DocumentSections document, CancellationToken cancellationToken)
    {
        for (var index = 0; index < tars.Count; index++)
        {
            var before = index > 0 ? "," : FileCount > 0 ? ",\"TarFileSets\":{" : "{\"TarFileSets\":{";
            var name = JsonEncodedText.Encode(tars[index].Name, JavaScriptEncoder.UnsafeRelaxedJsonEscaping);
            await document.TextAsync($"{before}\"{name}\":", cancellationToken).ConfigureAwait(false);
            await document.ChainAsync(tars[index].First, cancellationToken).ConfigureAwait(false);
        }

        if (tars.Count > 0)
        {
            await document.TextAsync("}", cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask WriteDatabasesAsync(DocumentSections document, CancellationToken cancellationToken)
    {
        for (var index = 0; index < databases.Count; index++)
        {
            var first = FileCount > 0 || tars.Count > 0 ? ",\"DatabasesByNames\":{" : "{\"DatabasesByNames\":{";
            await document.TextAsync(index > 0 ? "," : first, cancellationToken).ConfigureAwait(false);
            await document.ChainAsync(databases[index], cancellationToken).ConfigureAwait(false);
        }

        if (databases.Count > 0)
        {
            await document.TextAsync("}", cancellationToken).ConfigureAwait(false);
        }
    }

    private bool HasSections => FileCount > 0 || tars.Count > 0 || databases.Count > 0;

    private async ValueTask WriteChecksumsAsync(DocumentSections document, CancellationToken cancellationToken)
    {
        for (var index = 0; index < checksums.Count; index++)
        {
            var before = index > 0 ? "," : $"{(HasSections ? ',' : '{')}\"{TarChecksumsKey}\":{{";
            var (tar, crc) = checksums[index];
            await document.TextAsync(
                string.Create(CultureInfo.InvariantCulture, $"{before}\"{tar}\":{crc}"), cancellationToken).ConfigureAwait(false);
        }

        if (checksums.Count > 0)
        {
            await document.TextAsync("}", cancellationToken).ConfigureAwait(false);
        }
    }

    private void ThrowIfUnusable()
    {
        if (isComplete)
        {
            throw new InvalidOperationException("The document was already written.");
        }

        if (isBroken)
        {
            throw new InvalidOperationException("An earlier entry could not be written: the document would be incomplete.");
        }
    }

    private readonly struct DocumentSections(SpoolFile spool, Stream destination, byte[] buffer)
    {
        public ValueTask TextAsync(string text, CancellationToken cancellationToken) =>
            destination.WriteAsync(Encoding.UTF8.GetBytes(text), cancellationToken);

        public ValueTask ChainAsync(long firstChunk, CancellationToken cancellationToken) =>
            spool.CopyToAsync(firstChunk, destination, buffer, cancellationToken);
    }
}
