using System.Text;
using WalRus.Archiving;
using WalRus.Compression;
using WalRus.Postgres;
using WalRus.Storage;
using WalRus.Storage.FileSystem;
using WalRus.Streaming.Tar;
using WalRus.WalG;

namespace WalRus.Tests.Postgres;

/// <summary>The files of real servers, 14 to 18, out of archives that real tools wrote without encryption.</summary>
public sealed class GoldenClusterFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("walg-pg14-zstd-sidecars", 1300, 0xD10D)]
    [InlineData("walg-pg15-lz4-delta", 1300, 0xD110)]
    [InlineData("walg-pg16-none-rating-composer", 1300, 0xD113)]
    [InlineData("walg-pg17-zstd-1mb-segments-timeline", 1700, 0xD116)]
    [InlineData("walg-pg18-lzma-walmap", 1800, 0xD118)]
    public async Task Control_file_WAL_pages_and_backup_history_agree_with_the_sentinel(
        string name, uint controlVersion, ushort magic)
    {
        var golden = GoldenArchive.Open(name);
        var sentinels = golden.Documents("_backup_stop_sentinel.json").ToDictionary(
            found => WalGLayout.SentinelOwner(ObjectKey.Parse(found.Key))!.Value, found => BackupSentinel.Parse(found.Content));
        var starts = sentinels.Keys.Select(backup => backup.StartSegment.ToString()).ToArray();
        golden.Unpack(folder.FullName, key => key.Contains("/pg_control.tar", StringComparison.Ordinal)
            || starts.Any(start => key.StartsWith($"wal_005/{start}", StringComparison.Ordinal)));
        var archive = new Archive(
            new FileSystemObjectStore(folder.FullName), Codecs.Create("lz4"), Codecs.ReadOrder, Crypter: null);
        foreach (var (backup, sentinel) in sentinels)
        {
            var control = ControlFile.Parse(await ControlFileOf(archive, backup));
            Assert.Equal(sentinel.SystemIdentifier, control.SystemIdentifier);
            Assert.Equal(controlVersion, control.ControlVersion);
            Assert.Equal(backup.StartSegment.Timeline, control.Timeline);
            Assert.Equal(golden.Facts.GetProperty("wal_segment_size_mb").GetInt32() << 20, control.SegmentSize.Bytes);
            Assert.True(control.Redo >= sentinel.StartLsn!.Value && control.Checkpoint >= control.Redo);
            Assert.Equal(8192u, control.BlockSizeBytes);
            Assert.Equal(ClusterState.InProduction, control.State);
            Assert.NotNull(control.WalLevel);
            Assert.NotEqual(WalLevel.Minimal, control.WalLevel);
            Assert.False(control.IsBackupEndRequired || control.BackupStart.IsValid || control.MinimumRecoveryPoint.IsValid);

            var header = await new WalCatalog(archive).ReadHeaderAsync(backup.StartSegment, TestContext.Current.CancellationToken);
            Assert.Equal(magic, header!.Value.Magic);
            Assert.Equal(sentinel.SystemIdentifier, header.Value.SystemIdentifier);
            Assert.Equal((uint)control.SegmentSize.Bytes, header.Value.SegmentSizeBytes);
            Assert.Equal(backup.StartSegment.StartLsn(control.SegmentSize), header.Value.PageAddress);
            Assert.Equal(8192u, header.Value.BlockSizeBytes);
            await CheckBackupHistory(archive, backup, sentinel);
        }
    }

    [Fact]
    public async Task The_history_of_the_golden_timeline_is_read_as_wal_g_shows_it()
    {
        var golden = GoldenArchive.Open("walg-pg17-zstd-1mb-segments-timeline");
        golden.Unpack(folder.FullName, key => key.StartsWith("wal_005/", StringComparison.Ordinal));
        var catalog = new WalCatalog(new Archive(
            new FileSystemObjectStore(folder.FullName), Codecs.Create("zstd"), Codecs.ReadOrder, Crypter: null));
        using var shown = System.Text.Json.JsonDocument.Parse(golden.OutputOf("wal-show", "--detailed-json"));
        var ranges = await catalog.GetRangesAsync(TestContext.Current.CancellationToken);
        Assert.Equal(shown.RootElement.GetArrayLength(), ranges.Count);
        foreach (var (row, range) in shown.RootElement.EnumerateArray().Zip(ranges))
        {
            Assert.Equal(row.GetProperty("id").GetUInt32(), range.Timeline.Value);
            Assert.Equal(row.GetProperty("start_segment").GetString(), range.First.ToString());
            Assert.Equal(row.GetProperty("end_segment").GetString(), range.Last.ToString());
            Assert.Equal(row.GetProperty("segments_count").GetInt64(), range.SegmentCount);
            var missing = await catalog.FindMissingAsync(
                range.First, range.Last, WalSegmentSize.FromBytes(1 << 20), TestContext.Current.CancellationToken);
            Assert.Equal(row.GetProperty("missing_segments").GetArrayLength(), missing.Count);
            var history = await catalog.ReadHistoryAsync(range.Timeline, TestContext.Current.CancellationToken);
            Assert.Equal(row.GetProperty("parent_id").GetUInt32(), history!.Parent?.Value ?? 0);
            Assert.Equal(
                row.GetProperty("switch_point_lsn").GetUInt64(), history.Switches.Select(past => past.SwitchPoint.Value).LastOrDefault());
        }
    }

    private static async Task CheckBackupHistory(Archive archive, BackupName backup, BackupSentinel sentinel)
    {
        await foreach (var item in new WalCatalog(archive).ListAsync(
            backup.StartSegment.ToString(), TestContext.Current.CancellationToken))
        {
            if (item.Kind == WalObjectKind.BackupHistory)
            {
                await using var source = await archive.OpenReadAsync(item.Key, TestContext.Current.CancellationToken);
                using var reader = new StreamReader(source);
                var label = BackupLabel.Parse(Encoding.UTF8.GetBytes(await reader.ReadToEndAsync()));
                Assert.Equal(sentinel.StartLsn, label.StartLsn);
                Assert.Equal(sentinel.FinishLsn, label.StopLsn);
                Assert.Equal(backup.StartSegment, label.StartSegment);
                Assert.NotNull(label.StopSegment);
                Assert.Equal(backup.StartSegment.Timeline, label.Timeline);
                Assert.Matches(@"^2026-11-22 \d\d:\d\d:\d\d UTC$", label.StartTime);
                Assert.False(label.FromStandby);
                Assert.Null(label.IncrementalFrom);
                return;
            }
        }

        Assert.Fail($"{backup} has no backup history in the archive.");
    }

    private static async Task<byte[]> ControlFileOf(Archive archive, BackupName backup)
    {
        var found = await archive.FindAsync(
            WalGLayout.Tar(backup, WalGLayout.ControlTar), TestContext.Current.CancellationToken);
        await using var source = await archive.OpenReadAsync(found!.Key, TestContext.Current.CancellationToken);
        var tar = new TarReader(source, new byte[TarReader.MinBufferBytes], found.Key.ToString());
        Assert.True(await tar.ReadEntryAsync(TestContext.Current.CancellationToken));
        using var content = new MemoryStream();
        while (await tar.ReadContentAsync(TestContext.Current.CancellationToken) is { IsEmpty: false } part)
        {
            content.Write(part.Span);
        }

        return content.ToArray();
    }
}
