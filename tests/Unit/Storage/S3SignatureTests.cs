using WalRus.Storage.S3;

namespace WalRus.Tests.Storage;

/// <summary>
/// Against the examples of AWS' own documentation ("Signature Calculations for the Authorization Header: Transferring
/// Payload in a Single Chunk").
/// </summary>
public sealed class S3SignatureTests
{
    private static readonly S3Keys Keys = new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    private static readonly DateTimeOffset Time = new(2013, 5, 24, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void The_documented_range_request_is_signed_as_documented() => Assert.Equal(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        + "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        + "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        Sign("GET", "/test.txt", "", S3Signature.EmptyPayload, ("Range", "bytes=0-9")));

    [Fact]
    public void The_documented_upload_is_signed_as_documented() => Assert.EndsWith(
        "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        Sign(
            "PUT",
            "/" + S3Signature.Encode("test$file.text", keepSlashes: true),
            "",
            "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            ("Date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY")),
        StringComparison.Ordinal);

    [Fact]
    public void The_documented_listing_is_signed_as_documented() => Assert.EndsWith(
        "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        Sign("GET", "/", "max-keys=2&prefix=J", S3Signature.EmptyPayload),
        StringComparison.Ordinal);

    [Fact]
    public void Another_days_and_another_accounts_requests_have_keys_of_their_own()
    {
        var signature = new S3Signature("us-east-1");
        var parts = new S3SignedParts("GET", "/", "", [("host", "h")], S3Signature.EmptyPayload);
        var first = signature.Authorize(parts, Keys, Time);
        Assert.NotEqual(Last(first), Last(signature.Authorize(parts, Keys, Time.AddDays(1))));
        Assert.NotEqual(Last(first), Last(signature.Authorize(parts, Keys with { SecretAccessKey = "another" }, Time)));
        Assert.Equal(first, signature.Authorize(parts, Keys, Time));

        static string Last(string authorization) => authorization[authorization.LastIndexOf('=')..];
    }

    [Theory]
    [InlineData("wal_005/000000010000000000000001.lz4", "wal_005/000000010000000000000001.lz4")]
    [InlineData("a b+c%d~é", "a%20b%2Bc%25d~%C3%A9")]
    [InlineData("x/y?z#&=", "x/y%3Fz%23%26%3D")]
    public void A_key_is_encoded_but_for_its_slashes(string key, string encoded) =>
        Assert.Equal(encoded, S3Signature.Encode(key, keepSlashes: true));

    [Fact]
    public void An_upload_id_is_encoded_with_its_slashes() =>
        Assert.Equal("2~a%2Fb%2Bc%3D", S3Signature.Encode("2~a/b+c=", keepSlashes: false));

    private static string Sign(
        string method, string path, string query, string payload, params (string Name, string Value)[] more)
    {
        (string Name, string Value)[] headers =
        [
            ("Host", "examplebucket.s3.amazonaws.com"), .. more,
            ("x-amz-date", S3Signature.TimeText(Time)), ("x-amz-content-sha256", payload),
        ];
        return new S3Signature("us-east-1").Authorize(new S3SignedParts(method, path, query, headers, payload), Keys, Time);
    }
}
