using System.Text;
using WalRus.Transfer;

namespace WalRus.Tests.Transfer;

public sealed class RenamedTarsStreamTests
{
    private const string Document =
        """
        {"Files":{"/part_001.tar.lz4":{"TarFileSets":{"x.lz4":1}}} , "TarFileSets" : {
         "part_001.tar.lz4" : ["/base/1/part_002.tar.lz4","/a\"b,{"], "part_002.tar.lz4":[], "pg_control.tar.lz4":["/global/pg_control"]},
         "text":"TarFileSets","more":[{"TarFileSets":{"part_003.tar.lz4":[]}}],"back\\slash":{"part_004.tar.lz4":2}}
        """;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(64 * 1024)]
    public async Task Only_the_keys_of_the_documents_own_tar_sets_get_new_names(int readBytes)
    {
        var expected = Document
            .Replace("\"part_001.tar.lz4\" : [", "\"part_001.tar.zst\" : [", StringComparison.Ordinal)
            .Replace("\"part_002.tar.lz4\":[]", "\"part_002.tar.zst\":[]", StringComparison.Ordinal)
            .Replace("\"pg_control.tar.lz4\"", "\"pg_control.tar.zst\"", StringComparison.Ordinal);
        Assert.NotEqual(Document, expected);
        Assert.Equal(expected, await RenameAsync(Encoding.UTF8.GetBytes(Document), readBytes));
    }

    [Fact]
    public async Task Every_truncated_or_flipped_document_passes_without_an_error()
    {
        var content = Encoding.UTF8.GetBytes(Document);
        for (var i = 0; i < content.Length; i++)
        {
            Assert.True((await RenameAsync(content[..i], 100)).Length <= i);
            var flipped = content.ToArray();
            flipped[i] ^= 0x02;
            Assert.NotEmpty(await RenameAsync(flipped, 100));
        }
    }

    [Fact]
    public async Task A_name_longer_than_any_tar_has_passes_as_it_is()
    {
        var text = $"{{\"TarFileSets\":{{\"{new string('a', 5000)}.lz4\":[]}}}}";
        Assert.Equal(text, await RenameAsync(Encoding.UTF8.GetBytes(text), 4096));
    }

    private static async Task<string> RenameAsync(byte[] document, int readBytes)
    {
        await using var stream = new RenamedTarsStream(
            new MemoryStream(document), name => name.Replace(".lz4", ".zst", StringComparison.Ordinal));
        using var renamed = new MemoryStream();
        var buffer = new byte[readBytes];
        int read;
        while ((read = await stream.ReadAsync(buffer, Token)) > 0)
        {
            renamed.Write(buffer, 0, read);
        }

        return Encoding.UTF8.GetString(renamed.ToArray());
    }
}
