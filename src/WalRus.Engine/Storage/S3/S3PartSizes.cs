using WalRus.Streaming;

namespace WalRus.Storage.S3;

/// <summary>
/// How large each part of an object is: small ones first, since most objects are small and each part is a buffer, twice as
/// large after every 950 parts. From 5 MiB the 10,000 parts that S3 allows reach the 5 TB it allows an object; a cap on
/// the part ends that earlier.
/// </summary>
/// <param name="FirstBytes">The first parts' size.</param>
/// <param name="MaxBytes">The largest.</param>
/// <param name="SingleBytes">An object up to this size is no parts but one request.</param>
internal readonly record struct S3PartSizes(int FirstBytes, int MaxBytes, int SingleBytes)
{
    public const int MaxParts = 10_000;
    private const int PartsPerSize = 950;

    /// <param name="options">What the store is told.</param>
    /// <param name="budgetBytes">Of the pool that the buffers come from.</param>
    /// <param name="needsOneRequest">Only a single request is sure not to replace an object: worth a larger buffer.</param>
    public static S3PartSizes Of(S3StoreOptions options, long budgetBytes, bool needsOneRequest)
    {
        // A single request that must hold everything may pass the pool's budget, alone (GrowthBudget); others need not.
        var single = needsOneRequest ? options.MaxPartSizeBytes : Math.Min(options.SingleRequestBytes, budgetBytes);
        return new S3PartSizes(
            options.PartSizeBytes, WholeChunks(options.MaxPartSizeBytes), Math.Max(options.PartSizeBytes, WholeChunks(single)));
    }

    /// <param name="number">The part's number, from 1.</param>
    public int BytesOf(int number)
    {
        var doublings = Math.Min((number - 1) / PartsPerSize, 30);
        return (int)Math.Min((long)FirstBytes << doublings, Math.Max(MaxBytes, FirstBytes));
    }

    private static int WholeChunks(long bytes) => (int)(bytes / GrowingBuffer.ChunkBytes * GrowingBuffer.ChunkBytes);
}
