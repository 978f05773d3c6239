using System.Globalization;
using System.Security.Cryptography;
using WalRus.Streaming;

namespace WalRus.Storage.S3;

/// <summary>
/// Sends the requests that archiving and restoring repeat (bytes, facts, listings), signed here: the SDK takes ten times
/// the CPU and a hundred times the allocations for them. All others are the SDK's.
/// </summary>
/// <param name="options">Where and how.</param>
/// <param name="http">The connections, which the SDK's client uses too.</param>
/// <param name="bucketAddress">The bucket's own address, with '/' at its end.</param>
/// <param name="signature">For the bucket's region.</param>
/// <param name="keys">The credentials now; renewed where they end.</param>
internal sealed class S3Wire(
    S3StoreOptions options, HttpMessageInvoker http, Uri bucketAddress, S3Signature signature, Func<ValueTask<S3Keys>> keys)
{
    private static readonly UriCreationOptions AsSigned = new() { DangerousDisablePathAndQueryCanonicalization = true };

    private readonly string origin = bucketAddress.GetLeftPart(UriPartial.Authority);

    private readonly string host = bucketAddress.IsDefaultPort
        ? bucketAddress.Host
        : string.Create(CultureInfo.InvariantCulture, $"{bucketAddress.Host}:{bucketAddress.Port}");

    /// <summary>Sends one request and returns the answer with its headers read; the caller disposes it.</summary>
    /// <exception cref="S3Refusal">The server said no.</exception>
    public async Task<HttpResponseMessage> SendAsync(S3WireRequest request, StallGuard guard)
    {
        using var message = await MessageAsync(request, guard).ConfigureAwait(false);
        var response = await http.SendAsync(message, guard.Token).ConfigureAwait(false);
        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            throw await S3Refusal.ReadAsync(response, guard.Token).ConfigureAwait(false);
        }
    }

    private async ValueTask<HttpRequestMessage> MessageAsync(S3WireRequest request, StallGuard guard)
    {
        var path = bucketAddress.AbsolutePath + S3Signature.Encode(request.Key, keepSlashes: true);
        var address = request.Query.Length == 0 ? origin + path : $"{origin}{path}?{request.Query}";
        var message = new HttpRequestMessage(request.Method, new Uri(address, AsSigned));
        if (request.Body is not null)
        {
            message.Content = new BufferContent(request.Body, guard);
            message.Headers.ExpectContinue = true;
        }

        var headers = AddHeaders(message, request.Headers);
        var current = await keys().ConfigureAwait(false);
        var time = DateTimeOffset.UtcNow;
        Add(message, headers, "x-amz-date", S3Signature.TimeText(time));
        Add(message, headers, "x-amz-content-sha256", request.PayloadHash);
        if (current.SessionToken is { Length: > 0 } token)
        {
            Add(message, headers, "x-amz-security-token", token);
        }

        var signed = new S3SignedParts(request.Method.Method, path, request.Query, headers, request.PayloadHash);
        message.Headers.TryAddWithoutValidation("Authorization", signature.Authorize(signed, current, time));
        return message;
    }

    /// <summary>Adds the request's own headers and those that the settings add or replace.</summary>
    private List<(string Name, string Value)> AddHeaders(
        HttpRequestMessage message, IReadOnlyList<(string Name, string Value)> own)
    {
        var wanted = new List<(string Name, string Value)>(own.Count + 1) { ("host", host) };
        wanted.AddRange(own);
        foreach (var (name, value) in options.AdditionalHeaders ?? new Dictionary<string, string>())
        {
            wanted.RemoveAll(header => header.Name.Equals(name, StringComparison.OrdinalIgnoreCase));
            wanted.Add((name, value));
        }

        var added = new List<(string Name, string Value)>(wanted.Count + 3);
        foreach (var (name, value) in wanted)
        {
            Add(message, added, name, value);
        }

        return added;
    }

    /// <summary>Adds a header to what is sent and to what is signed; one that a request without a body cannot have is left out.</summary>
    private static void Add(
        HttpRequestMessage message, List<(string Name, string Value)> signed, string name, string value)
    {
        if (message.Headers.TryAddWithoutValidation(name, value)
            || message.Content?.Headers.TryAddWithoutValidation(name, value) == true)
        {
            signed.Add((name, value));
        }
    }
}

/// <summary>A request for one object or, without a key, for the bucket.</summary>
internal sealed class S3WireRequest
{
    public required HttpMethod Method { get; init; }

    /// <summary>The object's full key.</summary>
    public required string Key { get; init; }

    /// <summary>Encoded, names in order.</summary>
    public string Query { get; init; } = "";

    public List<(string Name, string Value)> Headers { get; } = [];

    /// <summary>Stays the caller's.</summary>
    public GrowingBuffer? Body { get; init; }

    public string PayloadHash { get; init; } = S3Signature.EmptyPayload;

    /// <summary>SHA-256 of a body in lower-case hex.</summary>
    public static string Sha256(GrowingBuffer body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var index = 0; index < body.ChunkCount; index++)
        {
            hash.AppendData(body.ChunkAt(index).Span);
        }

        return S3Signature.Hex(hash.GetHashAndReset());
    }

    /// <summary>MD5 of a body in base64, the checksum that S3 wants of an object it locks.</summary>
    public static string Md5(GrowingBuffer body)
    {
#pragma warning disable CA5351 // A checksum that the protocol names, no protection.
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.MD5);
#pragma warning restore CA5351
        for (var index = 0; index < body.ChunkCount; index++)
        {
            hash.AppendData(body.ChunkAt(index).Span);
        }

        return Convert.ToBase64String(hash.GetHashAndReset());
    }
}
