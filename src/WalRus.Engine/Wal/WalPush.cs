using System.Diagnostics;
using WalRus.Archiving;
using WalRus.Delta;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Wal;

/// <summary>
/// Archives one WAL file and, meanwhile, its ready neighbours. Returns only when the file is durable in the store; what
/// fails with a neighbour is logged and left to PostgreSQL's own call for it. Calls may run at the same time.
/// </summary>
public sealed class WalPush
{
    private const int BufferBytes = 128 * 1024;

    private readonly Archive archive;
    private readonly WalPushOptions options;
    private readonly NativeBufferPool buffers;
    private readonly IEventLog log;
    private readonly ClusterCheck cluster;
    private readonly WalDeltaRecorder? recorder;

    public WalPush(Archive archive, WalPushOptions options, NativeBufferPool buffers, IEventLog log)
    {
        this.archive = archive;
        this.options = options;
        this.buffers = buffers;
        this.log = log;
        cluster = new ClusterCheck(archive);
        recorder = options.RecordsDelta ? new WalDeltaRecorder(archive, buffers, log) : null;
    }

    internal WalPushOptions Options => options;

    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.WalSourceNotFound"/>, <see cref="ErrorCode.WalSegmentInvalid"/> (not what its name says),
    /// <see cref="ErrorCode.WalSegmentForeign"/> (another cluster's), <see cref="ErrorCode.WalSegmentConflict"/> (the
    /// archive holds other bytes under this name), <see cref="ErrorCode.DeadlineExceeded"/>, or what the store says.
    /// Nothing is changed by a call that fails.
    /// </exception>
    public async Task<WalPushResult> RunAsync(WalPushRequest request, CancellationToken cancellationToken)
    {
        using var limit = new Deadline(options.Deadline, cancellationToken);
        try
        {
            return await PushWithNeighboursAsync(request, limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (limit.HasPassed)
        {
            throw new WalRusException(
                ErrorCode.DeadlineExceeded,
                $"Archiving '{request.Path}' took longer than {options.Deadline.TotalSeconds:0} s.",
                "PostgreSQL will try again; look at the store's health if this repeats.") { IsTransient = true };
        }
    }

    private async Task<WalPushResult> PushWithNeighboursAsync(WalPushRequest request, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        var path = Path.GetFullPath(request.Path);
        var file = WalFile.Parse(Path.GetFileName(path));
        var info = new FileInfo(path);
        if (!info.Exists)
        {
            throw new WalRusException(
                ErrorCode.WalSourceNotFound,
                $"There is no file '{path}' to archive.",
                "archive_command must give %p, which is relative to the data directory.");
        }

        var markers = MarkersOf(info);
        if (await FindMarkedAsync(file, info, markers, cancellationToken).ConfigureAwait(false) is { } found)
        {
            markers.Remove(file.Name);
            return Result(WalPushState.AlreadyArchived, found, 0);
        }

        await CheckAsync(file, info, cancellationToken).ConfigureAwait(false);
        var neighbours = new ReadyNeighbours(this, file, info.DirectoryName!, options, markers, log);
        await using (neighbours.ConfigureAwait(false))
        {
            neighbours.Start(cancellationToken);
            var (state, key, bytesOut) = await PushFileAsync(
                file, info, options.PreventOverwrite, request.Progress, cancellationToken).ConfigureAwait(false);
            await neighbours.FinishAsync().ConfigureAwait(false);
            if (state == WalPushState.Uploaded)
            {
                log.WalPushed(file.Name, info.Length, bytesOut);
            }

            return Result(state, key, bytesOut) with { NeighboursPushed = neighbours.PushedCount };
        }

        WalPushResult Result(WalPushState state, ObjectKey key, long bytesOut) => new()
        {
            Name = file.Name,
            Path = path,
            State = state,
            Key = key,
            BytesIn = info.Length,
            BytesOut = bytesOut,
            Duration = watch.Elapsed,
        };
    }

    /// <summary>Makes one file durable in the archive.</summary>
    internal async Task<(WalPushState State, ObjectKey Key, long BytesOut)> PushFileAsync(
        WalFile file,
        FileInfo info,
        bool preventOverwrite,
        IProgress<TransferProgress>? progress,
        CancellationToken cancellationToken)
    {
        await using var source = OpenSource(info.FullName);
        using var buffer = await buffers.RentAsync(BufferBytes, cancellationToken).ConfigureAwait(false);
        await CheckContentAsync(file, source, buffer.Memory, cancellationToken).ConfigureAwait(false);

        // A history file decides which timelines exist: wal-g never replaces one with another content, and nor do we.
        var compare = preventOverwrite || file.Kind == WalFileKind.TimelineHistory;
        var key = WalGLayout.Wal(file.Name);
        if (compare && await SameInArchiveAsync(key, source, cancellationToken).ConfigureAwait(false) is { } held)
        {
            await RecordHeldAsync(file, info, source, buffer.Memory, cancellationToken).ConfigureAwait(false);
            return (WalPushState.AlreadyArchived, held, 0);
        }

        try
        {
            using var recording = BeginRecording(file, info);
            var (fullKey, bytesOut) = await UploadAsync(
                key, source, buffer.Memory, compare ? WriteCondition.IfAbsent : WriteCondition.None, recording, progress, cancellationToken)
                .ConfigureAwait(false);
            await KeepAsync(recording, cancellationToken).ConfigureAwait(false);
            return (WalPushState.Uploaded, fullKey, bytesOut);
        }
        catch (WalRusException lost) when (lost.Code == ErrorCode.ObjectExists)
        {
            // Somebody else archived it between the comparison and the write.
            if (await SameInArchiveAsync(key, source, cancellationToken).ConfigureAwait(false) is { } winner)
            {
                await RecordHeldAsync(file, info, source, buffer.Memory, cancellationToken).ConfigureAwait(false);
                return (WalPushState.AlreadyArchived, winner, 0);
            }

            throw new WalRusException(
                ErrorCode.WalSegmentConflict, $"'{file.Name}' was archived and removed again by somebody else meanwhile.")
            { IsTransient = true };
        }
    }

    /// <summary>Where a file's marks are kept.</summary>
    internal PushMarkers MarkersOf(FileInfo info) => new(DataFolderOf(info));

    /// <summary>The object of a segment that a mark says was pushed ahead, when the archive still has it; else null.</summary>
    internal async ValueTask<ObjectKey?> FindMarkedAsync(
        WalFile file, FileInfo info, PushMarkers markers, CancellationToken cancellationToken)
    {
        var found = file.Kind == WalFileKind.Segment && markers.Contains(info)
            ? await archive.FindAsync(WalGLayout.Wal(file.Name), cancellationToken).ConfigureAwait(false)
            : null;
        return found?.Key;
    }

    /// <summary>
    /// Refuses a file that is not what its name says, or is another cluster's. The asked file is checked before any other is
    /// pushed ahead: those must not claim an empty archive for another cluster.
    /// </summary>
    internal async ValueTask CheckAsync(WalFile file, FileInfo info, CancellationToken cancellationToken)
    {
        await using var source = OpenSource(info.FullName);
        using var buffer = await buffers.RentAsync(BufferBytes, cancellationToken).ConfigureAwait(false);
        await CheckContentAsync(file, source, buffer.Memory, cancellationToken).ConfigureAwait(false);
    }

    internal static WalRusException Changed(string path, string how) => new(
        ErrorCode.WalSegmentInvalid,
        $"'{path}' changed while it was read: {how}.",
        "Nothing was archived; PostgreSQL will try again.") { IsTransient = true };

    private string DataFolderOf(FileInfo info) => options.DataFolder ?? Path.Combine(info.DirectoryName!, "walg_data");

    private WalDeltaRecording? BeginRecording(WalFile file, FileInfo info) =>
        file.Kind == WalFileKind.Segment ? recorder?.Begin(file.Segment!.Value, DataFolderOf(info)) : null;

    private ValueTask KeepAsync(WalDeltaRecording? recording, CancellationToken cancellationToken) =>
        recording is null ? default : new ValueTask(recorder!.KeepAsync(recording, cancellationToken));

    /// <summary>An earlier call made it durable, and may have ended before it recorded it.</summary>
    private async ValueTask RecordHeldAsync(
        WalFile file, FileInfo info, FileStream source, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        using var recording = BeginRecording(file, info);
        if (recording is null)
        {
            return;
        }

        int read;
        source.Position = 0;
        while ((read = source.Read(buffer.Span)) > 0)
        {
            recording.Write(buffer.Span[..read]);
        }

        await KeepAsync(recording, cancellationToken).ConfigureAwait(false);
    }

    private static FileStream OpenSource(string path)
    {
        try
        {
            return new FileStream(path, new FileStreamOptions
            {
                // PostgreSQL may remove or recycle the segment as soon as another caller archived it.
                Share = FileShare.ReadWrite | FileShare.Delete,
                BufferSize = 0,
                Options = FileOptions.SequentialScan,
            });
        }
        catch (UnauthorizedAccessException denied)
        {
            throw new WalRusException(
                ErrorCode.FileAccessDenied,
                $"'{path}' may not be read by this account.",
                "Run archive_command as the server's own account, which PostgreSQL does by itself.",
                denied);
        }
        catch (IOException failed)
        {
            throw new WalRusException(ErrorCode.FileFailed, $"'{path}' cannot be opened: {failed.Message}", null, failed);
        }
    }

    private async ValueTask CheckContentAsync(
        WalFile file, FileStream source, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (file.Kind is not (WalFileKind.Segment or WalFileKind.PartialSegment))
        {
            return;
        }

        var first = buffer[..WalSegmentCheck.HeaderBytes];
        var read = await source.ReadAtLeastAsync(first, first.Length, false, cancellationToken).ConfigureAwait(false);
        source.Position = 0;
        var problem = WalSegmentCheck.Problem(
            file.Segment!.Value, first.Span[..read], source.Length, options.SegmentSize, out var header);
        if (problem is not null)
        {
            throw new WalRusException(
                ErrorCode.WalSegmentInvalid,
                $"'{file.Name}' is not the WAL segment its name says: {problem}.",
                "Nothing was archived. Check the disk and the file; archive_command must give %p unchanged.");
        }

        if (options.CheckSystemIdentifier)
        {
            await cluster.RequireAsync(header.SystemIdentifier, file.Name, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The key under which the archive holds exactly these bytes; null when it does not hold the name at all.</summary>
    private async ValueTask<ObjectKey?> SameInArchiveAsync(
        ObjectKey key, FileStream source, CancellationToken cancellationToken)
    {
        var held = await archive.FindAsync(key, cancellationToken).ConfigureAwait(false);
        if (held is null)
        {
            return null;
        }

        var content = await archive.OpenReadAsync(held.Key, cancellationToken).ConfigureAwait(false);
        await using (content.ConfigureAwait(false))
        {
            source.Position = 0;
            var same = await ContentComparison.EqualAsync(source, content, buffers, cancellationToken).ConfigureAwait(false);
            source.Position = 0;
            return same
                ? held.Key
                : throw new WalRusException(
                    ErrorCode.WalSegmentConflict,
                    $"'{key.Name}' is archived already with other content ('{held.Key}'): unable to overwrite it.",
                    "Two servers archive to the same place, or a server was restored and continued without a new timeline. Give this server a prefix of its own.");
        }
    }

    private async Task<(ObjectKey Key, long BytesOut)> UploadAsync(
        ObjectKey key,
        FileStream source,
        Memory<byte> buffer,
        WriteCondition condition,
        WalDeltaRecording? recording,
        IProgress<TransferProgress>? progress,
        CancellationToken cancellationToken)
    {
        var length = source.Length;
        var written = File.GetLastWriteTimeUtc(source.SafeFileHandle);
        var writer = await archive.OpenWriteAsync(key, condition, cancellationToken).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            int read;
            // On this thread: the page cache, which just took the segment, answers sooner than another thread would.
            while ((read = source.Read(buffer.Span)) > 0)
            {
                await writer.WriteAsync(buffer[..read], cancellationToken).ConfigureAwait(false);
                recording?.Write(buffer.Span[..read]);
                progress?.Report(new TransferProgress("Archiving", key.Name, writer.BytesIn, length));
            }

            if (writer.BytesIn != length)
            {
                throw Changed(source.Name, $"its size went from {length} to {writer.BytesIn} bytes");
            }

            if (File.GetLastWriteTimeUtc(source.SafeFileHandle) != written)
            {
                throw Changed(source.Name, "it was written to");
            }

            await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
            return (writer.Key, writer.BytesOut);
        }
    }
}
