using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Wal;
using WalRus.WalG;

namespace WalRus.Tests.Wal;

public sealed class WalFetchTests : IDisposable
{
    private const string First = "000000010000000000000001";

    private readonly WalArchiveFixture archive = new();

    public void Dispose() => archive.Dispose();

    /// <summary>A segment of real records, under the name of <see cref="First"/>.</summary>
    private static string WriteRecords(WalArchiveFixture fixture)
    {
        var wal = new WalWriter(Lsn.Parse("0/100000"));
        for (uint xid = 700; xid < 720; xid++)
        {
            wal.Commit(xid, DateTimeOffset.UnixEpoch.AddYears(56));
        }

        wal.Switch();
        var (name, content) = wal.Segments().First();
        Assert.Equal(First, name);
        var path = Path.Combine(fixture.WalFolder, name);
        File.WriteAllBytes(path, content);
        return path;
    }

    [Fact]
    public async Task A_file_the_archive_does_not_hold_is_its_own_error_and_leaves_no_file()
    {
        var error = await Assert.ThrowsAsync<WalRusException>(() => archive.FetchAsync(First, archive.Folder["out"]));

        Assert.Equal(ErrorCode.WalSegmentNotFound, error.Code);
        Assert.Equal(74, ErrorCodes.ExitCode(error.Code));
        Assert.Equal([], Directory.EnumerateFiles(archive.Folder.FullName));
    }

