using System.Runtime.CompilerServices;
using WalRus.Storage;

namespace WalRus.Transfer;

/// <summary>
/// A listing in the order of its keys, on any store, in bounded memory: where the store gives none, it is sorted on disk.
/// </summary>
internal static class OrderedListing
{
    /// <summary>Entries held at once, some 4 MB.</summary>
    private const int Held = 16 * 1024;

    public static IAsyncEnumerable<ListEntry> ListAsync(
        IObjectStore store, ListRequest request, Func<ListEntry, bool> wanted, CancellationToken cancellationToken) =>
        ListAsync(store, request, (wanted, Held), cancellationToken);

    internal static async IAsyncEnumerable<ListEntry> ListAsync(
        IObjectStore store,
        ListRequest request,
        (Func<ListEntry, bool> Wanted, int Held) choice,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var wanted = store.ListAsync(request, cancellationToken).Matching(choice.Wanted);
        if (store.Features.HasFlag(StoreFeatures.OrderedListing))
        {
            await foreach (var entry in wanted.ConfigureAwait(false))
            {
                yield return entry;
            }

            yield break;
        }

        using var sorted = new EntrySort(choice.Held);
        await foreach (var entry in wanted.ConfigureAwait(false))
        {
            sorted.Add(entry);
        }

        foreach (var entry in sorted.Read())
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return entry;
        }
    }
}
