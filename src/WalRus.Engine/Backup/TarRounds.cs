using System.Collections.Concurrent;
using WalRus.Archiving;
using WalRus.Storage;
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
        IReadOnlyCollection<ObjectKey> tars = [.. stored.Select(tar => tar.Key)];
        var lanes = Math.Max(1, options.DownloadConcurrency);
        var delay = FirstDelay;
        for (var retriesLeft = options.FileRetries; ; retriesLeft--)
        {
            var failed = await RoundAsync(tars, lanes, extractor, cancellationToken).ConfigureAwait(false);
            if (failed.IsEmpty)
            {
                return;
            }

            var (key, reason) = failed.First();
            if (retriesLeft <= 0)
            {
                throw new WalRusException(
                    ErrorCode.BackupPartFailed,
                    $"'{key}' could not be read: {reason.Message}",
                    reason.Hint ?? "Look at the store's health and try again.",
                    reason);
            }

            foreach (var (tar, why) in failed)
            {
                log.RestoreTarRetry(tar.ToString(), delay, why.Message);
            }

            await Task.Delay(delay, time, cancellationToken).ConfigureAwait(false);
            tars = [.. failed.Keys];
            lanes = Math.Max(1, lanes / 2);
            delay = delay * 2 < MaxDelay ? delay * 2 : MaxDelay;
        }
    }

    private async Task<ConcurrentDictionary<ObjectKey, WalRusException>> RoundAsync(
        IReadOnlyCollection<ObjectKey> tars, int lanes, TarExtractor extractor, CancellationToken cancellationToken)
    {
        var failed = new ConcurrentDictionary<ObjectKey, WalRusException>();
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = lanes, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(tars, parallel, async (key, token) =>
        {
            try
            {
                await ExtractAsync(key, extractor, token).ConfigureAwait(false);
            }
            catch (WalRusException passing) when (passing.IsTransient)
            {
                failed[key] = passing;
            }
        }).ConfigureAwait(false);
        return failed;
    }

    private async Task ExtractAsync(ObjectKey key, TarExtractor extractor, CancellationToken cancellationToken)
    {
        using var buffer = await buffers.RentAsync(BufferBytes, cancellationToken).ConfigureAwait(false);
        var source = await archive.OpenReadAsync(key, cancellationToken).ConfigureAwait(false);
        await using var closing = source.ConfigureAwait(false);
        await extractor.RunAsync(source, buffer.Memory, key.ToString(), cancellationToken).ConfigureAwait(false);
    }
}
