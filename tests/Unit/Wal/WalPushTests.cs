using WalRus.Wal;

namespace WalRus.Tests.Wal;

public sealed class WalPushTests : IDisposable
{
    private const string First = "000000010000000000000001";

    private readonly WalArchiveFixture archive = new();

    public void Dispose() => archive.Dispose();

    [Fact]
    public async Task A_pushed_segment_comes_back_byte_for_byte()
    {
        var path = SyntheticWal.Write(archive.WalFolder, First);

        var pushed = await archive.PushAsync(path);
        await archive.FetchAsync(First, archive.Folder["RECOVERYXLOG"]);

        Assert.Equal(WalPushState.Uploaded, pushed.State);
        Assert.Equal($"wal_005/{First}.lz4", pushed.Key.ToString());
        Assert.Equal(SyntheticWal.Small.Bytes, pushed.BytesIn);
        Assert.InRange(pushed.BytesOut, 1, pushed.BytesIn);
        Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(archive.Folder["RECOVERYXLOG"]));
    }

    [Theory]
    [InlineData("00000002.history", "1\t0/3000000\tno recovery target specified\n")]
    [InlineData("000000010000000000000002.00000028.backup", "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\n")]
    public async Task History_and_backup_label_files_are_archived_under_their_own_names(string name, string content)
    {
        var path = Path.Combine(archive.WalFolder, name);
        File.WriteAllText(path, content);

        await archive.PushAsync(path);
        await archive.FetchAsync(name, archive.Folder["fetched"]);

        Assert.Equal(content, File.ReadAllText(archive.Folder["fetched"]));
        Assert.Equal([$"wal_005/{name}.lz4"], archive.Objects());
    }

    [Fact]
    public async Task A_partial_segment_is_archived_under_its_own_name()
    {
        var path = SyntheticWal.Write(archive.WalFolder, First);
        File.Move(path, path + ".partial");

        await archive.PushAsync(path + ".partial");

        Assert.Equal([$"wal_005/{First}.partial.lz4"], archive.Objects());
    }

    [Fact]
    public async Task Pushing_twice_with_overwriting_prevented_says_already_archived_and_stores_nothing()
    {
        var path = SyntheticWal.Write(archive.WalFolder, First);
        var options = new WalPushOptions { PreventOverwrite = true };
        await archive.PushAsync(path, options);

        var again = await archive.PushAsync(path, options);

        Assert.Equal(WalPushState.AlreadyArchived, again.State);
        Assert.Single(archive.Objects());
    }

    [Fact]
    public async Task Other_content_under_an_archived_name_is_a_conflict_and_the_archive_keeps_what_it_had()
    {
        var path = SyntheticWal.Write(archive.WalFolder, First);
        var options = new WalPushOptions { PreventOverwrite = true };
        await archive.PushAsync(path, options);
        var original = File.ReadAllBytes(path);
        var changed = original.ToArray();
        changed[^1] ^= 1;
        File.WriteAllBytes(path, changed);

        var error = await Assert.ThrowsAsync<WalRusException>(() => archive.PushAsync(path, options));
        await archive.FetchAsync(First, archive.Folder["kept"]);

        Assert.Equal(ErrorCode.WalSegmentConflict, error.Code);
        Assert.Contains("unable to overwrite", error.Message, StringComparison.Ordinal);
        Assert.Equal(original, File.ReadAllBytes(archive.Folder["kept"]));
    }

    [Fact]
    public async Task A_history_file_is_never_replaced_with_other_content_even_where_segments_may_be()
    {
        var path = Path.Combine(archive.WalFolder, "00000002.history");
        File.WriteAllText(path, "1\t0/3000000\tx\n");
        await archive.PushAsync(path);
        File.WriteAllText(path, "1\t0/4000000\tx\n");

        var error = await Assert.ThrowsAsync<WalRusException>(() => archive.PushAsync(path));

        Assert.Equal(ErrorCode.WalSegmentConflict, error.Code);
    }

    [Fact]
    public async Task A_segment_of_another_cluster_is_refused_with_both_identifiers()
    {
        await archive.PushAsync(SyntheticWal.Write(archive.WalFolder, First));
        var foreign = SyntheticWal.Write(archive.Folder["other"], "000000010000000000000002", systemIdentifier: 42);

        var error = await Assert.ThrowsAsync<WalRusException>(() => archive.PushAsync(foreign));

        Assert.Equal(ErrorCode.WalSegmentForeign, error.Code);
        Assert.Contains("42", error.Message, StringComparison.Ordinal);
        Assert.Contains($"{SyntheticWal.SystemIdentifier}", error.Message, StringComparison.Ordinal);
        Assert.Single(archive.Objects());
    }

    [Fact]
    public async Task A_segment_of_another_cluster_is_archived_when_the_check_is_turned_off()
    {
        await archive.PushAsync(SyntheticWal.Write(archive.WalFolder, First));
        var foreign = SyntheticWal.Write(archive.Folder["other"], "000000010000000000000002", systemIdentifier: 42);

        await archive.PushAsync(foreign, new WalPushOptions { CheckSystemIdentifier = false });

        Assert.Equal(2, archive.Objects().Length);
    }

    [Fact]
    public async Task A_segment_under_the_name_of_another_position_is_refused()
    {
        var path = SyntheticWal.Write(archive.WalFolder, First);
        var misnamed = Path.Combine(archive.WalFolder, "000000010000000000000009");
        File.Move(path, misnamed);

        var error = await Assert.ThrowsAsync<WalRusException>(() => archive.PushAsync(misnamed));

        Assert.Equal(ErrorCode.WalSegmentInvalid, error.Code);
        Assert.Empty(archive.Objects());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(39)]
    [InlineData(8192)]
    [InlineData((1 << 20) - 1)]
    public async Task A_segment_that_was_cut_short_is_refused(int length)
    {
        var path = SyntheticWal.Write(archive.WalFolder, First);
        using (var file = File.OpenWrite(path))
        {
            file.SetLength(length);
        }

        var error = await Assert.ThrowsAsync<WalRusException>(() => archive.PushAsync(path));

        Assert.Equal(ErrorCode.WalSegmentInvalid, error.Code);
        Assert.Empty(archive.Objects());
    }

    [Theory]
    [InlineData("pg_control")]
    [InlineData("00000001000000000000001")]
    [InlineData("00000001000000000000000g")]
    [InlineData("000000010000000000000001.gz")]
    public async Task A_file_that_is_no_wal_is_refused_by_its_name(string name)
    {
        var path = Path.Combine(archive.WalFolder, name);
        File.WriteAllBytes(path, new byte[10]);

        var error = await Assert.ThrowsAsync<WalRusException>(() => archive.PushAsync(path));

        Assert.Equal(ErrorCode.WalSegmentInvalid, error.Code);
    }

    [Fact]
    public async Task A_missing_file_is_an_error_that_says_what_archive_command_must_give()
    {
        var error = await Assert.ThrowsAsync<WalRusException>(() => archive.PushAsync(Path.Combine(archive.WalFolder, First)));

        Assert.Equal(ErrorCode.WalSourceNotFound, error.Code);
        Assert.Contains("%p", error.Hint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ready_neighbours_are_taken_along_and_their_own_push_finds_them_archived()
    {
        var names = Enumerable.Range(1, 6).Select(i => $"0000000100000000000000{i:X2}").ToArray();
        var paths = names.Select(name => SyntheticWal.Write(archive.WalFolder, name, ready: true)).ToArray();
        var options = new WalPushOptions { UploadConcurrency = 8 };

        // Neighbours start only while the asked one is on its way, so how many are taken along may differ.
        var taken = 0;
        foreach (var path in paths)
        {
            var result = await archive.PushAsync(path, options);
            taken += result.State == WalPushState.AlreadyArchived ? 1 : 0;

            // As PostgreSQL does: what stays ready is taken along again.
            new ReadyFolder(archive.WalFolder).MarkDone(Path.GetFileName(path));
        }

        Assert.Equal(names.Select(name => $"wal_005/{name}.lz4"), archive.Objects());
        Assert.True(taken > 0, "no neighbour was taken along");
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(archive.WalFolder, "walg_data", "walg_archive_status")));
    }

    [Fact]
    public async Task No_more_neighbours_are_taken_along_than_the_limit()
    {
        var paths = Enumerable.Range(1, 12)
            .Select(i => SyntheticWal.Write(archive.WalFolder, $"0000000100000000000000{i:X2}", ready: true)).ToArray();

        var result = await archive.PushAsync(paths[0], new WalPushOptions { UploadConcurrency = 16, NeighbourLimit = 3 });

        Assert.InRange(result.NeighboursPushed, 0, 3);
        Assert.InRange(archive.Objects().Length, 1, 4);
    }

    [Fact]
    public async Task A_mark_without_its_object_is_not_believed()
    {
        var path = SyntheticWal.Write(archive.WalFolder, First);
        var marks = Path.Combine(archive.WalFolder, "walg_data", "walg_archive_status");
        Directory.CreateDirectory(marks);
        File.WriteAllBytes(Path.Combine(marks, First), []);

        var result = await archive.PushAsync(path);

        Assert.Equal(WalPushState.Uploaded, result.State);
        Assert.Single(archive.Objects());
    }

    [Fact]
    public async Task A_neighbour_that_cannot_be_pushed_does_not_fail_the_asked_segment()
    {
        var path = SyntheticWal.Write(archive.WalFolder, First, ready: true);
        SyntheticWal.Write(archive.WalFolder, "000000010000000000000002", ready: true, systemIdentifier: 42);

        var result = await archive.PushAsync(path);

        Assert.Equal(WalPushState.Uploaded, result.State);
        Assert.Equal([$"wal_005/{First}.lz4"], archive.Objects());
    }

    [Fact]
    public async Task A_cancelled_push_leaves_nothing()
    {
        var path = SyntheticWal.Write(archive.WalFolder, First);
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => archive.Push().RunAsync(new WalPushRequest { Path = path }, cancelled.Token));

        Assert.Empty(archive.Objects());
        Assert.Equal(0, archive.Buffers.RentedBytes);
    }
}
