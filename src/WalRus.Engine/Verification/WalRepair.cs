using System.Diagnostics;
using System.Runtime.CompilerServices;
using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Streaming;
using WalRus.Wal;

namespace WalRus.Verification;

/// <summary>
/// Brings WAL that an archive lacks from where it still is. A segment is read whole before it is archived, never over
/// another: what is damaged or only half written stays where it is. Running it again goes on where it stopped.
/// </summary>
public sealed class WalRepair
{
    private const int BufferBytes = 128 * 1024;

    private readonly TimelineSurvey survey;
    private readonly WalPush push;
    private readonly NativeBufferPool buffers;
    private readonly List<IWalRepairSource> sources = [];

    internal WalRepair(TimelineSurvey survey, WalPush push, NativeBufferPool buffers)
    {
        this.survey = survey;
        this.push = push;
        this.buffers = buffers;
    }

    /// <summary>Looks into a folder too; those added first are asked first.</summary>
    /// <param name="path">A data directory, its pg_wal, or a folder with WAL files.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.FileNotFound"/>.</exception>
    public void AddFolder(string path) => sources.Add(new WalFolderSource(path));

    /// <summary>Looks into another archive too.</summary>
    /// <param name="archive">It; not disposed.</param>
    /// <param name="fetch">How it is read.</param>
    public void AddArchive(Archive archive, WalFetch fetch) => sources.Add(new ArchiveSource(archive, fetch));

    /// <summary>Each WAL file that the archive lacks, and where it is; nothing is changed.</summary>
    public async IAsyncEnumerable<WalRepairItem> PlanAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var timelines = await survey.RunAsync(withBackups: true, null, cancellationToken).ConfigureAwait(false);
        foreach (var timeline in timelines.Where(timeline => timeline.Timeline.Value > 1 && timeline.History is null))
        {
            yield return await FindAsync(timeline.Timeline.HistoryFileName, cancellationToken).ConfigureAwait(false);
        }

        foreach (var gap in MissingWal.Of(timelines))
        {
            var size = timelines[0].Size;
            for (ulong step = 0; step < gap.Count; step++)
            {
                yield return await FindAsync(gap.First.Next(size, step).ToString(), cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Archives one file of the plan.</summary>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.WalSegmentInvalid"/>: the source's file is damaged or not complete; or what <see cref="WalPush"/> says.
    /// </exception>
    public async Task<WalRepairItem> RestoreAsync(WalRepairItem item, CancellationToken cancellationToken)
    {
        if (item.From is not { } source)
        {
            return item;
        }

        var watch = Stopwatch.StartNew();
        var folder = Directory.CreateTempSubdirectory("walrus-repair-");
        try
        {
            var path = await source.BringAsync(item.Name, folder.FullName, cancellationToken).ConfigureAwait(false);
            if (WalFileName.TryParse(item.Name, out var segment))
            {
                await CheckAsync(path, segment, cancellationToken).ConfigureAwait(false);
            }

            var pushed = await push.RunAsync(new WalPushRequest { Path = path }, cancellationToken).ConfigureAwait(false);
            return item with
            {
                State = pushed.State == WalPushState.Uploaded ? WalRepairState.Restored : WalRepairState.AlreadyArchived,
                Bytes = pushed.BytesIn,
                StoredBytes = pushed.BytesOut,
                Duration = watch.Elapsed,
            };
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private async Task<WalRepairItem> FindAsync(string name, CancellationToken cancellationToken)
    {
        foreach (var source in sources)
        {
            if (await source.HasAsync(name, cancellationToken).ConfigureAwait(false))
            {
                return new WalRepairItem(name, WalRepairState.Available, source.Location) { From = source };
            }
        }

        return new WalRepairItem(name, WalRepairState.NotFound, null);
    }

    /// <summary>pg_wal also holds segments that were not written to their end, and old ones under the names of those to come.</summary>
    private async Task CheckAsync(string path, WalFileName segment, CancellationToken cancellationToken)
    {
        using var buffer = await buffers.RentAsync(BufferBytes, cancellationToken).ConfigureAwait(false);
        var source = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        await using var close = source.ConfigureAwait(false);
        var size = WalSegmentSize.IsValid(source.Length) ? WalSegmentSize.FromBytes(source.Length) : WalSegmentSize.Default;
        var reading = new SegmentReading(segment, size, history: null);
        int count;
        while ((count = await source.ReadAtLeastAsync(buffer.Memory, buffer.Memory.Length, throwOnEndOfStream: false, cancellationToken)
            .ConfigureAwait(false)) > 0)
        {
            reading.Take(buffer.Memory.Span[..count]);
        }

        if ((reading.Problem ?? (reading.Length == size.Bytes ? null : "it has not the length of a segment")) is { } problem)
        {
            throw new WalRusException(
                ErrorCode.WalSegmentInvalid,
                $"'{path}' is no whole segment: {problem}.",
                "Look for another copy (a standby, another store), or make a new backup.");
        }
    }
}
