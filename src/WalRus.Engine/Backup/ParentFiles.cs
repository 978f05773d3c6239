using System.Buffers;
using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>
/// The files a parent backup lists, with their times, for as many as there are: records sorted by a digest of the name in
/// a temporary local file. Memory does not grow with them: where each 65536th of the records begins is all that is kept.
/// </summary>
/// <remarks>Looking up is thread-safe and costs one small read of a file that is in the page cache.</remarks>
internal sealed class ParentFiles : IDisposable
{
    private const int DigestBytes = NameHash.DigestBytes;

    /// <summary>Digest, seconds since 1970 (8 bytes), nanoseconds (4 bytes), 4 bytes unused.</summary>
    private const int RecordBytes = 32;

    private const int Prefixes = 1 << 16;
    private const int Lanes = 256;
    private const int LaneBytes = 32 * RecordBytes;
    private const int BufferBytes = Lanes * LaneBytes;
    private const int ReadBytes = 32 * RecordBytes;

    private readonly string folder;
    private readonly FileStream sorted;
    private readonly NameHash hash;

    /// <summary>The first record of each prefix; the last element is how many records there are.</summary>
    private readonly long[] starts;

    private ParentFiles(string folder, FileStream sorted, NameHash hash, long[] starts, bool hasRootedNames)
    {
        this.folder = folder;
        this.sorted = sorted;
        this.hash = hash;
        this.starts = starts;
        HasRootedNames = hasRootedNames;
    }

    public long Count => starts[Prefixes];

    /// <summary>
    /// True when names begin with "/", as wal-g's local backups have them. wal-g finds a file of a delta in its parent by
    /// the very same name only: a backup whose names differ (WAL-RUS's, a remote one) is no parent for it.
    /// </summary>
    public bool HasRootedNames { get; }

    /// <param name="files">A parent's <c>files_metadata.json</c> as it comes.</param>
    /// <param name="folder">An existing local folder for temporary files.</param>
    /// <exception cref="WalRusException">What reading the document or writing the file fails with.</exception>
    public static async Task<ParentFiles> ReadAsync(
        IAsyncEnumerable<FilesMetadataEntry> files, string folder, CancellationToken cancellationToken)
    {
        var hash = NameHash.Create();
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        FileStream? first = null;
        FileStream? second = null;
        try
        {
            first = TemporaryFile.Create(folder, bufferBytes: 0);
            second = TemporaryFile.Create(folder, bufferBytes: 0);
            var (starts, hasRootedNames) = await CollectAsync(files, first, hash, buffer, cancellationToken).ConfigureAwait(false);

            // Two stable passes, by the prefix's low byte and then its high one, sort by the prefix.
            Scatter(first.SafeFileHandle, second.SafeFileHandle, 1, LowByteStarts(starts), buffer);
            Scatter(second.SafeFileHandle, first.SafeFileHandle, 0, HighByteStarts(starts), buffer);
            var read = new ParentFiles(folder, first, hash, starts, hasRootedNames);
            first = null;
            return read;
        }
        catch (IOException failed)
        {
            throw DurableFile.Translate(failed, folder);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            first?.Dispose();
            second?.Dispose();
        }
    }

    /// <summary>A file's recorded time.</summary>
    /// <returns>False when the parent does not list the name.</returns>
    public bool TryFind(ReadOnlySpan<char> name, out long seconds, out int nanoseconds)
    {
        Span<byte> digest = stackalloc byte[DigestBytes];
        Span<byte> records = stackalloc byte[ReadBytes];
        hash.Write(name, digest);
        var prefix = BinaryPrimitives.ReadUInt16BigEndian(digest);
        for (var at = starts[prefix]; at < starts[prefix + 1];)
        {
            var count = (int)Math.Min(ReadBytes / RecordBytes, starts[prefix + 1] - at);
            Read(records[..(count * RecordBytes)], at * RecordBytes);
            for (var index = 0; index < count; index++)
            {
                var record = records.Slice(index * RecordBytes, RecordBytes);
                if (record[..DigestBytes].SequenceEqual(digest))
                {
                    seconds = BinaryPrimitives.ReadInt64LittleEndian(record[DigestBytes..]);
                    nanoseconds = BinaryPrimitives.ReadInt32LittleEndian(record[(DigestBytes + sizeof(long))..]);
                    return true;
                }
            }

            at += count;
        }

        (seconds, nanoseconds) = (0, 0);
        return false;
    }

