using Amazon.S3.Model;

namespace WalRus.Storage.S3;

/// <summary>One listing, a page of up to a thousand names at a time.</summary>
internal sealed class S3Listing
{
    private const string Delimiter = "/";

    private readonly S3Requests requests;
    private readonly ListRequest request;
    private readonly string prefix;
    private readonly string? startAfter;
    private string? marker;

    public S3Listing(S3Requests requests, ListRequest request)
    {
        this.requests = requests;
        this.request = request;
        prefix = S3Keyspace.FolderPrefix(requests.Options, request.Folder.Trim('/')) + request.NamePrefix;
        startAfter = request.StartAfter is { } after ? S3Keyspace.FullKey(requests.Options, after) : null;
        marker = requests.Options.ListV1 ? startAfter : null;
    }

    public bool HasMore { get; private set; }

    private S3StoreOptions Options => requests.Options;

    public async ValueTask<IEnumerable<ListEntry>> NextPageAsync(CancellationToken cancellationToken)
    {
        var (objects, folders) = Options.ListV1
            ? await PageV1Async(cancellationToken).ConfigureAwait(false)
            : await PageV2Async(cancellationToken).ConfigureAwait(false);
        return Entries(objects ?? [], folders ?? []);
    }

    private async ValueTask<(List<S3Object>?, List<string>?)> PageV2Async(CancellationToken cancellationToken)
    {
        var page = await requests.SendAsync(
            Operation(),
            one => one.Client.ListObjectsV2Async(
                new ListObjectsV2Request
                {
                    BucketName = Options.Bucket,
                    Prefix = prefix,
                    Delimiter = request.Recursive ? null : Delimiter,
                    StartAfter = startAfter,
                    ContinuationToken = marker,
                },
                one.Token),
            cancellationToken).ConfigureAwait(false);
        marker = page.NextContinuationToken;
        HasMore = page.IsTruncated == true && marker is { Length: > 0 };
        return (page.S3Objects, page.CommonPrefixes);
    }

    private async ValueTask<(List<S3Object>?, List<string>?)> PageV1Async(CancellationToken cancellationToken)
    {
        var page = await requests.SendAsync(
            Operation(),
            one => one.Client.ListObjectsAsync(
                new ListObjectsRequest
                {
                    BucketName = Options.Bucket,
                    Prefix = prefix,
                    Delimiter = request.Recursive ? null : Delimiter,
                    Marker = marker,
                },
                one.Token),
            cancellationToken).ConfigureAwait(false);
        marker = page.NextMarker;
        HasMore = page.IsTruncated == true && marker is { Length: > 0 };
        return (page.S3Objects, page.CommonPrefixes);
    }

    private IEnumerable<ListEntry> Entries(List<S3Object> objects, List<string> folders)
    {
        foreach (var found in objects)
        {
            if (IsWanted(found.Key, out var key))
            {
                yield return new ListEntry(key, IsFolder: false, found.Size ?? 0, S3Keyspace.Utc(found.LastModified));
            }
        }

        foreach (var found in folders)
        {
            if (IsWanted(found.EndsWith('/') ? found[..^1] : found, out var key))
            {
                yield return new ListEntry(key, IsFolder: true, 0, default);
            }
        }
    }

    private bool IsWanted(string fullKey, out ObjectKey key) =>
        S3Keyspace.TryParse(Options, fullKey, out key)
        && (request.StartAfter is not { } after || key.CompareTo(after) > 0);

    private string Operation() => $"Listing '{prefix}' in {Options.Location}";
}
