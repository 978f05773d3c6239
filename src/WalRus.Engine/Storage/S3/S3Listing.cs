using System.Text;
using System.Xml;

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
        var list = new S3WireRequest { Method = HttpMethod.Get, Key = "", Query = Query() };
        var page = await requests.SendAsync(
            Operation(),
            async one =>
            {
                using var answer = await one.SendAsync(list).ConfigureAwait(false);
                return await ReadAsync(answer, one).ConfigureAwait(false);
            },
            cancellationToken).ConfigureAwait(false);
        marker = page.Next;
        HasMore = page.IsTruncated && marker is { Length: > 0 };
        return Entries(page);
    }

    private async Task<S3ListPage> ReadAsync(HttpResponseMessage answer, S3Try one)
    {
        try
        {
            var body = await answer.Content.ReadAsStreamAsync(one.Token).ConfigureAwait(false);

            // The reader has no token: closing what it reads from ends it.
            using var end = one.Token.UnsafeRegister(static state => ((IDisposable)state!).Dispose(), answer);
            return await S3ListPage.ReadAsync(body, one.Guard).ConfigureAwait(false);
        }
        catch (XmlException garbled)
        {
            throw new WalRusException(
                ErrorCode.StoreFailed,
                $"{Operation()} failed: the server's answer cannot be read: {garbled.Message}",
                "Check that AWS_ENDPOINT is an S3 server and that nothing between changes its answers.",
                garbled) { IsTransient = true };
        }
    }

    /// <summary>In the order of the names, as the signature wants it.</summary>
    private string Query()
    {
        var query = new StringBuilder();
        if (!Options.ListV1)
        {
            Add("continuation-token", marker);
        }

        Add("delimiter", request.Recursive ? null : Delimiter);
        if (Options.ListV1)
        {
            Add("marker", marker);
        }
        else
        {
            Add("list-type", "2");
        }

        Add("prefix", prefix);
        Add("start-after", Options.ListV1 ? null : startAfter);
        return query.ToString();

        void Add(string name, string? value)
        {
            if (!string.IsNullOrEmpty(value))
            {
                query.Append(query.Length == 0 ? "" : "&").Append(name).Append('=')
                    .Append(S3Signature.Encode(value, keepSlashes: false));
            }
        }
    }

    private IEnumerable<ListEntry> Entries(S3ListPage page)
    {
        foreach (var (name, size, modified) in page.Objects)
        {
            if (IsWanted(name, out var key))
            {
                yield return new ListEntry(key, IsFolder: false, size, modified);
            }
        }

        foreach (var name in page.Folders)
        {
            if (IsWanted(name.EndsWith('/') ? name[..^1] : name, out var key))
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
