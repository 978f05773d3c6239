using WalRus.Postgres;
using WalRus.Streaming;
using WalRus.Wal;

namespace WalRus.Verification;

/// <summary>What became of the segments that were to be brought.</summary>
/// <param name="RestoredCount">Brought, checked and durable.</param>
/// <param name="FailedCount">Not brought: the archive does not hold them, or they are damaged.</param>
public sealed record MissingWalResult(long RestoredCount, long FailedCount);

/// <summary>
/// Brings segments that a folder lacks: wal-g's wal-restore, which gives an old primary the WAL that pg_rewind needs, and
/// WAL-RUS', which asks the archive once more for what wal-show found missing. Those that are there stay as they are; one
/// that cannot be brought is told and does not keep the others back.
/// </summary>
public sealed class MissingWalFetch(WalFetch fetch, TimelineSurvey survey, int lanes, IEventLog log)
{
    /// <summary>Between the fork of two clusters of one origin and the old one's newest segment.</summary>
    /// <param name="newPrimary">The data directory that goes on (wal-g's target).</param>
    /// <param name="oldPrimary">The one to be rewound (wal-g's source); the WAL goes into its pg_wal.</param>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.DataDirectoryInvalid"/>; <see cref="ErrorCode.DataDirectoryMismatch"/> when the two are of
    /// different clusters or of one timeline.
    /// </exception>
    public async Task<MissingWalResult> ForRewindAsync(string newPrimary, string oldPrimary, CancellationToken cancellationToken)
    {
        var range = RewindRange.Read(newPrimary, oldPrimary);
        var wanted = Enumerable.Range(0, checked((int)(range.Last - range.First + 1))).Select(step => range.Path.SegmentAt(range.Last - (ulong)step));
        var result = await BringAsync(wanted, range.Folder, range.Path.Size, cancellationToken).ConfigureAwait(false);

        // pg_rewind also reads back to the last checkpoint before the fork, which wal-g leaves to luck.
        for (var number = range.First; number > 0 && range.HasNoCheckpoint(number); number--)
        {
            var more = await BringAsync([range.Path.SegmentAt(number - 1)], range.Folder, range.Path.Size, cancellationToken).ConfigureAwait(false);
            result = new MissingWalResult(result.RestoredCount + more.RestoredCount, result.FailedCount + more.FailedCount);
        }

        if (result is { RestoredCount: 0, FailedCount: 0 })
        {
            log.WalRestoreNothing();
        }

        return result;
    }

    /// <summary>The segments that the archive lacks, should it have them by now.</summary>
    /// <param name="folder">Where they go; made when it is not there.</param>
    /// <param name="timeline">Only this one; null for all.</param>
    /// <param name="cancellationToken">Stops the downloads.</param>
    public async Task<MissingWalResult> ForGapsAsync(string folder, TimelineId? timeline, CancellationToken cancellationToken)
    {
        var timelines = await survey.RunAsync(withBackups: false, null, cancellationToken).ConfigureAwait(false);
        Directory.CreateDirectory(folder);
        var asked = timelines.Where(candidate => timeline is null || candidate.Timeline == timeline).ToList();
        if (asked.TrueForAll(candidate => !candidate.Gaps.Any()))
        {
            log.WalRestoreNothing();
            return new MissingWalResult(0, 0);
        }

        return await BringAsync(asked.SelectMany(candidate => candidate.Missing()), folder, asked[0].Size, cancellationToken)
            .ConfigureAwait(false);
    }

    private async Task<MissingWalResult> BringAsync(
        IEnumerable<WalFileName> wanted, string folder, WalSegmentSize size, CancellationToken cancellationToken)
    {
        var missing = wanted.Where(name => new FileInfo(Path.Combine(folder, name.ToString())) is not { Exists: true } file || file.Length != size.Bytes);
        var (restored, failed) = (0L, 0L);
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = lanes, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(missing, parallel, async (name, token) =>
        {
            try
            {
                var destination = Path.Combine(folder, name.ToString());
                await fetch.RunAsync(new WalFetchRequest { Name = name.ToString(), Destination = destination }, token).ConfigureAwait(false);
                GiveToOwner(destination, folder);
                log.WalRestored(name.ToString());
                Interlocked.Increment(ref restored);
            }
            catch (WalRusException broken) when (broken.Code is ErrorCode.WalSegmentNotFound or ErrorCode.ObjectCorrupt or ErrorCode.DecryptionFailed)
            {
                log.WalRestoreFailed(name.ToString(), broken.Message);
                Interlocked.Increment(ref failed);
            }
        }).ConfigureAwait(false);
        return new MissingWalResult(restored, failed);
    }

    /// <summary>What root brings must be the server's.</summary>
    private static void GiveToOwner(string file, string folder)
    {
        if (!OperatingSystem.IsWindows() && Environment.IsPrivilegedProcess && UnixFiles.OwnerOf(folder) is { } owner)
        {
            UnixFiles.ChangeOwner(file, owner);
        }
    }
}
