using System.Globalization;
using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Wal;

/// <summary>
/// Brings one archived WAL file to a path: written under a temporary name, checked, made durable, then renamed. Whatever
/// goes wrong, the path holds what it held before.
/// </summary>
internal sealed class WalDownload(Archive archive, NativeBufferPool buffers, WalSegmentSize? configuredSize)
{
    private const int BufferBytes = 128 * 1024;
    private const long MaxBytes = 1L << 30;
    private const string TemporaryMark = ".walrus-tmp-";

    /// <returns>Null when the archive does not hold the file under any codec.</returns>
    public async ValueTask<Downloaded?> RunAsync(
        WalFile file, string path, IProgress<TransferProgress>? progress, CancellationToken cancellationToken)
    {
        var found = await FindAsync(file, cancellationToken).ConfigureAwait(false);
        if (found is null)
        {
            return null;
        }

        RemoveStaleTemporaries(path);
        var temporary = string.Create(
            CultureInfo.InvariantCulture, $"{path}{TemporaryMark}{Environment.ProcessId}-{Random.Shared.Next():x8}");
        try
        {
            Downloaded downloaded;
            await using (var target = DurableFile.Create(temporary))
            {
                downloaded = await WriteAsync(file, found.Key, target, progress, cancellationToken).ConfigureAwait(false);
            }

            File.Move(temporary, path, overwrite: true);
            DurableFile.SyncFolder(Path.GetDirectoryName(path)!);
            return downloaded;
        }
        catch (IOException failed)
        {
            throw DurableFile.Translate(failed, path);
        }
        catch (UnauthorizedAccessException denied)
        {
            throw DurableFile.Translate(denied, path);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <summary>The object that holds the file, or null.</summary>
    public ValueTask<ObjectInfo?> FindAsync(WalFile file, CancellationToken cancellationToken) =>
        archive.FindAsync(WalGLayout.Wal(file.Name), cancellationToken);

    /// <summary>Writes the object's content into an open file, checks it, and makes it durable.</summary>
    public async ValueTask<Downloaded> WriteAsync(
        WalFile file,
        ObjectKey key,
        FileStream target,
        IProgress<TransferProgress>? progress,
        CancellationToken cancellationToken)
    {
        using var buffer = await buffers.RentAsync(BufferBytes, cancellationToken).ConfigureAwait(false);
        var source = await archive.OpenReadAsync(key, cancellationToken).ConfigureAwait(false);
        await using var closeSource = source.ConfigureAwait(false);
        WalRecordCheck? records = null;
        var first = new byte[WalSegmentCheck.HeaderBytes];
        var firstBytes = 0;
        long bytes = 0;
        int read;
        while ((read = await source.ReadAsync(buffer.Memory, cancellationToken).ConfigureAwait(false)) > 0)
        {
            if (firstBytes < first.Length)
            {
                var part = Math.Min(first.Length - firstBytes, read);
                buffer.GetSpan()[..part].CopyTo(first.AsSpan(firstBytes));
                firstBytes += part;
                records = firstBytes == first.Length ? RecordsOf(file, key, first) : null;
                records?.Take(first.AsSpan(0, firstBytes - part));
            }

            bytes += read;
            records?.Take(buffer.GetSpan()[..read]);
            if (bytes > MaxBytes)
            {
                throw Broken(key, $"it holds more than {MaxBytes} bytes, the largest a WAL segment can be");
            }

            await target.WriteAsync(buffer.Memory[..read], cancellationToken).ConfigureAwait(false);
            progress?.Report(new TransferProgress("Restoring", file.Name, bytes, configuredSize?.Bytes));
        }

        var size = Check(file, key, first.AsSpan(0, firstBytes), bytes);
        if (records?.Problem is { } problem)
        {
            throw Broken(key, problem);
        }

        target.Flush(flushToDisk: true);
        return new Downloaded(key, bytes, size);
    }

    /// <summary>Null where the object's codec or its encryption tells damage, or the file is no whole segment.</summary>
    private WalRecordCheck? RecordsOf(WalFile file, ObjectKey key, ReadOnlySpan<byte> first) =>
        file.Kind == WalFileKind.Segment && archive.Crypter is null && !archive.CodecOf(key).HasChecksum
            && WalPageHeader.TryParse(first, out var header)
            ? new WalRecordCheck(header.PageAddress) : null;

    private WalSegmentSize? Check(WalFile file, ObjectKey key, ReadOnlySpan<byte> first, long bytes)
    {
        if (file.Kind is WalFileKind.Segment or WalFileKind.PartialSegment)
        {
            return WalSegmentCheck.Problem(file.Segment!.Value, first, bytes, configuredSize, out var header) is { } problem
                ? throw Broken(key, problem)
                : WalSegmentSize.FromBytes(header.SegmentSizeBytes);
        }

        return bytes > 0 ? null : throw Broken(key, "it is empty");
    }

    private static WalRusException Broken(ObjectKey key, string why) => new(
        ErrorCode.ObjectCorrupt,
        $"'{key}' is not what its name says: {why}.",
        "No file was written. Look for another copy of this segment (the old server's pg_wal, a standby, another store); recovery cannot pass it.");

    /// <summary>What a killed earlier call left: nobody writes one temporary file for an hour.</summary>
    private static void RemoveStaleTemporaries(string path)
    {
        var folder = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(folder))
        {
            throw new WalRusException(
                ErrorCode.FileNotFound,
                $"The folder '{folder}' to put the file into does not exist.",
                "restore_command must give %p, which is relative to the data directory.");
        }

        foreach (var stale in Directory.EnumerateFiles(folder, Path.GetFileName(path) + TemporaryMark + "*"))
        {
            if (File.GetLastWriteTimeUtc(stale) < DateTime.UtcNow.AddHours(-1))
            {
                File.Delete(stale);
            }
        }
    }

    internal sealed record Downloaded(ObjectKey Key, long Bytes, WalSegmentSize? SegmentSize);
}
