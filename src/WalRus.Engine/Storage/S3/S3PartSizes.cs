namespace WalRus.Storage.S3;

/// <summary>
/// How large each part of an object is: small ones first, since most objects are small and each part is a buffer, twice as
/// large after every thousand parts. From 5 MiB the 10,000 parts that S3 allows reach 5 TB; a cap on the part ends that
/// earlier.
/// </summary>
/// <param name="FirstBytes">The first thousand's size.</param>
/// <param name="MaxBytes">The largest.</param>
internal readonly record struct S3PartSizes(int FirstBytes, int MaxBytes)
{
    public const int MaxParts = 10_000;
    private const int PartsPerSize = 1000;

    /// <param name="number">The part's number, from 1.</param>
    public int BytesOf(int number)
    {
        var doublings = Math.Min((number - 1) / PartsPerSize, 30);
        return (int)Math.Min((long)FirstBytes << doublings, Math.Max(MaxBytes, FirstBytes));
    }
}
