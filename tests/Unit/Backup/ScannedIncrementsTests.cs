using WalRus.Backup;
using WalRus.Delta;
using WalRus.Streaming.Tar;
using WalRus.Tests.Contracts;
using WalRus.Tests.Streaming.Tar;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

/// <summary>
/// A database that was made since the parent, under the OID of one that the parent has: its PG_VERSION tells, which is in its
/// default tablespace only and comes anywhere among its files. PostgreSQL sends other tablespaces first.
/// </summary>
public sealed class ScannedIncrementsTests : IDisposable
{
    private const string Version = "base/50000/PG_VERSION";
    private const string Table = "pg_tblspc/7/PG_15_202209061/50000/16400";
    private const string Another = "base/5/16400";

    private readonly TemporaryFolder folder = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Its_tables_in_another_tablespace_make_the_delta_impossible_when_they_come_first() =>
        Assert.Contains(
            "'base/50000' was made after the parent backup",
            (await Assert.ThrowsAsync<DeltaImpossibleException>(() => FindAsync(isNew: true, Another, Table, Version))).Message,
            StringComparison.Ordinal);

    [Fact]
    public async Task Its_tables_in_another_tablespace_go_in_whole_when_they_come_after_it() =>
        Assert.Equal([Another], await FindAsync(isNew: true, Version, Table, Another));

    [Fact]
    public async Task A_database_that_is_older_than_the_parent_has_increments_everywhere() =>
        Assert.Equal([Table, Another], await FindAsync(isNew: false, Table, Version, Another));

    /// <returns>The members of which only changed pages go in.</returns>
    private async Task<List<string>> FindAsync(bool isNew, params string[] members)
    {
        byte[] tar = [.. members.SelectMany(name => TarBytes.Member(name, StoreExtensions.Bytes(8192))), .. new byte[1024]];
        var reader = new TarReader(new MemoryStream(tar), new byte[TarReader.MinBufferBytes], "a server's");
        var parent = await ParentFiles.ReadAsync(ParentAsync(), folder.FullName, Token);
        await using var delta = new DeltaBase(parent, new PageLsnSource(), null)
        {
            Since = new(0x4000028),
            Format = IncrementFormat.Wi1,
            FileBlocks = 131072,
        };
        using var spool = new PageSpool(folder.FullName, new byte[64 * 1024]);

        // The members are of second 0.
        var increments = new ScannedIncrements(delta, WalGTime.FromUnix(isNew ? 0 : 10_000, 0), hasChecksums: false, spool);
        var incremented = new List<string>();
        while (await reader.ReadEntryAsync(Token))
        {
            if (await increments.FindAsync(reader, reader.Entry, Token) is { } increment)
            {
                incremented.Add(increment.Name);
            }
        }

        return incremented;
    }

    private static async IAsyncEnumerable<FilesMetadataEntry> ParentAsync()
    {
        await Task.Yield();
        foreach (var name in new[] { Another, Version, Table })
        {
            yield return new FilesMetadataEntry { Name = name, ModifiedTime = WalGTime.FromUnix(-10_000, 0) };
        }
    }
}
