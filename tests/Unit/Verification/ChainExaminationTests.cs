using System.Text.Json.Nodes;
using WalRus.Backup;
using WalRus.Compression;
using WalRus.Delta;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Streaming;
using WalRus.Streaming.Tar;
using WalRus.Tests.Backup;
using WalRus.Tests.Contracts;
using WalRus.Verification;
using WalRus.WalG;

namespace WalRus.Tests.Verification;

/// <summary>What a deep check sees in a real chain beyond what its codec tells: harm that was stored with the right checksums.</summary>
public sealed class ChainExaminationTests : IAsyncLifetime
{
    private readonly BackupPushFixture fixture = new() { Codec = new Lz4Codec() };
    private readonly NativeBufferPool buffers = new(64 << 20);
    private PostgresCluster cluster = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        cluster = await PostgresCluster.StartAsync(new() { Major = 17 });
        fixture.Options = fixture.Options with { Delta = new BackupDeltaOptions { MaxSteps = 5 } };
        await cluster.ExecuteAsync("CREATE TABLE t AS SELECT n, md5(n::text) AS x FROM generate_series(1, 20000) AS n");
        await cluster.ExecuteAsync("CREATE TABLE still AS SELECT n FROM generate_series(1, 3000) AS n; CHECKPOINT");
    }

    public async ValueTask DisposeAsync()
    {
        await cluster.DisposeAsync();
        buffers.Dispose();
        fixture.Dispose();
    }

    [Theory]
    [InlineData(IncrementFormat.Wi1)]
    [InlineData(IncrementFormat.Native)]
    public async Task A_page_that_is_wrong_inside_an_increment_is_found(IncrementFormat format)
    {
        fixture.Options = fixture.Options with { Delta = fixture.Options.Delta with { Format = format } };
        var delta = await ChainAsync(BackupPushFixture.RequestFor(cluster));
        Assert.Empty(await ExamineAsync());
        var (key, content, at) = await FindAsync(delta.Backup.Name, static (_, piece) => IncrementReader.IsIncrement(piece) && piece.Length > 3 * 8192);
        content[at + (2 * 8192) + 100] ^= 1;
        await StoreAsync(key, content);
        var finding = Assert.Single(await ExamineAsync());
        Assert.Equal((FindingKind.PageChecksumWrong, key.ToString()), (finding.Kind, finding.Object));
        Assert.Contains("1 pages have wrong checksums", finding.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_not_what_the_servers_manifest_says_is_found()
    {
        var delta = await ChainAsync(new BackupPushRequest());
        Assert.Empty(await ExamineAsync());
        var (key, content, at) = await FindAsync(delta.Backup.Name, static (name, _) => name == "base/1/PG_VERSION");
        content[at] ^= 1;
        await StoreAsync(key, content);
        var finding = Assert.Single(await ExamineAsync());
        Assert.Equal((FindingKind.BackupPartDamaged, key.ToString()), (finding.Kind, finding.Object));
        Assert.Contains("'base/1/PG_VERSION'", finding.Message, StringComparison.Ordinal);
        Assert.Contains("manifest", finding.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_a_delta_takes_from_its_parent_and_the_parent_does_not_list_is_found()
    {
        var delta = await ChainAsync(BackupPushFixture.RequestFor(cluster));
        var taken = (await fixture.FilesAsync(delta)).GetProperty("Files").EnumerateObject().First(file => file.Value.GetProperty("IsIncremented").GetBoolean()).Name;
        var list = WalGLayout.FilesMetadata(BackupName.Parse(delta.Delta!.Parent));
        var document = JsonNode.Parse(await fixture.Store.GetAsync(list.ToString()))!;
        Assert.True(document["Files"]!.AsObject().Remove(taken));
        await fixture.Store.PutAsync(list.ToString(), System.Text.Encoding.UTF8.GetBytes(document.ToJsonString()));
        var finding = Assert.Single(await ExamineAsync(), finding => finding.Backup == delta.Backup.Name.ToString());
        Assert.Equal(FindingKind.BackupChainBroken, finding.Kind);
        Assert.Contains(taken.TrimStart('/'), finding.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("none")]
    [InlineData("lzma")]
    public async Task A_flipped_byte_that_changes_what_a_tar_holds_is_found_whatever_the_codec(string codec)
    {
        fixture.Codec = Codecs.Create(codec);
        await ChainAsync(BackupPushFixture.RequestFor(cluster));
        Assert.Empty(await ExamineAsync());
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        var tars = (await fixture.KeysAsync()).Where(key => key.Contains("/tar_partitions/", StringComparison.Ordinal)).ToList();
        var sound = new Dictionary<string, byte[]>();
        foreach (var key in tars)
        {
            sound[key] = await DecodedAsync(ObjectKey.Parse(key));
            var path = fixture.Folder["archive", key];
            var bytes = await File.ReadAllBytesAsync(path, Token);
            bytes[random.Next(bytes.Length)] ^= 0xFF;
            await File.WriteAllBytesAsync(path, bytes, Token);
        }

        var found = (await ExamineAsync()).Select(finding => finding.Object).ToHashSet();
        Assert.NotEmpty(found);
        foreach (var key in tars.Where(key => !found.Contains(key)))
        {
            // LZMA's header tells a size of window that does not matter for as little as this; nothing else may be let pass.
            var decoded = await DecodedAsync(ObjectKey.Parse(key));
            Assert.True(decoded.AsSpan().SequenceEqual(sound[key]), $"seed {seed}: {key}");
        }
    }

    private async Task<BackupPushResult> ChainAsync(BackupPushRequest request)
    {
        await fixture.PushAsync(cluster, request);
        await cluster.ExecuteAsync("UPDATE t SET x = 'changed' WHERE n BETWEEN 5000 AND 5300");
        await cluster.ExecuteAsync("CHECKPOINT");
        var delta = await fixture.PushAsync(cluster, request);
        Assert.True(delta.Delta is { IncrementedFileCount: > 0 }, delta.Fallback);
        return delta;
    }

    private async Task<byte[]> DecodedAsync(ObjectKey key)
    {
        var content = new MemoryStream();
        await using var source = await fixture.Archive.OpenReadAsync(key, Token);
        await source.CopyToAsync(content, Token);
        return content.ToArray();
    }

    /// <summary>The first member of a backup's parts that is meant: its tar, what that holds, and where in it the member's content begins.</summary>
    private async Task<(ObjectKey Key, byte[] Content, int At)> FindAsync(BackupName name, TarMemberTest isMeant)
    {
        foreach (var entry in await fixture.Store.ListAsync(new ListRequest { Folder = WalGLayout.TarPartitions(name) }))
        {
            var bytes = await DecodedAsync(entry.Key);
            var tar = new TarReader(new MemoryStream(bytes), new byte[1 << 20], "");
            while (await tar.ReadEntryAsync(Token))
            {
                if (await tar.ReadContentAsync(Token) is { IsEmpty: false } piece && isMeant(tar.Entry.Name.TrimStart('/'), piece.Span))
                {
                    return (entry.Key, bytes, bytes.AsSpan().IndexOf(Enough(bytes, tar.Entry.Name)) + 512);
                }
            }
        }

        throw new InvalidOperationException("No tar holds it.");
    }

    /// <summary>A member's header begins with its name, and that with a zero behind it.</summary>
    private static ReadOnlySpan<byte> Enough(byte[] tar, string name)
    {
        var header = System.Text.Encoding.UTF8.GetBytes(name + "\0");
        Assert.True(tar.AsSpan().IndexOf(header) % 512 == 0, name);
        return header;
    }

    private async Task StoreAsync(ObjectKey key, byte[] content)
    {
        var writer = await fixture.Archive.OpenWriteAsync(ObjectKey.Parse(Path.ChangeExtension(key.ToString(), null)), WriteCondition.None, Token);
        await using (writer)
        {
            await writer.WriteAsync(content, Token);
            await writer.CompleteAsync(Token);
        }
    }

    /// <summary>The fixture archives no WAL: that is not what is looked for here.</summary>
    private async Task<List<ArchiveFinding>> ExamineAsync()
    {
        var findings = new List<ArchiveFinding>();
        await foreach (var finding in new ArchiveExamination(fixture.Archive, buffers, 2, WalSegmentSize.Default).RunAsync(new ExaminationRequest(), Token))
        {
            if (finding.Kind != FindingKind.WalMissing)
            {
                findings.Add(finding);
            }
        }

        return findings;
    }

    private delegate bool TarMemberTest(string name, ReadOnlySpan<byte> content);
}
