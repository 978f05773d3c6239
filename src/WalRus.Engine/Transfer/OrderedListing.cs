using System.Runtime.CompilerServices;
using WalRus.Storage;

namespace WalRus.Transfer;

/// <summary>
/// A listing in the order of its keys, on any store, in bounded memory: where the store gives none, its listing is read
/// again for each next few thousand of the lowest keys.
/// </summary>
internal static class OrderedListing
{
    /// <summary>Entries held at once, some 15 MB.</summary>
    private const int Window = 64 * 1024;

    private static readonly Comparer<ObjectKey> HighestFirst = Comparer<ObjectKey>.Create((left, right) => right.CompareTo(left));

    public static IAsyncEnumerable<ListEntry> ListAsync(
        IObjectStore store, ListRequest request, Func<ListEntry, bool> wanted, CancellationToken cancellationToken) =>
        ListAsync(store, request, (wanted, Window), cancellationToken);

    internal static async IAsyncEnumerable<ListEntry> ListAsync(
        IObjectStore store,
        ListRequest request,
        (Func<ListEntry, bool> Wanted, int Window) choice,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (store.Features.HasFlag(StoreFeatures.OrderedListing))
        {
            await foreach (var entry in store.ListAsync(request, cancellationToken).Matching(choice.Wanted).ConfigureAwait(false))
            {
                yield return entry;
            }

            yield break;
        }

        int count;
        do
        {
            var lowest = await LowestAsync(store, request, choice, cancellationToken).ConfigureAwait(false);
            foreach (var entry in lowest)
            {
                yield return entry;
            }

            count = lowest.Length;
            request = count > 0 ? request with { StartAfter = lowest[^1].Key } : request;
        }
        while (count == choice.Window);
    }

    private static async Task<ListEntry[]> LowestAsync(
        IObjectStore store, ListRequest request, (Func<ListEntry, bool> Wanted, int Window) choice, CancellationToken cancellationToken)
    {
        var lowest = new PriorityQueue<ListEntry, ObjectKey>(HighestFirst);
        await foreach (var entry in store.ListAsync(request, cancellationToken).Matching(choice.Wanted).ConfigureAwait(false))
        {
            if (lowest.Count < choice.Window)
            {
                lowest.Enqueue(entry, entry.Key);
            }
            else
            {
                lowest.EnqueueDequeue(entry, entry.Key);
            }
        }

        var sorted = new ListEntry[lowest.Count];
        for (var i = sorted.Length - 1; i >= 0; i--)
        {
            sorted[i] = lowest.Dequeue();
        }

        return sorted;
    }
}
