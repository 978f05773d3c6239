namespace WalRus.Storage.S3;

/// <summary>
/// How large each part of an object is: small ones first, since most objects are small and each part is a buffer, twice as
/// large after every 950 parts. From 5 MiB the 10,000 parts that S3 allows reach the 5 TB it allows an object; a cap on
/// the part ends that earlier.
/// </summary>
/// <param name="FirstBytes">The first parts' size.</param>
/// <param name="MaxBytes">The largest.</param>
internal readonly record struct S3PartSizes(int FirstBytes, int MaxBytes)
{
    public const int MaxParts = 10_000;
    private const int PartsPerSize = 950;

    /// <param name="number">The part's number, from 1.</param>
    public int BytesOf(int number)
    {
        var doublings = Math.Min((number - 1) / PartsPerSize, 30);
        return (int)Math.Min((long)FirstBytes << doublings, Math.Max(MaxBytes, FirstBytes));
    }
}
