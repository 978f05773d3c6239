using System.Globalization;
using System.Xml;

namespace WalRus.Storage.S3;

/// <summary>One page of a listing, as either version of the request answers it.</summary>
internal sealed class S3ListPage
{
    private string? lastName;

    private S3ListPage()
    {
    }

    public List<(string Key, long SizeBytes, DateTimeOffset LastModified)> Objects { get; } = [];

    /// <summary>With '/' at their ends.</summary>
    public List<string> Folders { get; } = [];

    public bool IsTruncated { get; private set; }

    /// <summary>What the next page's request must say: the server's token or marker, or else the last name of this page.</summary>
    public string? Next { get; private set; }

    /// <summary>Reads a page from a body as it comes.</summary>
    /// <param name="body">The answer's; stays the caller's.</param>
    /// <param name="guard">Is told of each entry.</param>
    /// <exception cref="XmlException">This is no listing, or it is cut short.</exception>
    public static async Task<S3ListPage> ReadAsync(Stream body, StallGuard guard)
    {
        var page = new S3ListPage();
        var settings = new XmlReaderSettings { Async = true, DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null };
        using var reader = XmlReader.Create(body, settings);
        if (await reader.MoveToContentAsync().ConfigureAwait(false) != XmlNodeType.Element
            || reader.LocalName != "ListBucketResult")
        {
            throw new XmlException($"the answer is no listing but '{reader.LocalName}'");
        }

        var depth = reader.Depth + 1;
        await reader.ReadAsync().ConfigureAwait(false);
        while (reader.Depth >= depth)
        {
            await page.ReadElementAsync(reader).ConfigureAwait(false);
            guard.Moved();
        }

        page.Next ??= page.IsTruncated ? page.lastName : null;
        return page;
    }

    private async Task ReadElementAsync(XmlReader reader)
    {
        if (reader.NodeType != XmlNodeType.Element)
        {
            await reader.ReadAsync().ConfigureAwait(false);
            return;
        }

        switch (reader.LocalName)
        {
            case "IsTruncated":
                IsTruncated = await TextAsync(reader).ConfigureAwait(false) == "true";
                break;
            case "NextContinuationToken" or "NextMarker":
                Next = await TextAsync(reader).ConfigureAwait(false) is { Length: > 0 } next ? next : null;
                break;
            case "Contents":
                await ReadObjectAsync(reader).ConfigureAwait(false);
                break;
            case "CommonPrefixes":
                await ReadFolderAsync(reader).ConfigureAwait(false);
                break;
            default:
                await reader.SkipAsync().ConfigureAwait(false);
                break;
        }
    }

    private async Task ReadObjectAsync(XmlReader reader)
    {
        string? key = null;
        long size = 0;
        DateTimeOffset modified = default;
        await foreach (var (name, text) in ChildrenAsync(reader, ["Key", "Size", "LastModified"]).ConfigureAwait(false))
        {
            switch (name)
            {
                case "Key":
                    key = text;
                    break;
                case "Size" when !long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out size):
                case "LastModified" when !DateTimeOffset.TryParse(
                    text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out modified):
                    throw new XmlException($"'{text}' is no {name}");
            }
        }

        if (key is not null)
        {
            Objects.Add((key, size, modified));
            Remember(key);
        }
    }

    private async Task ReadFolderAsync(XmlReader reader)
    {
        await foreach (var (_, prefix) in ChildrenAsync(reader, ["Prefix"]).ConfigureAwait(false))
        {
            Folders.Add(prefix);
            Remember(prefix);
        }
    }

    private void Remember(string name) => lastName = string.CompareOrdinal(name, lastName) > 0 ? name : lastName;

    /// <summary>The texts of an element's children with these names; the reader is past the element then.</summary>
    private static async IAsyncEnumerable<(string Name, string Text)> ChildrenAsync(XmlReader reader, string[] names)
    {
        var depth = reader.Depth + 1;
        if (reader.IsEmptyElement)
        {
            await reader.ReadAsync().ConfigureAwait(false);
            yield break;
        }

        await reader.ReadAsync().ConfigureAwait(false);
        while (reader.Depth >= depth)
        {
            if (reader.NodeType == XmlNodeType.Element && names.Contains(reader.LocalName))
            {
                var name = reader.LocalName;
                yield return (name, await TextAsync(reader).ConfigureAwait(false));
            }
            else if (reader.NodeType == XmlNodeType.Element)
            {
                await reader.SkipAsync().ConfigureAwait(false);
            }
            else
            {
                await reader.ReadAsync().ConfigureAwait(false);
            }
        }

        await reader.ReadAsync().ConfigureAwait(false);
    }

    private static Task<string> TextAsync(XmlReader reader) => reader.ReadElementContentAsStringAsync();
}
