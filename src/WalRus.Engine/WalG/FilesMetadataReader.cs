using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;

namespace WalRus.WalG;

/// <summary>
/// Reads a <c>files_metadata.json</c> as it comes, in memory that does not depend on its size. Takes wal-g's and
/// WAL-RUS's documents, keys in any case and order, unknown keys, nulls and absent sections; also a version-1 sentinel,
/// which has the same sections embedded. Source: wal-g's layout 005.
/// </summary>
public static class FilesMetadataReader
{
    private const int BufferBytes = 64 * 1024;

    /// <summary>No name of a file is longer than a path can be, escapes included.</summary>
    private const int LongestTokenBytes = 1024 * 1024;

    /// <summary>The entries of <c>Files</c>, in the document's (random) order.</summary>
    /// <param name="document">Read to its end; not disposed.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.BackupUnreadable"/>, on or after the first item.</exception>
    public static async IAsyncEnumerable<FilesMetadataEntry> ReadFilesAsync(
        Stream document, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var items = ReadAsync(document, FilesMetadataSections.Files, cancellationToken).ConfigureAwait(false);
        await foreach (var item in items)
        {
            yield return item.File;
        }
    }

    /// <summary>Which tar has which members.</summary>
    /// <inheritdoc cref="ReadFilesAsync"/>
    public static async IAsyncEnumerable<TarMember> ReadTarFileSetsAsync(
        Stream document, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var items = ReadAsync(document, FilesMetadataSections.TarFileSets, cancellationToken).ConfigureAwait(false);
        await foreach (var item in items)
        {
            yield return item.TarMember;
        }
    }

    /// <summary>The databases and their relations.</summary>
    /// <inheritdoc cref="ReadFilesAsync"/>
    public static async IAsyncEnumerable<DatabaseTable> ReadDatabasesAsync(
        Stream document, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var items = ReadAsync(document, FilesMetadataSections.Databases, cancellationToken).ConfigureAwait(false);
        await foreach (var item in items)
        {
            yield return item.Table;
        }
    }

    /// <summary>The items of the wanted sections, in the document's order.</summary>
    /// <inheritdoc cref="ReadFilesAsync"/>
    public static async IAsyncEnumerable<FilesMetadataItem> ReadAsync(
        Stream document, FilesMetadataSections wanted, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(document);
        var parser = new FilesMetadataParser(wanted);
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            var filled = 0;
            for (var isFinal = false; !isFinal;)
            {
                var read = await document.ReadAsync(buffer.AsMemory(filled), cancellationToken).ConfigureAwait(false);
                isFinal = read == 0;
                filled += read;
                var consumed = Parse(parser, buffer.AsSpan(0, filled), isFinal);
                foreach (var item in parser.Items)
                {
                    yield return item;
                }

                parser.Items.Clear();
                filled -= consumed;
                buffer.AsSpan(consumed, filled).CopyTo(buffer);
                buffer = filled < buffer.Length ? buffer : Grow(buffer);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static int Parse(FilesMetadataParser parser, ReadOnlySpan<byte> data, bool isFinal)
    {
        try
        {
            return parser.Parse(data, isFinal);
        }
        catch (Exception exception) when (WalGJson.IsMalformed(exception))
        {
            throw WalGJson.Unreadable("backup's files_metadata.json", exception);
        }
    }

    private static byte[] Grow(byte[] full)
    {
        if (full.Length >= LongestTokenBytes)
        {
            throw WalGJson.Unreadable(
                "backup's files_metadata.json", $"it holds a name of more than {LongestTokenBytes} bytes.");
        }

        var larger = ArrayPool<byte>.Shared.Rent(full.Length * 2);
        full.CopyTo(larger, 0);
        ArrayPool<byte>.Shared.Return(full);
        return larger;
    }
}
