using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Archiving;

/// <summary>Takes a record; it is valid until the next one is read.</summary>
/// <returns>False to read no further.</returns>
internal delegate bool WalRecordTaker(in WalRecord record);

/// <summary>
/// Gives the bytes of the segments along a path to a reader of records, as they stream out of the archive, or out of the
/// server's own pg_wal where that has the segment.
/// </summary>
/// <param name="archive">Where segments are looked for.</param>
/// <param name="path">Which of them.</param>
/// <param name="walFolder">A server's pg_wal, which is looked into first; null for none.</param>
internal sealed class WalSegmentFeed(Archive archive, WalPath path, string? walFolder = null)
{
    /// <summary>Null while nothing stopped it.</summary>
    public WalScanStop? Stop { get; private set; }

    /// <summary>How many segments were opened, those of <see cref="LocalCount"/> included.</summary>
    public long SegmentCount { get; private set; }

    /// <summary>How many of them in pg_wal.</summary>
    public long LocalCount { get; private set; }

    /// <summary>Opens a segment; null when it is nowhere, which is <see cref="Stop"/> then.</summary>
    public async ValueTask<Stream?> OpenAsync(ulong number, CancellationToken cancellationToken)
    {
        var name = path.SegmentAt(number);
        if (OpenLocal(name) is { } local)
        {
            SegmentCount++;
            LocalCount++;
            return local;
        }

        var found = await archive.FindAsync(WalGLayout.Wal(name.ToString()), cancellationToken).ConfigureAwait(false);
        if (found is null)
        {
            Stop = new WalScanStop(number, $"{name} is not archived", IsMissing: true);
            return null;
        }

        SegmentCount++;
        return await archive.OpenReadAsync(found.Key, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads a piece of the segment that the reader is in, and gives its records.</summary>
    /// <returns>False when no more is to be read: it is broken off, or the taker wants none.</returns>
    public async ValueTask<bool> FeedAsync(
        WalRecordReader reader, Stream source, byte[] buffer, WalRecordTaker take, CancellationToken cancellationToken)
    {
        var number = path.Size.SegmentNumber(reader.Position);
        var end = path.Size.StartOf(number + 1);
        if (Stop is not null)
        {
            return false;
        }

        int count;
        try
        {
            var wanted = (int)Math.Min(buffer.Length, end - reader.Position);
            count = await source.ReadAsync(buffer.AsMemory(0, wanted), cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException broken) when (broken.Code == ErrorCode.ObjectCorrupt)
        {
            Stop = new WalScanStop(number, broken.Message, IsMissing: false);
            return false;
        }
        catch (IOException broken) when (source is FileStream)
        {
            Stop = new WalScanStop(number, broken.Message, IsMissing: false);
            return false;
        }

        if (count == 0)
        {
            Stop = new WalScanStop(number, $"{path.SegmentAt(number)} is shorter than {path.Size}", IsMissing: false);
            return false;
        }

        var goesOn = Take(reader, buffer.AsSpan(0, count), take);
        if (reader.EndReason is { } reason)
        {
            Stop = new WalScanStop(number, $"{path.SegmentAt(number)}: {reason}", IsMissing: false);
        }

        return goesOn;
    }

    private static bool Take(WalRecordReader reader, ReadOnlySpan<byte> bytes, WalRecordTaker take)
    {
        while (reader.Read(ref bytes) == WalReadState.Record)
        {
            if (!take(reader.Record))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>A file that starts as this segment must: the server renames old ones to names it will need, content and all.</summary>
    private FileStream? OpenLocal(WalFileName name)
    {
        if (walFolder is null)
        {
            return null;
        }

        FileStream? file = null;
        try
        {
            file = new FileStream(Path.Combine(walFolder, name.ToString()), new FileStreamOptions
            {
                Share = FileShare.ReadWrite | FileShare.Delete,
                BufferSize = 0,
            });
            Span<byte> first = stackalloc byte[WalPageHeader.LongLength];
            if (file.ReadAtLeast(first, first.Length, throwOnEndOfStream: false) == first.Length
                && WalPageHeader.TryParse(first, out var header) && header.PageAddress == name.StartLsn(path.Size))
            {
                file.Position = 0;
                return file;
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // The archive is asked.
        }

        file?.Dispose();
        return null;
    }
}
