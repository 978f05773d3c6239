namespace WalRus.Transfer;

/// <summary>Runs work on a stream's items over a bounded number of lanes; nothing of the stream is kept.</summary>
internal static class CopyLanes
{
    /// <exception cref="Exception">The first failure; the other lanes were stopped.</exception>
    public static Task RunAsync<T>(
        IAsyncEnumerable<T> items, int lanes, Func<T, CancellationToken, ValueTask> work, CancellationToken cancellationToken) =>
        Parallel.ForEachAsync(
            items, new ParallelOptions { MaxDegreeOfParallelism = lanes, CancellationToken = cancellationToken }, work);

    /// <summary>The items that a condition holds for.</summary>
    public static async IAsyncEnumerable<T> Matching<T>(this IAsyncEnumerable<T> items, Func<T, bool> condition)
    {
        await foreach (var item in items.ConfigureAwait(false))
        {
            if (condition(item))
            {
                yield return item;
            }
        }
    }
}
