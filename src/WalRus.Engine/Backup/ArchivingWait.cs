using System.Globalization;
using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>
/// Waits until a primary has archived the WAL that a backup needs, as the server's own stop call does; but that looks once
/// a second, which is most of what a small delta takes. Source: PostgreSQL's do_pg_backup_stop and XLogArchiveIsBusy.
/// </summary>
internal sealed class ArchivingWait
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan PingInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan FirstWarning = TimeSpan.FromSeconds(60);

    private readonly string walFolder;
    private readonly string statusFolder;

    private ArchivingWait(string walFolder, string statusFolder)
    {
        this.walFolder = walFolder;
        this.statusFolder = statusFolder;
    }

    /// <returns>Null where the folders cannot be read: then the server has to be waited for.</returns>
    public static ArchivingWait? TryOpen(string dataDirectory)
    {
        var wal = Path.Combine(dataDirectory, "pg_wal");
        var status = Path.Combine(wal, "archive_status");
        try
        {
            _ = Directory.EnumerateFiles(wal).Any();
            _ = Directory.EnumerateFiles(status).Any();
            return new ArchivingWait(wal, status);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>What has to be archived: the segment with the backup's end, and the file that says where the backup began.</summary>
    public static IReadOnlyList<string> NeededFiles(BackupModeStart start, Lsn stop, WalSegmentSize segmentSize)
    {
        var timeline = start.Segment.Timeline;
        var first = WalFileName.FromLsn(timeline, start.Lsn, segmentSize);
        var offset = start.Lsn - segmentSize.StartOf(segmentSize.SegmentNumber(start.Lsn));
        return
        [
            WalFileName.FromLsn(timeline, new Lsn(stop.Value - 1), segmentSize).ToString(),
            string.Create(CultureInfo.InvariantCulture, $"{first}.{offset:X8}.backup"),
        ];
    }

    /// <param name="files">Their names.</param>
    /// <param name="limit">Null to wait as long as the server lives.</param>
    /// <param name="ping">Fails when the server is gone: nobody would archive then.</param>
    /// <param name="warnings">Hears of a wait that takes long.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.DeadlineExceeded"/>, or what the ping fails with.</exception>
    public async Task RunAsync(
        IReadOnlyList<string> files,
        TimeSpan? limit,
        Func<CancellationToken, Task> ping,
        BackupWarnings warnings,
        CancellationToken cancellationToken)
    {
        var started = TimeProvider.System.GetTimestamp();
        var (nextPing, nextWarning) = (PingInterval, FirstWarning);
        while (files.FirstOrDefault(IsBusy) is { } missing)
        {
            var waited = TimeProvider.System.GetElapsedTime(started);
            if (waited >= limit)
            {
                throw ServerBackupMode.NotArchived(limit.Value, null);
            }

            if (waited >= nextPing)
            {
                await ping(cancellationToken).ConfigureAwait(false);
                nextPing = TimeProvider.System.GetElapsedTime(started) + PingInterval;
            }

            if (waited >= nextWarning)
            {
                warnings.Add($"After {waited.TotalSeconds:0} s the server has not archived '{missing}' yet, without which the backup is incomplete.");
                nextWarning *= 2;
            }

            await Task.Delay(PollInterval, cancellationToken).ConfigureAwait(false);
        }
    }

    private bool IsBusy(string file)
    {
        var status = Path.Combine(statusFolder, file);
        if (File.Exists(status + ".done"))
        {
            return false;
        }

        if (File.Exists(status + ".ready"))
        {
            return true;
        }

        try
        {
            // Archived between the two looks; or archived so long ago that the file and its mark are gone.
            return !File.Exists(status + ".done") && Directory.EnumerateFiles(walFolder, file).Any();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DataFile.Translate(failure, walFolder);
        }
    }
}
