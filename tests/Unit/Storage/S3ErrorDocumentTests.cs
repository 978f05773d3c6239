using System.Text;
using WalRus.Storage.S3;

namespace WalRus.Tests.Storage;

public sealed class S3ErrorDocumentTests
{
    private const string Whole =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region is "
        + "wrong &amp; said so</Message><Region>eu-west-1</Region><Detail><Code>Inner</Code></Detail><RequestId>4</RequestId></Error>";

    [Fact]
    public void Code_message_and_region_are_read() => Assert.Equal(
        new S3ErrorDocument("AuthorizationHeaderMalformed", "the region is wrong & said so", "eu-west-1"), Parse(Whole));

    [Theory]
    [InlineData("")]
    [InlineData("not found")]
    [InlineData("<html><body><Code>x</Code></body></html>")]
    [InlineData("<!DOCTYPE Error [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><Error><Code>&e;</Code></Error>")]
    [InlineData("<Error><Code></Code></Error>")]
    public void What_is_no_document_of_S3_says_nothing(string text) => Assert.Equal(default, Parse(text));

    [Fact]
    public void A_document_cut_or_damaged_anywhere_never_throws()
    {
        var bytes = Encoding.UTF8.GetBytes(Whole);
        for (var index = 0; index < bytes.Length; index++)
        {
            _ = S3ErrorDocument.Parse(bytes.AsMemory(0, index));
            var flipped = (byte[])bytes.Clone();
            flipped[index] ^= 0x15;
            _ = S3ErrorDocument.Parse(flipped);
        }

        Assert.Equal("AuthorizationHeaderMalformed", S3ErrorDocument.Parse(bytes.AsMemory(0, bytes.Length - 40)).Code);
    }

    private static S3ErrorDocument Parse(string text) => S3ErrorDocument.Parse(Encoding.UTF8.GetBytes(text));
}