    public void Dispose() => sorted.Dispose();

    /// <summary>Writes a record for each file as they come, and counts them by prefix.</summary>
    private static async Task<(long[] Starts, bool HasRootedNames)> CollectAsync(
        IAsyncEnumerable<FilesMetadataEntry> files, FileStream target, NameHash hash, byte[] buffer, CancellationToken cancellationToken)
    {
        var starts = new long[Prefixes + 1];
        var (used, offset, isRooted) = (0, 0L, false);
        await foreach (var file in files.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            if (used == BufferBytes)
            {
                RandomAccess.Write(target.SafeFileHandle, buffer.AsSpan(0, used), offset);
                (used, offset) = (0, offset + used);
            }

            isRooted = isRooted || file.Name is ['/', ..];
            starts[WriteRecord(buffer.AsSpan(used, RecordBytes), file, hash) + 1]++;
            used += RecordBytes;
        }

        RandomAccess.Write(target.SafeFileHandle, buffer.AsSpan(0, used), offset);
        for (var prefix = 0; prefix < Prefixes; prefix++)
        {
            starts[prefix + 1] += starts[prefix];
        }

        return (starts, isRooted);
    }

    private static int WriteRecord(Span<byte> record, in FilesMetadataEntry file, NameHash hash)
    {
        record.Clear();
        hash.Write(file.Name, record[..DigestBytes]);
        BinaryPrimitives.WriteInt64LittleEndian(record[DigestBytes..], file.ModifiedTime.UnixSeconds);
        BinaryPrimitives.WriteInt32LittleEndian(record[(DigestBytes + sizeof(long))..], file.ModifiedTime.Nanoseconds);
        return BinaryPrimitives.ReadUInt16BigEndian(record);
    }

    private static long[] LowByteStarts(long[] starts)
    {
        var counts = new long[Lanes];
        for (var prefix = 0; prefix < Prefixes; prefix++)
        {
            counts[prefix % Lanes] += starts[prefix + 1] - starts[prefix];
        }

        long sum = 0;
        return [.. counts.Select(count => (sum += count) - count)];
    }

    private static long[] HighByteStarts(long[] starts) =>
        [.. Enumerable.Range(0, Lanes).Select(high => starts[high * Lanes])];

    /// <summary>Copies records into the region of their lane, in the order they have.</summary>
    /// <param name="digestByte">Which byte of the digest says the lane.</param>
    /// <param name="next">The next record of each lane.</param>
    private static void Scatter(SafeFileHandle source, SafeFileHandle target, int digestByte, long[] next, byte[] buffer)
    {
        var used = new int[Lanes];
        var input = new byte[64 * RecordBytes];
        for (long offset = 0; ;)
        {
            var count = ReadWhole(source, input, offset);
            for (var at = 0; at < count; at += RecordBytes)
            {
                int lane = input[at + digestByte];
                input.AsSpan(at, RecordBytes).CopyTo(buffer.AsSpan((lane * LaneBytes) + used[lane]));
                used[lane] += RecordBytes;
                if (used[lane] == LaneBytes)
                {
                    FlushLane(target, lane, next, used, buffer);
                }
            }

            offset += count;
            if (count < input.Length)
            {
                break;
            }
        }

        for (var lane = 0; lane < Lanes; lane++)
        {
            FlushLane(target, lane, next, used, buffer);
        }
    }

    private static void FlushLane(SafeFileHandle target, int lane, long[] next, int[] used, byte[] buffer)
    {
        RandomAccess.Write(target, buffer.AsSpan(lane * LaneBytes, used[lane]), next[lane] * RecordBytes);
        next[lane] += used[lane] / RecordBytes;
        used[lane] = 0;
    }

    private static int ReadWhole(SafeFileHandle source, Span<byte> target, long offset)
    {
        var total = 0;
        for (int read; total < target.Length && (read = RandomAccess.Read(source, target[total..], offset + total)) > 0;)
        {
            total += read;
        }

        return total;
    }

    private void Read(Span<byte> target, long offset)
    {
        try
        {
            if (ReadWhole(sorted.SafeFileHandle, target, offset) < target.Length)
            {
                throw new EndOfStreamException("it is shorter than what was written to it.");
            }
        }
        catch (IOException failed)
        {
            throw DurableFile.Translate(failed, folder);
        }
    }
}
