using WalRus.Archiving;
using WalRus.Daemon;
using WalRus.Delta;
using WalRus.Postgres;
using WalRus.Storage.FileSystem;
using WalRus.Tests.Faults;
using WalRus.Tests.Wal;
using WalRus.Wal;
using WalRus.WalG;

namespace WalRus.Tests.Delta;

public sealed class WalDeltaRecorderTests(ITestOutputHelper output) : IDisposable
{
    private static readonly WalPushOptions Recording = new() { RecordsDelta = true };

    private readonly WalArchiveFixture fixture = new();
    private readonly RecordingLog log = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => fixture.Dispose();

    [Theory]
    [InlineData("walg-pg14-zstd-sidecars", 3)]
    [InlineData("walrus-pg16-zstd-sidecars", 6)]
    public async Task Sidecars_are_those_that_wal_g_and_WAL_RUS_wrote(string name, int sameOrder)
    {
        var golden = GoldenArchive.Open(name);
        golden.Unpack(fixture.Folder["golden"], key => key.StartsWith("wal_005/", StringComparison.Ordinal));
        var theirs = fixture.Archive with { Store = new FileSystemObjectStore(fixture.Folder["golden"]) };
        var names = golden.Keys.Select(key => WalObjectName.Parse(key[(key.LastIndexOf('/') + 1)..])).ToList();
        foreach (var segment in names.Where(found => found.Kind == WalObjectKind.Segment).Select(found => found.FileName).Order())
        {
            await RecordAsync((segment, await ContentAsync(theirs, segment)));
        }

        foreach (var sidecar in names.Where(found => found.Kind == WalObjectKind.DeltaSidecar).Select(found => found.FileName))
        {
            var (expected, actual) = (await ContentAsync(theirs, sidecar), await ContentAsync(fixture.Archive, sidecar));

            // wal-g pushes neighbours at the same time, and writes down their blocks as they come.
            sameOrder -= expected.AsSpan().SequenceEqual(actual) ? 1 : 0;
            Assert.Equal(Sorted(expected), Sorted(actual));
        }

        Assert.True(sameOrder <= 0, $"{sameOrder}");
    }

