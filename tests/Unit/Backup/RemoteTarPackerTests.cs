using WalRus.Backup;
using WalRus.Streaming;
using WalRus.Streaming.Tar;
using WalRus.Tests.Contracts;
using WalRus.Tests.Streaming.Tar;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

/// <summary>The tars that a server sends, packed into parts.</summary>
public sealed class RemoteTarPackerTests : IDisposable
{
    private static readonly BackupName Name = BackupName.Parse("base_000000010000000000000002");

    private readonly BackupPushFixture fixture = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => fixture.Dispose();

    [Fact]
    public async Task Each_archive_begins_a_part_and_a_part_ends_before_the_file_that_is_too_much()
    {
        byte[] tablespace = [.. TarBytes.Member("PG_17/", [], '5'), .. TarBytes.Member("PG_17/5", StoreExtensions.Bytes(700))];
        byte[] data =
        [
            .. TarBytes.Member("backup_label", "START"u8.ToArray()), .. TarBytes.Member("base/1", StoreExtensions.Bytes(900)),
            .. TarBytes.Member("base/2", StoreExtensions.Bytes(2000)), .. TarBytes.Member("base/3", []),
            .. TarBytes.Member("pg_tblspc/7", [], '2', linkName: "/mnt/ts"), .. TarBytes.Member("global/pg_control", StoreExtensions.Bytes(512)),
            .. new byte[1024],
        ];
        using var metadata = new FilesMetadataWriter(fixture.Folder.FullName);
        var packer = await PackAsync(metadata, (tablespace, "pg_tblspc/7/"), (data, ""));
        Assert.Equal(["pg_tblspc/7/PG_17/", "pg_tblspc/7/PG_17/5"], await NamesAsync(1));
        Assert.Equal(["backup_label", "base/1"], await NamesAsync(2));
        Assert.Equal(["base/2", "base/3", "pg_tblspc/7"], await NamesAsync(3));
        Assert.Equal(["global/pg_control"], await NamesAsync(4));
        Assert.Equal(StoreExtensions.Bytes(512), packer.ControlFile);
        Assert.Equal(6, packer.FileCount);
        Assert.Equal(6, metadata.FileCount);
    }

    [Fact]
    public async Task A_damaged_archive_is_packed_or_refused_and_nothing_else()
    {
        byte[] archive =
        [
            .. TarBytes.Member("base/", [], '5'), .. TarBytes.Member("base/1", StoreExtensions.Bytes(100)),
            .. TarBytes.Member("global/pg_control", StoreExtensions.Bytes(64)), .. new byte[1024],
        ];

        // TarReader's own tests have every byte; these are a sample, since each costs a store's writes.
        for (var at = 0; at < archive.Length; at += 31)
        {
            var flipped = (byte[])archive.Clone();
            flipped[at] ^= 0xFF;
            foreach (var damaged in new[] { archive[..at], flipped })
            {
                var failure = await Record.ExceptionAsync(() => PackAsync(null, (damaged, "")));
                Assert.True(failure is null or WalRusException, $"at byte {at}: {failure}");
            }
        }
    }

    [Theory]
    [InlineData(10)]
    [InlineData(5000)]
    public async Task Pages_and_numbers_come_back_from_their_spools_in_their_order(int count)
    {
        using var numbers = new NumberSpool(fixture.Folder.FullName);
        using var pages = new PageSpool(fixture.Folder.FullName, new byte[16 * 512]);
        pages.Add(new byte[512]);
        pages.Clear();
        var expected = new MemoryStream();
        for (var i = 0; i < count; i++)
        {
            var page = StoreExtensions.Bytes(512, i);
            expected.Write(page);
            pages.Add(page);
            numbers.Add((long)i * i * i);
        }

        var packed = new MemoryStream();
        var tar = new TarWriter(packed, new byte[TarWriter.MinBufferBytes]);
        await tar.BeginMemberAsync(new TarEntry("x", TarEntryKind.File, expected.Length, 0, 0, 0, 0, ""), TarOwner.None, Token);
        await pages.WriteToAsync(tar, Token);
        await tar.EndMemberAsync(Token);
        await tar.CompleteAsync(Token);
        Assert.Equal(expected.ToArray(), packed.ToArray()[512..(int)(512 + expected.Length)]);
        for (var i = 0; i < count; i++)
        {
            Assert.Equal((long)i * i * i, numbers.Next());
        }

        Assert.Null(numbers.Next());
    }

    private async Task<RemoteTarPacker> PackAsync(FilesMetadataWriter? metadata, params (byte[] Tar, string Prefix)[] archives)
    {
        var tars = new BackupTars(fixture.Archive, Name, metadata, fixture.Log);
        var packer = new RemoteTarPacker(
            tars, 2000, new BackupProgress(null, null), new byte[TarReader.MinBufferBytes], new byte[TarWriter.MinBufferBytes]);
        await using (packer)
        {
            foreach (var (tar, prefix) in archives)
            {
                await packer.PackAsync(new MemoryStream(tar), "an archive", prefix, Token);
            }

            return packer;
        }
    }

    private async Task<string[]> NamesAsync(int part)
    {
        var reader = new TarReader(
            new MemoryStream(await fixture.Store.GetAsync(WalGLayout.Tar(Name, WalGLayout.PartTarName(part)).ToString())),
            new byte[TarReader.MinBufferBytes],
            "part");
        var names = new List<string>();
        while (await reader.ReadEntryAsync(Token))
        {
            names.Add(reader.Entry.Name);
        }

        return [.. names];
    }
}
