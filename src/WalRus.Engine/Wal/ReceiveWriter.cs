using WalRus.Postgres;
using WalRus.Streaming;

namespace WalRus.Wal;

/// <summary>A position on a timeline.</summary>
internal readonly record struct ReceivePoint(TimelineId Timeline, Lsn Position)
{
    public override string ToString() => $"{Position} on timeline {Timeline}";
}

/// <summary>Writes what comes into segments in the folder and hands whole ones on.</summary>
internal sealed class ReceiveWriter(
    ReceiveFolder folder, ReceiveUploads uploads, WalSegmentSize size, ReceiveProgress progress) : IDisposable
{
    private TimelineId timeline;
    private Lsn position;
    private FileStream? file;

    /// <summary>Where to begin again after a break: the start of the segment that is not whole yet.</summary>
    public ReceivePoint Resume => new(timeline, size.StartOf(size.SegmentNumber(position)));

    private WalFileName Segment => WalFileName.FromLsn(timeline, position, size);

    /// <param name="point">The start of a segment.</param>
    public void Begin(ReceivePoint point)
    {
        Close();
        (timeline, position) = (point.Timeline, point.Position);
        progress.Timeline = timeline;
        progress.Received = position;
        uploads.MoveTo(position);
    }

    /// <summary>Takes the bytes at a position, which must be the next ones.</summary>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.PostgresProtocolViolation"/> for a gap, or what is wrong with the disk.
    /// </exception>
    public async ValueTask WriteAsync(Lsn start, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        if (start != position)
        {
            throw new WalRusException(
                ErrorCode.PostgresProtocolViolation, $"The server sent WAL from {start}, but {position} is next.");
        }

        progress.Came(bytes.Length);
        while (!bytes.IsEmpty)
        {
            var offset = (long)(position.Value % (ulong)size.Bytes);
            var count = (int)Math.Min(bytes.Length, size.Bytes - offset);
            file ??= folder.OpenPartial(Segment, size);
            Write(file, bytes.Span[..count], offset);
            bytes = bytes[count..];
            if (offset + count == size.Bytes)
            {
                await FinishAsync(count, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                position += (ulong)count;
            }

            progress.Received = position;
        }
    }

    /// <summary>The timeline has ended here: what there is of its last segment is archived as such, as PostgreSQL does itself.</summary>
    public async ValueTask EndTimelineAsync(CancellationToken cancellationToken)
    {
        if (file is null)
        {
            return;
        }

        var (last, segment) = (file, Segment);
        file = null;
        var path = folder.PartialPathOf(segment);
        await uploads.EnqueueAsync(
            new ReceivedFile(
                Path.GetFileName(path),
                () =>
                {
                    using (last)
                    {
                        last.Flush(flushToDisk: true);
                    }

                    return path;
                },
                null),
            cancellationToken).ConfigureAwait(false);
    }

    public void Close()
    {
        file?.Dispose();
        file = null;
    }

    public void Dispose() => Close();

    private async ValueTask FinishAsync(int count, CancellationToken cancellationToken)
    {
        var (whole, segment, start) = (file!, Segment, Resume.Position);
        try
        {
            await uploads.EnqueueAsync(
                new ReceivedFile(segment.ToString(), () => folder.Finish(segment, whole), start), cancellationToken)
                .ConfigureAwait(false);
        }
        catch
        {
            // It stays in the folder, unfinished by name, and is received again.
            Close();
            throw;
        }

        file = null;
        position += (ulong)count;
        uploads.MoveTo(position);
    }

    private void Write(FileStream target, ReadOnlySpan<byte> bytes, long offset)
    {
        try
        {
            RandomAccess.Write(target.SafeFileHandle, bytes, offset);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failure, target.Name);
        }
    }
}
