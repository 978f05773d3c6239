using WalRus.Storage;

namespace WalRus.Tests.Contracts;

/// <summary>Short forms for tests that use stores.</summary>
internal static class StoreExtensions
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static byte[] Bytes(int count, int seed = 1)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public static async Task PutAsync(
        this IObjectStore store, string key, ReadOnlyMemory<byte> content, WriteCondition condition = WriteCondition.None)
    {
        await using var stream = await store.OpenWriteAsync(ObjectKey.Parse(key), condition, Token);
        for (var at = 0; at < content.Length; at += 100_000)
        {
            await stream.WriteAsync(content[at..Math.Min(content.Length, at + 100_000)], Token);
        }

        await stream.CompleteAsync(Token);
    }

    public static async Task<byte[]> GetAsync(this IObjectStore store, string key, ByteRange? range = null)
    {
        await using var stream = await store.OpenReadAsync(ObjectKey.Parse(key), range, Token);
        var content = new MemoryStream();
        await stream.CopyToAsync(content, Token);
        return content.ToArray();
    }

    public static async Task<bool> HasAsync(this IObjectStore store, string key) =>
        await store.HeadAsync(ObjectKey.Parse(key), Token) is not null;

    public static async Task<List<ListEntry>> ListAsync(this IObjectStore store, ListRequest request)
    {
        var entries = new List<ListEntry>();
        await foreach (var entry in store.ListAsync(request, Token))
        {
            entries.Add(entry);
        }

        return entries;
    }

    /// <summary>The keys of a listing in order, folders with a '/' at the end.</summary>
    public static async Task<string[]> NamesAsync(this IObjectStore store, ListRequest request) =>
    [
        .. (await store.ListAsync(request)).Select(entry => entry.Key + (entry.IsFolder ? "/" : ""))
            .Order(StringComparer.Ordinal),
    ];

    public static async Task<WalRusException> FailsAsync(this Task work, ErrorCode code)
    {
        var failure = await Assert.ThrowsAnyAsync<WalRusException>(() => work);
        Assert.True(failure.Code == code, $"{failure.Code} instead of {code}: {failure}");
        return failure;
    }
}