    [Theory]
    [InlineData("lz4")]
    [InlineData("zstd")]
    [InlineData("brotli")]
    [InlineData("lzma")]
    [InlineData("gzip")]
    [InlineData("none")]
    public async Task A_segment_is_found_whatever_codec_wrote_it(string method)
    {
        using var other = new WalArchiveFixture(method);
        var path = WriteRecords(other);
        await other.PushAsync(path);

        var reader = new WalFetch(
            archive.Archive with { Store = other.Archive.Store }, new WalFetchOptions(), archive.Buffers, NullEventLog.Instance);
        await reader.RunAsync(
            new WalFetchRequest { Name = First, Destination = archive.Folder["out"] }, TestContext.Current.CancellationToken);

        Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(archive.Folder["out"]));
    }

    /// <summary>PostgreSQL would take it for the end of the WAL and open without what follows.</summary>
    [Theory]
    [InlineData("none")]
    [InlineData("lzma")]
    public async Task A_broken_record_under_a_codec_without_checksums_is_an_error_and_leaves_no_file(string method)
    {
        using var other = new WalArchiveFixture(method);
        var path = WriteRecords(other);
        await other.PushAsync(path);
        var bytes = await File.ReadAllBytesAsync(path, TestContext.Current.CancellationToken);
        bytes[200] ^= 0x10;
        await using (var writer = await other.Archive.OpenWriteAsync(WalGLayout.Wal(First), WriteCondition.None, TestContext.Current.CancellationToken))
        {
            await writer.WriteAsync(bytes, TestContext.Current.CancellationToken);
            await writer.CompleteAsync(TestContext.Current.CancellationToken);
        }

        var error = await Assert.ThrowsAsync<WalRusException>(() => other.FetchAsync(First, other.Folder["out"]));
        Assert.Equal(ErrorCode.ObjectCorrupt, error.Code);
        Assert.Contains("replay would end at", error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(other.Folder["out"]));
    }

    [Fact]
    public async Task Fetch_of_a_truncated_segment_leaves_no_file()
    {
        await archive.PushAsync(SyntheticWal.Write(archive.WalFolder, First));
        var stored = Path.Combine(archive.ArchiveFolder, "wal_005", First + ".lz4");
        using (var file = File.OpenWrite(stored))
        {
            file.SetLength(file.Length - 100);
        }

        var error = await Assert.ThrowsAsync<WalRusException>(() => archive.FetchAsync(First, archive.Folder["out"]));

        Assert.Equal(ErrorCode.ObjectCorrupt, error.Code);
        Assert.Equal([], Directory.EnumerateFiles(archive.Folder.FullName));
    }

    [Fact]
    public async Task A_broken_object_leaves_the_file_that_was_at_the_destination()
    {
        await archive.PushAsync(SyntheticWal.Write(archive.WalFolder, First));
        var stored = Path.Combine(archive.ArchiveFolder, "wal_005", First + ".lz4");
        var bytes = File.ReadAllBytes(stored);
        bytes[bytes.Length / 3] ^= 0x10;
        File.WriteAllBytes(stored, bytes);
        File.WriteAllText(archive.Folder["out"], "what was here");

        await Assert.ThrowsAsync<WalRusException>(() => archive.FetchAsync(First, archive.Folder["out"]));

        Assert.Equal("what was here", File.ReadAllText(archive.Folder["out"]));
    }

    [Fact]
    public async Task An_object_that_holds_another_segment_is_an_error()
    {
        await archive.PushAsync(SyntheticWal.Write(archive.WalFolder, First));
        var folder = Path.Combine(archive.ArchiveFolder, "wal_005");
        File.Copy(Path.Combine(folder, First + ".lz4"), Path.Combine(folder, "000000010000000000000002.lz4"));

        var error = await Assert.ThrowsAsync<WalRusException>(
            () => archive.FetchAsync("000000010000000000000002", archive.Folder["out"]));

        Assert.Equal(ErrorCode.ObjectCorrupt, error.Code);
        Assert.False(File.Exists(archive.Folder["out"]));
    }

    [Fact]
    public async Task A_segment_size_that_is_not_the_configured_one_is_an_error()
    {
        await archive.PushAsync(SyntheticWal.Write(archive.WalFolder, First));

        var error = await Assert.ThrowsAsync<WalRusException>(() => archive.FetchAsync(
            First, archive.Folder["out"], new WalFetchOptions { SegmentSize = WalSegmentSize.Default }));

        Assert.Equal(ErrorCode.ObjectCorrupt, error.Code);
        Assert.Contains("WALG_PG_WAL_SIZE", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_existing_destination_is_replaced()
    {
        var path = SyntheticWal.Write(archive.WalFolder, First);
        await archive.PushAsync(path);
        File.WriteAllText(archive.Folder["out"], "an older attempt");

        await archive.FetchAsync(First, archive.Folder["out"]);

        Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(archive.Folder["out"]));
    }

    [Fact]
    public async Task A_destination_folder_that_does_not_exist_is_an_error_that_says_so()
    {
        await archive.PushAsync(SyntheticWal.Write(archive.WalFolder, First));

        var error = await Assert.ThrowsAsync<WalRusException>(() => archive.FetchAsync(First, archive.Folder["no", "out"]));

        Assert.Equal(ErrorCode.FileNotFound, error.Code);
    }

    [Fact]
    public async Task Prefetch_brings_the_following_segments_and_fetch_takes_them()
    {
        var names = Enumerable.Range(1, 5).Select(i => $"0000000100000000000000{i:X2}").ToArray();
        foreach (var name in names)
        {
            await archive.PushAsync(SyntheticWal.Write(archive.WalFolder, name), new WalPushOptions { UploadConcurrency = 1 });
        }

        var destination = archive.Folder["restore", "RECOVERYXLOG"];
        Directory.CreateDirectory(archive.Folder["restore"]);
        var first = await archive.FetchAsync(names[0], destination);
        var brought = await archive.Prefetch().RunAsync(
            names[0], destination, first.SegmentSize, TestContext.Current.CancellationToken);
        var second = await archive.FetchAsync(names[1], destination);

        Assert.Equal(4, brought);
        Assert.Equal(WalFetchSource.Prefetched, second.Source);
        Assert.Equal(File.ReadAllBytes(Path.Combine(archive.WalFolder, names[1])), File.ReadAllBytes(destination));
    }

    [Fact]
    public async Task Prefetch_removes_what_replay_has_passed()
    {
        Directory.CreateDirectory(archive.Folder["restore", ".wal-g", "prefetch", "running"]);
        var passed = archive.Folder["restore", ".wal-g", "prefetch", "000000010000000000000001"];
        var unrelated = archive.Folder["restore", ".wal-g", "prefetch", "notes.txt"];
        File.WriteAllText(passed, "");
        File.WriteAllText(unrelated, "");

        await archive.Prefetch().RunAsync(
            "000000010000000000000005", archive.Folder["restore", "x"], SyntheticWal.Small, TestContext.Current.CancellationToken);

        Assert.False(File.Exists(passed));
        Assert.True(File.Exists(unrelated));
    }

    [Fact]
    public async Task A_prefetched_file_that_is_not_whole_is_thrown_away_and_the_archive_is_asked()
    {
        var path = SyntheticWal.Write(archive.WalFolder, First);
        await archive.PushAsync(path);
        Directory.CreateDirectory(archive.Folder[".wal-g", "prefetch"]);
        var prefetched = archive.Folder[".wal-g", "prefetch", First];
        File.WriteAllBytes(prefetched, File.ReadAllBytes(path)[..5000]);

        var result = await archive.FetchAsync(First, archive.Folder["out"]);

        Assert.Equal(WalFetchSource.Archive, result.Source);
        Assert.False(File.Exists(prefetched));
    }

    [Fact]
    public async Task A_prefetch_that_was_killed_holds_nobody_up_for_long()
    {
        await archive.PushAsync(SyntheticWal.Write(archive.WalFolder, First));
        Directory.CreateDirectory(archive.Folder[".wal-g", "prefetch", "running"]);
        File.WriteAllText(archive.Folder[".wal-g", "prefetch", "running", First], "dead");

        var result = await archive.FetchAsync(First, archive.Folder["out"]);

        Assert.Equal(WalFetchSource.Archive, result.Source);
        Assert.InRange(result.Duration, TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }
}
