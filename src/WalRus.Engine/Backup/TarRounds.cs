using System.Collections.Concurrent;
using WalRus.Archiving;
using WalRus.Streaming;

namespace WalRus.Backup;

/// <summary>
/// Extracts a group of tars over several lanes. Those that fail for a passing reason are tried again in rounds, as in
/// wal-g: half the lanes each round, longer and longer waits, until all are done or the retries are used up.
/// </summary>
internal sealed class TarRounds(
    Archive archive, BackupFetchOptions options, NativeBufferPool buffers, TimeProvider time, IEventLog log)
{
    private const int BufferBytes = 256 * 1024;
    private static readonly TimeSpan FirstDelay = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan MaxDelay = TimeSpan.FromMinutes(5);

    /// <exception cref="WalRusException">The first failure that does not pass, or <see cref="ErrorCode.BackupPartFailed"/>
    /// when the retries are used up.</exception>
    public async Task RunAsync(IReadOnlyList<StoredTar> stored, TarExtractor extractor, CancellationToken cancellationToken)
    {
        var tars = stored;
        var lanes = Math.Max(1, options.DownloadConcurrency);
        var delay = FirstDelay;
        for (var retriesLeft = options.FileRetries; ; retriesLeft--)
        {
            var failed = await RoundAsync(tars, lanes, extractor, cancellationToken).ConfigureAwait(false);
            if (failed.IsEmpty)
            {
                return;
            }

            var (first, reason) = failed.First();
            if (retriesLeft <= 0)
            {
                throw new WalRusException(
                    ErrorCode.BackupPartFailed,
                    $"'{first.Key}' could not be read: {reason.Message}",
                    reason.Hint ?? "Look at the store's health and try again.",
                    reason);
            }

            foreach (var (tar, why) in failed)
            {
                log.RestoreTarRetry(tar.Key.ToString(), delay, why.Message);
            }

            await Task.Delay(delay, time, cancellationToken).ConfigureAwait(false);
            tars = [.. failed.Keys];
            lanes = Math.Max(1, lanes / 2);
            delay = delay * 2 < MaxDelay ? delay * 2 : MaxDelay;
        }
    }

    private async Task<ConcurrentDictionary<StoredTar, WalRusException>> RoundAsync(
        IReadOnlyList<StoredTar> tars, int lanes, TarExtractor extractor, CancellationToken cancellationToken)
    {
        var failed = new ConcurrentDictionary<StoredTar, WalRusException>();
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = lanes, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(tars, parallel, async (tar, token) =>
        {
            try
            {
                await ExtractAsync(tar, extractor, token).ConfigureAwait(false);
            }
            catch (WalRusException passing) when (passing.IsTransient)
            {
                failed[tar] = passing;
            }
            catch (WalRusException missing) when (missing.Code == ErrorCode.ObjectNotFound)
            {
                throw new WalRusException(
                    ErrorCode.BackupIncomplete,
                    $"'{tar.Key}' is gone: it was there when the restore began.",
                    "Choose another backup, and find out what removes this one's objects: a delete that runs at this time, a rule of the bucket.",
                    missing);
            }
        }).ConfigureAwait(false);
        return failed;
    }

    private async Task ExtractAsync(StoredTar tar, TarExtractor extractor, CancellationToken cancellationToken)
    {
        using var buffer = await buffers.RentAsync(BufferBytes, cancellationToken).ConfigureAwait(false);
        var source = await archive.OpenReadAsync(tar.Key, cancellationToken).ConfigureAwait(false);
        var content = new ChecksummedTar(source, tar);
        await using var closing = content.ConfigureAwait(false);
        await extractor.RunAsync(content, buffer.Memory, tar.Key.ToString(), cancellationToken).ConfigureAwait(false);
        await content.RequireAsync(buffer.Memory, cancellationToken).ConfigureAwait(false);
    }
}