    [Fact]
    public async Task Segments_in_any_order_at_the_same_time_and_over_restarts_give_the_same_sidecars()
    {
        var seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var wal = new BlockWal(seed, 31, 35);
        var all = wal.Segments.ToArray();
        new Random(seed).Shuffle(all);
        foreach (var some in all.Chunk(7))
        {
            // Each of these is another process.
            var push = fixture.Push(Recording);
            await Task.WhenAll(some.Select(segment => push.RunAsync(new WalPushRequest { Path = Write(segment) }, Token)));
        }

        await AssertRecordedAsync(wal, 32, 48);
        Assert.Equal(4, fixture.Objects().Count(key => key.Contains("_delta", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task The_daemon_records_what_it_pushes_ahead()
    {
        var wal = new BlockWal(7, 31, 40);
        foreach (var segment in wal.Segments)
        {
            Write(segment, isReady: true);
        }

        await using var uploader = new LookAheadUploader(
            new WalPush(fixture.Archive, Recording with { UploadConcurrency = 8 }, fixture.Buffers, log),
            new LookAheadOptions(),
            new DaemonFigures(TimeProvider.System),
            log);
        foreach (var (name, _) in wal.Segments)
        {
            await uploader.PushAsync(Path.Combine(fixture.WalFolder, name), Token);
            new ReadyFolder(fixture.WalFolder).MarkDone(name);
        }

        await uploader.DrainAsync(TimeSpan.FromSeconds(10));
        await AssertRecordedAsync(wal, 32, 48);
    }

    [Fact]
    public async Task A_push_that_takes_its_neighbours_along_records_them_too()
    {
        var wal = new BlockWal(8, 47, 18);
        foreach (var segment in wal.Segments)
        {
            Write(segment, isReady: true);
        }

        foreach (var (name, _) in wal.Segments)
        {
            await fixture.PushAsync(Path.Combine(fixture.WalFolder, name), Recording);
        }

        await AssertRecordedAsync(wal, 48);
    }

    [Fact]
    public async Task A_store_that_fails_for_a_sidecar_fails_no_push_and_gets_it_with_the_next()
    {
        var wal = new BlockWal(9, 31, 19);
        var isBroken = true;
        var store = new FaultyObjectStore(fixture.Archive.Store, (call, key, _) =>
        {
            if (call == StoreCall.Complete && isBroken && key.Contains("_delta", StringComparison.Ordinal))
            {
                throw FaultyObjectStore.Transient();
            }
        });
        var push = new WalPush(fixture.Archive with { Store = store }, Recording, fixture.Buffers, log);
        foreach (var segment in wal.Segments)
        {
            isBroken = segment != wal.Segments[^1];
            await push.RunAsync(new WalPushRequest { Path = Write(segment) }, Token);
        }

        Assert.Equal(2, log.Count(nameof(LogEvents.WalDeltaNotStored)));
        Assert.Equal(1, log.Count(nameof(LogEvents.WalDeltaStored)));
        await AssertRecordedAsync(wal, 32);
    }

    [Fact]
    public async Task A_group_that_lacks_a_segment_or_has_a_torn_record_gets_no_sidecar()
    {
        var wal = new BlockWal(10, 31, 49);
        foreach (var (segment, index) in wal.Segments.Select((segment, index) => (segment, index)))
        {
            if (index == 5)
            {
                continue;
            }

            await fixture.PushAsync(Write(segment), Recording);
            if (index == 20)
            {
                var record = Path.Combine(fixture.WalFolder, "walg_data", "walrus_delta", segment.Name);
                var bytes = await File.ReadAllBytesAsync(record, Token);
                bytes[100] ^= 1;
                await File.WriteAllBytesAsync(record, bytes, Token);
            }
        }

        // Nor does the one behind: its first record begins in one of what was given up.
        Assert.DoesNotContain(fixture.Objects(), key => key.Contains("0020_delta", StringComparison.Ordinal));
        Assert.DoesNotContain(fixture.Objects(), key => key.Contains("0030_delta", StringComparison.Ordinal));
        await AssertRecordedAsync(wal, 64);
    }

    [Fact]
    public async Task What_waits_for_a_segment_of_another_host_is_removed_in_time()
    {
        foreach (var segment in new[] { new BlockWal(11, 33, 2), new BlockWal(12, 160, 1), new BlockWal(13, 162, 1) }.SelectMany(wal => wal.Segments))
        {
            await RecordAsync(segment);
        }

        Assert.Equal(
            ["000000010000000000000022", "0000000100000000000000A0", "0000000100000000000000A2"],
            Directory.GetFiles(Path.Combine(fixture.WalFolder, "walg_data", "walrus_delta")).Select(path => Path.GetFileName(path)).Order());
    }

    [Fact]
    public async Task A_record_that_is_too_long_or_wal_that_is_none_is_not_recorded_and_archived_all_the_same()
    {
        var writer = new WalWriter(SyntheticWal.Small.StartOf(31));
        writer.Append((WalResourceManager)10, 0, WalWriter.Data(new byte[100]));
        writer.Append((WalResourceManager)10, 0, WalWriter.Data(new byte[5 << 20]));
        var push = new WalPush(fixture.Archive, Recording, fixture.Buffers, log);
        foreach (var segment in writer.Segments().Skip(1).Take(2))
        {
            await push.RunAsync(new WalPushRequest { Path = Write(segment) }, Token);
        }

        var noise = SyntheticWal.Write(fixture.WalFolder, "000000010000000000000028");
        await push.RunAsync(new WalPushRequest { Path = noise }, Token);
        Assert.Equal(3, log.Count(nameof(LogEvents.WalDeltaNotRecorded)));
        Assert.Equal(3, fixture.Objects().Length);
        Assert.Empty(Directory.GetFiles(Path.Combine(fixture.WalFolder, "walg_data", "walrus_delta")));
    }

    [Fact]
    public async Task A_segment_that_the_archive_held_already_is_recorded()
    {
        var wal = new BlockWal(12, 31, 18);
        foreach (var segment in wal.Segments)
        {
            await fixture.PushAsync(Write(segment));
            var again = await fixture.PushAsync(Write(segment), Recording with { PreventOverwrite = true });
            Assert.Equal(WalPushState.AlreadyArchived, again.State);
        }

        await AssertRecordedAsync(wal, 32);
    }

    /// <summary>What the sidecars of groups hold is what the whole WAL, read at once, changes there.</summary>
    private async Task AssertRecordedAsync(BlockWal wal, params int[] groups)
    {
        var size = SyntheticWal.Small;
        foreach (var group in groups)
        {
            var first = WalFileName.FromSegment(new TimelineId(1), (ulong)group, size);
            var (from, to) = (size.StartOf((ulong)group), size.StartOf((ulong)group + 16));
            var sidecar = await ContentAsync(fixture.Archive, DeltaSidecar.NameOf(first));
            var blocks = new List<(RelationFileNode Relation, uint Block)>();
            var (length, checksum) = await DeltaSidecar.ReadAsync(
                new MemoryStream(sidecar), new byte[4096], (relation, block) => blocks.Add((relation, block)), Token);
            Assert.Equal(wal.Blocks(from, to), blocks.OrderBy(one => one.ToString(), StringComparer.Ordinal));

            var files = DeltaFileChanges.Parse(await ContentAsync(fixture.Archive, DeltaFileChanges.NameOf(first)));
            Assert.Equal((length, checksum), (files.SidecarLength, files.SidecarChecksum));
            Assert.Equal((SyntheticWal.SystemIdentifier, size), (files.SystemIdentifier, files.SegmentSize));
            Assert.Equal(
                wal.Files(from, to),
                files.Entries.ToArray().Chunk(16).Select(entry => DeltaSidecar.ReadLocation(entry)).OrderBy(one => one.ToString(), StringComparer.Ordinal));
        }
    }

    private async Task RecordAsync((string Name, byte[] Content) segment)
    {
        var recorder = new WalDeltaRecorder(fixture.Archive, fixture.Buffers, log);
        using var recording = recorder.Begin(WalFileName.Parse(segment.Name), Path.Combine(fixture.WalFolder, "walg_data"));
        recording.Write(segment.Content);
        await recorder.KeepAsync(recording, Token);
    }

    /// <summary>Its locations in order, its end as it is.</summary>
    private static string Sorted(byte[] sidecar)
    {
        var entries = sidecar.Chunk(16).Select(Convert.ToHexString).ToList();
        var end = entries.IndexOf(new string('0', 32));
        return string.Join('\n', entries.Take(end).Order(StringComparer.Ordinal).Concat(entries.Skip(end)));
    }

    private string Write((string Name, byte[] Content) segment, bool isReady = false)
    {
        var path = Path.Combine(fixture.WalFolder, segment.Name);
        File.WriteAllBytes(path, segment.Content);
        if (isReady)
        {
            var status = Directory.CreateDirectory(Path.Combine(fixture.WalFolder, "archive_status")).FullName;
            File.WriteAllBytes(Path.Combine(status, segment.Name + ".ready"), []);
        }

        return path;
    }

    private static async Task<byte[]> ContentAsync(Archive archive, string name)
    {
        var found = await archive.FindAsync(WalGLayout.Wal(name), Token);
        Assert.True(found is not null, $"{name} is not archived");
        await using var source = await archive.OpenReadAsync(found.Key, Token);
        using var copy = new MemoryStream();
        await source.CopyToAsync(copy, Token);
        return copy.ToArray();
    }
}
