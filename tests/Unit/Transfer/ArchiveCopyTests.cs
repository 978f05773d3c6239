using WalRus.Archiving;
using WalRus.Compression;
using WalRus.Encryption;
using WalRus.Storage;
using WalRus.Tests.Contracts;
using WalRus.Tests.Faults;
using WalRus.Transfer;
using WalRus.WalG;

namespace WalRus.Tests.Transfer;

/// <summary>Copies of an archive that real wal-g wrote: a full backup and two deltas on it.</summary>
public sealed class ArchiveCopyTests
{
    private const string Full = "base_000000010000000000000003";
    private const string Delta = "base_000000010000000000000006_D_000000010000000000000003";
    private const string Last = "base_000000010000000000000009_D_000000010000000000000006";

    private readonly RecordingLog log = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("folder", "folder")]
    [InlineData("folder", "bucket")]
    [InlineData("bucket", "folder")]
    [InlineData("bucket", "bucket")]
    public async Task A_delta_is_copied_with_its_chain_and_their_WAL_and_nothing_is_copied_twice(string from, string to)
    {
        await using var source = await TransferPlace.GoldenAsync(from);
        await using var target = await TransferPlace.NewAsync(to);
        var before = await source.KeysAsync();
        var finished = new List<string?>();
        var request = new ArchiveCopyRequest { Backups = ["LATEST"], Finished = one => finished.Add(one.Name) };

        var result = await Copy(source, target).RunAsync(request, Token);

        Assert.Equal([Full, Delta, Last], finished);
        Assert.Equal([true, true, false], result.Plan.Backups.Select(one => one.IsAncestor));
        var copied = await target.KeysAsync();
        Assert.Equal(copied.Length, result.ObjectsCopied);
        Assert.Equal(result.Plan.ObjectCount, result.ObjectsCopied);
        Assert.Equal(before.Where(key => key.StartsWith("basebackups_005/", StringComparison.Ordinal)), await target.KeysAsync("basebackups_005"));
        Assert.Contains("wal_005/000000010000000000000003.lzma", copied);
        Assert.Contains("wal_005/000000010000000000000009.lzma", copied);
        await target.AssertSameAsync(source, copied);

        var again = await Copy(source, target).RunAsync(request, Token);
        Assert.Equal((0, copied.Length), (again.ObjectsCopied, again.ObjectsKept));
        Assert.Equal(before, await source.KeysAsync());
        var listed = await new BackupCatalog(target.Archive()).ListOrderedAsync(null, Token);
        Assert.Equal([Full, Delta, Last], listed.Select(backup => backup.Name.ToString()));
    }

    [Fact]
    public async Task Everything_is_copied_when_all_is_asked_for()
    {
        await using var source = await TransferPlace.GoldenAsync("folder");
        await using var target = await TransferPlace.NewAsync("folder");
        await Copy(source, target).RunAsync(new ArchiveCopyRequest { Wal = CopyWal.History }, Token);
        var first = await source.KeysAsync();
        Assert.Equal(first.Where(IsNoOlderWal), await target.KeysAsync());
        await target.AssertSameAsync(source, await target.KeysAsync());

        static bool IsNoOlderWal(string key) =>
            !key.StartsWith("wal_005/", StringComparison.Ordinal) || string.CompareOrdinal(key, "wal_005/000000010000000000000002") > 0;
    }

    [Fact]
    public async Task Without_WAL_only_the_backup_is_copied()
    {
        await using var source = await TransferPlace.GoldenAsync("folder");
        await using var target = await TransferPlace.NewAsync("folder");
        var result = await Copy(source, target).RunAsync(new ArchiveCopyRequest { Backups = [Full], Wal = CopyWal.None }, Token);
        Assert.All(await target.KeysAsync(), key => Assert.StartsWith($"basebackups_005/{Full}", key, StringComparison.Ordinal));
        Assert.Equal(0, result.Plan.WalObjectCount);
    }

    [Fact]
    public async Task Recoded_objects_hold_the_same_and_their_documents_name_them()
    {
        await using var source = await TransferPlace.GoldenAsync("folder");
        await using var target = await TransferPlace.NewAsync("folder");
        using var crypter = new LibsodiumCrypter(LibsodiumKey.Parse(Convert.ToHexString(StoreExtensions.Bytes(32)), "hex"));
        var there = target.Archive(new ZstdCodec(), crypter);
        var copy = new ArchiveCopy(source.Archive(), there, new ArchiveCopyOptions(), target.Buffers, log);
        var request = new ArchiveCopyRequest { Backups = [Full], Recode = true };
        await copy.RunAsync(request, Token);

        var keys = await target.KeysAsync();
        Assert.DoesNotContain(keys, key => key.EndsWith(".lzma", StringComparison.Ordinal));
        foreach (var key in keys.Where(key => key.EndsWith(".zst", StringComparison.Ordinal)))
        {
            Assert.Equal(
                await ReadAsync(source.Archive(), key[..^4] + ".lzma"), await ReadAsync(there, key));
        }

        var documents = new[] { source, target }.Select(place => File.ReadAllText(
            place.Folder!["basebackups_005", Full, "files_metadata.json"])).ToArray();
        Assert.Contains("part_001.tar.zst", documents[1], StringComparison.Ordinal);
        Assert.Equal(documents[0], documents[1].Replace(".tar.zst", ".tar.lzma", StringComparison.Ordinal));

        var again = await copy.RunAsync(request, Token);
        Assert.Equal((0, keys.Length), (again.ObjectsCopied, again.ObjectsKept));
    }

    [Fact]
    public async Task A_copy_that_fails_anywhere_lists_nothing_half_and_the_next_one_finishes()
    {
        await using var source = await TransferPlace.GoldenAsync("folder");
        for (var failing = 1; ; failing += 9)
        {
            await using var target = await TransferPlace.NewAsync("folder");
            var calls = 0;
            var faulty = new FaultyObjectStore(target.Store, (call, _, _) =>
            {
                if (call is StoreCall.Complete or StoreCall.OpenWrite && Interlocked.Increment(ref calls) == failing)
                {
                    throw new WalRusException(ErrorCode.StoreFailed, "as the script says");
                }
            });
            var copy = new ArchiveCopy(source.Archive(), target.Archive(over: faulty), new ArchiveCopyOptions(), target.Buffers, log);
            var request = new ArchiveCopyRequest { Backups = [Delta] };
            try
            {
                await copy.RunAsync(request, Token);
                Assert.True(failing > 20);
                return;
            }
            catch (WalRusException failure) when (failure.Code == ErrorCode.StoreFailed)
            {
                await AssertListedWholeAsync(source, target);
            }

            var rest = await Copy(source, target).RunAsync(request, Token);
            Assert.Equal(rest.Plan.ObjectCount, rest.ObjectsCopied + rest.ObjectsKept);
            await target.AssertSameAsync(source, await target.KeysAsync());
        }
    }

    [Fact]
    public async Task What_arrives_damaged_is_an_error_and_no_backup()
    {
        await using var source = await TransferPlace.GoldenAsync("folder");
        await using var target = await TransferPlace.NewAsync("folder");
        var faulty = new FaultyObjectStore(target.Store, (call, key, _) =>
        {
            if (call == StoreCall.Complete && key.Contains("part_001", StringComparison.Ordinal))
            {
                var file = Directory.EnumerateFiles(target.Folder!.FullName, "part_001*.tmp.*", SearchOption.AllDirectories).Single();
                using var open = new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
                Damage(open);
            }
        });
        var copy = new ArchiveCopy(source.Archive(), target.Archive(over: faulty), new ArchiveCopyOptions(), target.Buffers, log);
        var request = new ArchiveCopyRequest { Backups = [Full] };
        await copy.RunAsync(request, Token).FailsAsync(ErrorCode.ObjectCorrupt);
        Assert.DoesNotContain(await target.KeysAsync(), key => key.EndsWith("sentinel.json", StringComparison.Ordinal));

        // What the first try brought damaged is not in the way of the next.
        await Copy(source, target).RunAsync(request, Token);
        await target.AssertSameAsync(source, await target.KeysAsync());

        static void Damage(FileStream file)
        {
            file.Position = file.Length / 2;
            var was = file.ReadByte();
            file.Position--;
            file.WriteByte((byte)(was ^ 1));
        }
    }

    [Fact]
    public async Task Another_backup_of_the_name_is_refused_or_replaced_whole()
    {
        await using var source = await TransferPlace.GoldenAsync("folder");
        await using var target = await TransferPlace.NewAsync("folder");
        var request = new ArchiveCopyRequest { Backups = [Full] };
        await Copy(source, target).RunAsync(request, Token);
        var sentinel = File.ReadAllText(target.Folder!["basebackups_005", $"{Full}_backup_stop_sentinel.json"]);
        await target.Store.PutAsync($"basebackups_005/{Full}_backup_stop_sentinel.json", "{\"LSN\":1}"u8.ToArray());
        await target.Store.PutAsync($"basebackups_005/{Full}/tar_partitions/part_007.tar.lz4", StoreExtensions.Bytes(10));

        await Copy(source, target).RunAsync(request, Token).FailsAsync(ErrorCode.BackupExists);
        await Copy(source, target).RunAsync(request with { Overwrite = true }, Token);

        Assert.Equal(sentinel, File.ReadAllText(target.Folder["basebackups_005", $"{Full}_backup_stop_sentinel.json"]));
        Assert.False(await target.Store.HasAsync($"basebackups_005/{Full}/tar_partitions/part_007.tar.lz4"));
        Assert.Equal(1, log.Count(nameof(LogEvents.CopyStrayRemoved)));
    }

    [Fact]
    public async Task Missing_WAL_is_said_before_anything_is_copied()
    {
        await using var source = await TransferPlace.GoldenAsync("folder");
        await using var target = await TransferPlace.NewAsync("folder");
        await source.Store.DeleteAsync([ObjectKey.Parse("wal_005/000000010000000000000003.lzma")], Token);
        var failure = await Copy(source, target).RunAsync(new ArchiveCopyRequest(), Token).FailsAsync(ErrorCode.RecoveryWalMissing);
        Assert.Contains("000000010000000000000003", failure.Message, StringComparison.Ordinal);
        Assert.Empty(await target.KeysAsync());
    }

    [Fact]
    public async Task A_gap_behind_the_backup_is_a_warning_of_the_plan()
    {
        await using var source = await TransferPlace.GoldenAsync("folder");
        await using var target = await TransferPlace.NewAsync("folder");
        await source.Store.DeleteAsync([ObjectKey.Parse("wal_005/000000010000000000000005.lzma")], Token);
        var plan = await Copy(source, target).PlanAsync(new ArchiveCopyRequest { Backups = [Full], Wal = CopyWal.History }, Token);
        Assert.Contains("000000010000000000000005", Assert.Single(plan.Warnings), StringComparison.Ordinal);
        Assert.Empty(await target.KeysAsync());
    }

    [Fact]
    public async Task An_archive_of_another_cluster_is_no_target_and_nor_is_the_source()
    {
        await using var source = await TransferPlace.GoldenAsync("folder");
        await using var target = await TransferPlace.NewAsync("folder");
        await target.Store.PutAsync(
            "wal_005/000000010000000000000001", SyntheticWal.Segment("000000010000000000000001", SyntheticWal.Small));
        await Copy(source, target).RunAsync(new ArchiveCopyRequest(), Token).FailsAsync(ErrorCode.WalSegmentForeign);
        await Copy(source, source).RunAsync(new ArchiveCopyRequest(), Token).FailsAsync(ErrorCode.InvalidArgument);
    }

    [Fact]
    public async Task A_delta_without_its_parent_is_not_copied()
    {
        await using var source = await TransferPlace.GoldenAsync("folder");
        await using var target = await TransferPlace.NewAsync("folder");
        await source.Store.DeleteAsync([WalGLayout.Sentinel(BackupName.Parse(Full))], Token);
        await Copy(source, target).RunAsync(new ArchiveCopyRequest { Backups = [Last] }, Token).FailsAsync(ErrorCode.BackupIncomplete);
        Assert.Empty(await target.KeysAsync());
    }

    private static async Task AssertListedWholeAsync(TransferPlace source, TransferPlace target)
    {
        await foreach (var (name, _) in new BackupCatalog(target.Archive()).SentinelsAsync(Token))
        {
            Assert.Equal(
                await source.KeysAsync(WalGLayout.BackupObjects(name)), await target.KeysAsync(WalGLayout.BackupObjects(name)));
            await target.AssertSameAsync(source, await target.KeysAsync(WalGLayout.BackupObjects(name)));
            Assert.True(name.ToString() != Delta || await target.Store.HasAsync($"basebackups_005/{Full}_backup_stop_sentinel.json"));
        }
    }

    private static async Task<byte[]> ReadAsync(Archive archive, string key)
    {
        await using var stream = await archive.OpenReadAsync(ObjectKey.Parse(key), Token);
        using var content = new MemoryStream();
        await stream.CopyToAsync(content, Token);
        return content.ToArray();
    }

    private ArchiveCopy Copy(TransferPlace source, TransferPlace target) =>
        new(source.Archive(), target.Archive(), new ArchiveCopyOptions(), target.Buffers, log);
}
