using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace WalRus.Storage.S3;

/// <summary>
/// Signs requests as AWS describes it ("Authenticating Requests: Using the Authorization Header, AWS Signature Version 4"):
/// every header that is given and the hash of the body, or the word that the body is not hashed.
/// </summary>
internal sealed class S3Signature(string region)
{
    /// <summary>Instead of a body's hash, where TLS protects the body.</summary>
    public const string UnsignedPayload = "UNSIGNED-PAYLOAD";

    public const string EmptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    private const string Algorithm = "AWS4-HMAC-SHA256";
    private const string Unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    private static readonly SearchValues<char> UnreservedCharacters = SearchValues.Create(Unreserved);

    /// <summary>The key of a day serves all its requests.</summary>
    private volatile DerivedKey? derived;

    /// <summary>A key or a query's value as it stands in a signed address.</summary>
    /// <param name="text">What to encode.</param>
    /// <param name="keepSlashes">True for a path.</param>
    public static string Encode(string text, bool keepSlashes)
    {
        if (!text.AsSpan().ContainsAnyExcept(UnreservedCharacters))
        {
            return text;
        }

        var encoded = new StringBuilder(text.Length + 16);
        foreach (var unit in Encoding.UTF8.GetBytes(text))
        {
            if (unit < 128 && UnreservedCharacters.Contains((char)unit) || (unit == '/' && keepSlashes))
            {
                encoded.Append((char)unit);
            }
            else
            {
                encoded.Append(CultureInfo.InvariantCulture, $"%{unit:X2}");
            }
        }

        return encoded.ToString();
    }

    /// <summary>The value of the Authorization header.</summary>
    /// <param name="request">Everything that is signed.</param>
    /// <param name="keys">Whose signature.</param>
    /// <param name="time">The time that x-amz-date says.</param>
    public string Authorize(in S3SignedParts request, S3Keys keys, DateTimeOffset time)
    {
        var day = time.UtcDateTime.ToString("yyyyMMdd", CultureInfo.InvariantCulture);
        var scope = $"{day}/{region}/s3/aws4_request";
        var headers = request.Headers
            .Select(header => (Name: header.Name.ToLowerInvariant(), header.Value))
            .OrderBy(header => header.Name, StringComparer.Ordinal)
            .ToArray();
        var names = string.Join(';', headers.Select(header => header.Name));
        var canonical = new StringBuilder(1024)
            .Append(request.Method).Append('\n').Append(request.Path).Append('\n').Append(request.Query).Append('\n');
        foreach (var (name, value) in headers)
        {
            canonical.Append(name).Append(':').Append(OneSpaced(value)).Append('\n');
        }

        canonical.Append('\n').Append(names).Append('\n').Append(request.PayloadHash);
        var toSign = $"{Algorithm}\n{TimeText(time)}\n{scope}\n{Hex(SHA256.HashData(Utf8(canonical.ToString())))}";
        var signature = Hex(HMACSHA256.HashData(KeyOf(keys, day), Utf8(toSign)));
        return $"{Algorithm} Credential={keys.AccessKeyId}/{scope}, SignedHeaders={names}, Signature={signature}";
    }

    /// <summary>The value of the x-amz-date header.</summary>
    public static string TimeText(DateTimeOffset time) =>
        time.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);

    public static string Hex(ReadOnlySpan<byte> hash) => Convert.ToHexString(hash).ToLowerInvariant();

    private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);

    /// <summary>As the signature wants values: trimmed, runs of spaces as one.</summary>
    private static string OneSpaced(string value) => value.Contains("  ", StringComparison.Ordinal)
        ? string.Join(' ', value.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        : value.Trim();

    private byte[] KeyOf(S3Keys keys, string day)
    {
        if (derived is { } known && known.Day == day && known.Secret == keys.SecretAccessKey)
        {
            return known.Key;
        }

        var key = Utf8("AWS4" + keys.SecretAccessKey);
        foreach (var part in (ReadOnlySpan<string>)[day, region, "s3", "aws4_request"])
        {
            key = HMACSHA256.HashData(key, Utf8(part));
        }

        derived = new DerivedKey(day, keys.SecretAccessKey, key);
        return key;
    }

    private sealed record DerivedKey(string Day, string Secret, byte[] Key);
}

/// <summary>The parts of a request that its signature covers.</summary>
/// <param name="Method">"PUT".</param>
/// <param name="Path">Encoded, from '/'.</param>
/// <param name="Query">Encoded, names in order, without '?'.</param>
/// <param name="Headers">Each once.</param>
/// <param name="PayloadHash">In lower-case hex, or <see cref="S3Signature.UnsignedPayload"/>.</param>
internal readonly record struct S3SignedParts(
    string Method, string Path, string Query, IReadOnlyCollection<(string Name, string Value)> Headers, string PayloadHash);
