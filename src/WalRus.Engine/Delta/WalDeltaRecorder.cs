using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Delta;

/// <summary>
/// Records what archived WAL changes, for delta backups (<c>WALG_USE_WAL_DELTA</c>): each segment's changes in the data folder,
/// those of sixteen as an object beside them. Segments may come in any order, at the same time, from several processes, before
/// and after restarts. Never fails or delays for long who pushes the WAL.
/// </summary>
/// <example><code>
/// using var recording = recorder.Begin(segment, dataFolder);
/// recording.Write(bytes);                          // as they are stored
/// await recorder.KeepAsync(recording, token);      // once the segment is durable
/// </code></example>
public sealed class WalDeltaRecorder(Archive archive, NativeBufferPool buffers, IEventLog log)
{
    private const int BufferBytes = 128 << 10;

    /// <summary>What is so far behind the newest waits for a segment that another host archived; that group is given up.</summary>
    private const ulong KeptSegments = 8 * DeltaSidecar.SegmentCount;

    private static readonly TimeSpan StoreTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan UnfinishedAge = TimeSpan.FromHours(1);

    private readonly SemaphoreSlim storing = new(1, 1);
    private int kept;

    /// <summary>Begins to listen to a segment.</summary>
    /// <param name="segment">Which.</param>
    /// <param name="dataFolder">wal-g's data folder (<c>walg_data</c>): the same for every push of this server's WAL.</param>
    public WalDeltaRecording Begin(WalFileName segment, string dataFolder) => new(segment, FolderOf(dataFolder));

    /// <summary>Keeps what was recorded of a segment that is durable now, and stores the groups that are whole with it.</summary>
    public async Task KeepAsync(WalDeltaRecording recording, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(recording);
        if (!recording.TryKeep())
        {
            log.WalDeltaNotRecorded(recording.Segment.ToString(), recording.Problem!);
            return;
        }

        // Who finds another at it leaves its segment to that one, who looks again before it ends.
        Interlocked.Increment(ref kept);
        for (var seen = 0; seen != Volatile.Read(ref kept) && await storing.WaitAsync(0, CancellationToken.None).ConfigureAwait(false);)
        {
            try
            {
                seen = Volatile.Read(ref kept);
                if (!await StoreWholeAsync(recording, cancellationToken).ConfigureAwait(false))
                {
                    return;
                }
            }
            finally
            {
                storing.Release();
            }
        }
    }

    private static string FolderOf(string dataFolder) => Path.Combine(dataFolder, "walrus_delta");

    /// <summary>False when the store failed: the next segment tries again.</summary>
    private async Task<bool> StoreWholeAsync(WalDeltaRecording recording, CancellationToken cancellationToken)
    {
        using var limit = new Deadline(StoreTimeout, cancellationToken);
        var name = "";
        try
        {
            var folder = recording.Folder;
            foreach (var first in GroupsIn(folder, recording.Size))
            {
                name = DeltaSidecar.NameOf(first);
                await StoreAsync(folder, first, recording.Size, limit.Token).ConfigureAwait(false);
            }

            RemoveOld(folder, recording.Segment, recording.Size);
            return true;
        }
        catch (Exception failure) when (failure is WalRusException or IOException or UnauthorizedAccessException or OperationCanceledException)
        {
            log.WalDeltaNotStored(name, failure.Message);
            return false;
        }
    }

    private async Task StoreAsync(string folder, WalFileName first, WalSegmentSize size, CancellationToken cancellationToken)
    {
        var group = new WalDeltaGroup(archive, folder, first, size);
        try
        {
            if (!group.IsWhole())
            {
                return;
            }

            using var buffer = await buffers.RentAsync(BufferBytes, cancellationToken).ConfigureAwait(false);
            if (await group.StoreAsync(buffer.Memory, cancellationToken).ConfigureAwait(false))
            {
                log.WalDeltaStored(DeltaSidecar.NameOf(first));
            }
        }
        catch (WalRusException broken) when (broken.Code == ErrorCode.ObjectCorrupt)
        {
            log.WalDeltaNotStored(DeltaSidecar.NameOf(first), broken.Message);
        }

        group.Remove();
    }

    /// <summary>The groups whose last segment was recorded, or any other of them that may be whole.</summary>
    private static List<WalFileName> GroupsIn(string folder, WalSegmentSize size) =>
        [.. Directory.EnumerateFiles(folder).Select(path => Path.GetFileName(path))
            .Where(name => WalFileName.TryParse(name, out var segment) && segment.IsValidFor(size))
            .Select(name => DeltaSidecar.GroupOf(WalFileName.Parse(name), size))
            .GroupBy(first => first).Where(group => group.Count() == DeltaSidecar.SegmentCount).Select(group => group.Key).Order()];

    private static void RemoveOld(string folder, WalFileName newest, WalSegmentSize size)
    {
        foreach (var path in Directory.EnumerateFiles(folder))
        {
            var isRecord = WalFileName.TryParse(Path.GetFileName(path), out var segment);
            var isOld = isRecord
                ? segment.Timeline < newest.Timeline
                    || (segment.Timeline == newest.Timeline && segment.SegmentNumber(size) + KeptSegments < newest.SegmentNumber(size))
                : DateTime.UtcNow - File.GetLastWriteTimeUtc(path) > UnfinishedAge;
            if (isOld)
            {
                File.Delete(path);
            }
        }
    }
}
