using System.Text;
using System.Xml;
using WalRus.Storage;
using WalRus.Storage.S3;

namespace WalRus.Tests.Storage;

public sealed class S3ListPageTests
{
    private const string Whole =
        "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n <Name>b</Name>"
        + "<Prefix/><IsTruncated>true</IsTruncated><NextContinuationToken>1/x+=</NextContinuationToken>"
        + "<Contents><Key>a/one &amp; two</Key><LastModified>2026-11-27T07:00:01.250Z</LastModified><ETag>&quot;e&quot;</ETag>"
        + "<Size>5000000000</Size><Owner><ID>o</ID><DisplayName>Key</DisplayName></Owner></Contents>"
        + "<Contents><Key>b</Key><LastModified>2026-11-27T07:00:02Z</LastModified><Size>0</Size></Contents>"
        + "<CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>\n</ListBucketResult>";

    [Fact]
    public async Task Objects_folders_and_what_follows_are_read()
    {
        var page = await ReadAsync(Encoding.UTF8.GetBytes(Whole));
        Assert.Equal(
            [
                ("a/one & two", 5_000_000_000, new DateTimeOffset(2026, 11, 27, 7, 0, 1, 250, TimeSpan.Zero)),
                ("b", 0, new DateTimeOffset(2026, 11, 27, 7, 0, 2, TimeSpan.Zero)),
            ],
            page.Objects);
        Assert.Equal(["c/"], page.Folders);
        Assert.True(page.IsTruncated);
        Assert.Equal("1/x+=", page.Next);
    }

    [Fact]
    public async Task The_last_name_is_the_marker_where_the_server_names_none()
    {
        var text = Whole.Replace("<NextContinuationToken>1/x+=</NextContinuationToken>", "", StringComparison.Ordinal);
        Assert.Equal("c/", (await ReadAsync(Encoding.UTF8.GetBytes(text))).Next);
        text = text.Replace("true", "false", StringComparison.Ordinal);
        Assert.Null((await ReadAsync(Encoding.UTF8.GetBytes(text))).Next);
    }

    [Theory]
    [InlineData("")]
    [InlineData("<html><body>Welcome</body></html>")]
    [InlineData("<Error><Code>x</Code></Error>")]
    public Task What_is_no_listing_is_no_empty_one(string text) =>
        Assert.ThrowsAsync<XmlException>(() => ReadAsync(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public async Task A_listing_that_is_cut_is_never_taken_for_whole_and_a_damaged_one_fails_or_reads()
    {
        var bytes = Encoding.UTF8.GetBytes(Whole);
        for (var index = 0; index < bytes.Length; index++)
        {
            await Assert.ThrowsAsync<XmlException>(() => ReadAsync(bytes[..index]));
            var flipped = (byte[])bytes.Clone();
            flipped[index] ^= 0x15;
            try
            {
                _ = await ReadAsync(flipped);
            }
            catch (XmlException)
            {
                // The other of the two that may happen.
            }
        }
    }

    private static async Task<S3ListPage> ReadAsync(byte[] bytes)
    {
        using var guard = new StallGuard(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        return await S3ListPage.ReadAsync(new MemoryStream(bytes), guard);
    }
}
