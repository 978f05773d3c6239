using System.Net;

namespace WalRus.Storage.S3;

/// <summary>A server's answer that is no success, of a request that did not go through the SDK.</summary>
internal sealed class S3Refusal : Exception
{
    /// <summary>An error document is a few hundred bytes; a server that sends pages is not read to their end.</summary>
    private const int MaxDocumentBytes = 64 * 1024;

    private S3Refusal(HttpResponseMessage response, S3ErrorDocument document)
        : base(document.Sentence ?? response.ReasonPhrase)
    {
        StatusCode = response.StatusCode;
        ErrorCode = document.Code;
        Sentence = document.Sentence;
        RetryAfter = First(response, "Retry-After");
        BucketRegion = First(response, "x-amz-bucket-region") ?? document.Region;
    }

    public HttpStatusCode StatusCode { get; }

    /// <summary>"NoSuchKey"; null when the answer had no document of S3's.</summary>
    public string? ErrorCode { get; }

    /// <summary>The server's own message.</summary>
    public string? Sentence { get; }

    public string? RetryAfter { get; }

    public string? BucketRegion { get; }

    /// <summary>Reads what the server says, as far as it is a document of S3's.</summary>
    public static async Task<S3Refusal> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var document = await ReadDocumentAsync(response.Content, cancellationToken).ConfigureAwait(false);
        return new S3Refusal(response, S3ErrorDocument.Parse(document));
    }

    private static async Task<ReadOnlyMemory<byte>> ReadDocumentAsync(HttpContent content, CancellationToken cancellationToken)
    {
        var stream = await content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        var length = (int)Math.Min(content.Headers.ContentLength ?? 8192, MaxDocumentBytes);
        var buffer = new byte[length];
        var read = await stream.ReadAtLeastAsync(buffer, length, throwOnEndOfStream: false, cancellationToken)
            .ConfigureAwait(false);
        return buffer.AsMemory(0, read);
    }

    private static string? First(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) ? values.FirstOrDefault() : null;
}
