using System.Buffers;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using WalRus.Archiving;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>Times the reading of backups and WAL as a restore does it: lanes, decryption, decompression; nothing is written.</summary>
internal sealed class RestoreRateSample(Archive archive, BackupFetchOptions options, TimeSpan limit, IEventLog log)
{
    private const int BufferBytes = 128 << 10;

    /// <summary>WAL is fetched one segment after the other while the server replays; so many show how fast.</summary>
    private const int SegmentsSampled = 8;

    /// <summary>From the times that the backup's sentinel gives; null when it gives none.</summary>
    public static RestoreRate? Recorded(BackupDetail backup)
    {
        if (backup is not { StartTime: { } start, FinishTime: { } finish } || finish <= start || backup.UncompressedSize <= 0)
        {
            return null;
        }

        var rate = backup.UncompressedSize / (finish - start).TotalSeconds;
        return new RestoreRate(rate, rate, string.Create(
            CultureInfo.InvariantCulture,
            $"estimated: {backup.Name} took {(finish - start).TotalSeconds:0.0} s for {backup.UncompressedSize >> 20} MiB when it was made"));
    }

    public async Task<RestoreRate> MeasureAsync(
        BackupDetail backup, WalPath path, ulong lastSegment, CancellationToken cancellationToken)
    {
        var plan = await BackupFetchPlan.MakeAsync(archive, backup.Name, log, cancellationToken).ConfigureAwait(false);
        var tars = new ConcurrentQueue<ObjectKey>(plan.Steps.SelectMany(step => step.DataTars.Concat(step.LastTars)).Select(tar => tar.Key));
        var (bytes, elapsed) = await ReadAsync(tars, options.DownloadConcurrency, cancellationToken).ConfigureAwait(false);
        var first = lastSegment < SegmentsSampled ? 0 : lastSegment - SegmentsSampled + 1;
        var segments = new ConcurrentQueue<ObjectKey>();
        for (var number = first; number <= lastSegment; number++)
        {
            var key = WalGLayout.Wal(path.SegmentAt(number).ToString());
            if (await archive.FindAsync(key, cancellationToken).ConfigureAwait(false) is { } found)
            {
                segments.Enqueue(found.Key);
            }
        }

        var (walBytes, walElapsed) = await ReadAsync(segments, 1, cancellationToken).ConfigureAwait(false);
        return new RestoreRate(
            bytes / elapsed.TotalSeconds,
            walBytes / walElapsed.TotalSeconds,
            string.Create(
                CultureInfo.InvariantCulture,
                $"measured: {bytes >> 20} MiB of {backup.Name} in {elapsed.TotalSeconds:0.00} s over {options.DownloadConcurrency} lanes, {walBytes >> 20} MiB of WAL in {walElapsed.TotalSeconds:0.00} s"));
    }

    private async Task<(long Bytes, TimeSpan Elapsed)> ReadAsync(
        ConcurrentQueue<ObjectKey> keys, int lanes, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        stop.CancelAfter(limit);
        var bytes = await Task.WhenAll(Enumerable.Range(0, Math.Max(1, Math.Min(lanes, keys.Count))).Select(_ => LaneAsync(keys, stop)))
            .ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        return (Math.Max(1, bytes.Sum()), watch.Elapsed);
    }

    private async Task<long> LaneAsync(ConcurrentQueue<ObjectKey> keys, CancellationTokenSource stop)
    {
        long bytes = 0;
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            while (keys.TryDequeue(out var key))
            {
                var source = await archive.OpenReadAsync(key, stop.Token).ConfigureAwait(false);
                await using (source.ConfigureAwait(false))
                {
                    int count;
                    while ((count = await source.ReadAsync(buffer, stop.Token).ConfigureAwait(false)) > 0)
                    {
                        bytes += count;
                    }
                }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The time is up, or the caller's own token is cancelled, which is looked at when all lanes are done.
        }
        catch
        {
            await stop.CancelAsync().ConfigureAwait(false);
            throw;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return bytes;
    }
}
