using WalRus.Postgres;
using WalRus.Verification;

namespace WalRus.Tests.Verification;

/// <summary>The verdict on the archived WAL: the same as a walk segment by segment gives, which is how wal-g does it.</summary>
public sealed class WalVerifyTests
{
    private static readonly WalSegmentSize Size = WalSegmentSize.Default;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Stretches_are_what_a_walk_segment_by_segment_finds()
    {
        var seed = Random.Shared.Next();
        TestContext.Current.SendDiagnosticMessage($"seed {seed}");
        var random = new Random(seed);
        for (var round = 0; round < 60; round++)
        {
            await CompareAsync(random, $"seed {seed}, round {round}");
        }
    }

    [Fact]
    public async Task A_whole_archive_is_ok_and_the_current_segment_is_not_asked_for()
    {
        using var archive = new FolderArchive();
        archive.Segments(1, [3, 4, 5]);
        var backup = archive.Backup(1, 3);
        var result = await VerifyAsync(archive, 1, 6, new WalVerifyOptions());
        Assert.Equal((VerifyStatus.Ok, backup), (result.Integrity!.Status, result.Integrity.BackupName));
        Assert.Equal(new SegmentRange(Name(1, 3), Name(1, 5), 3, SegmentStatus.Found), Assert.Single(result.Integrity.Ranges));
        Assert.Equal(new TimelineResult(VerifyStatus.Ok, new TimelineId(1), new TimelineId(1)), result.Timeline);
    }

    [Fact]
    public async Task New_missing_segments_are_late_then_on_their_way_then_lost()
    {
        using var archive = new FolderArchive();
        archive.Segments(1, [1, 3, 5, 6, 8]);
        archive.Backup(1, 1);
        var result = await VerifyAsync(archive, 1, 11, new WalVerifyOptions { MaxDelayed = 4, UploadConcurrency = 2 });
        Assert.Equal(VerifyStatus.Failure, result.Integrity!.Status);
        Assert.Equal(
            "1 FOUND 1, 2 LOST 1, 3 FOUND 1, 4 LOST 1, 5 FOUND 2, 7 UPLOADING 1, 8 FOUND 1, 9 DELAYED 2",
            string.Join(", ", result.Integrity.Ranges.Select(range =>
                $"{range.First.SegmentNumber(Size)} {range.Status.ToString().ToUpperInvariant().Replace("MISSING", "", StringComparison.Ordinal)} {range.Count}")));
    }

    [Fact]
    public async Task Without_a_backup_what_is_missing_before_the_first_segment_is_a_warning()
    {
        using var archive = new FolderArchive();
        archive.Segments(1, [100, 101]);
        var options = new WalVerifyOptions { UploadConcurrency = 1 };
        Assert.Equal(VerifyStatus.Warning, (await VerifyAsync(archive, 1, 102, options)).Integrity!.Status);
        archive.Segments(1, [98]);
        Assert.Equal(VerifyStatus.Failure, (await VerifyAsync(archive, 1, 102, options)).Integrity!.Status);
    }

    [Fact]
    public async Task A_permanent_backup_is_the_lower_end_only_by_name()
    {
        using var archive = new FolderArchive();
        archive.Segments(1, [2, 3, 5, 6]);
        var permanent = archive.Backup(1, 2, permanent: true);
        archive.Backup(1, 5);
        var options = new WalVerifyOptions { UploadConcurrency = 1 };
        Assert.Equal(VerifyStatus.Ok, (await VerifyAsync(archive, 1, 7, options)).Integrity!.Status);
        Assert.Equal(VerifyStatus.Failure, (await VerifyAsync(archive, 1, 7, options, permanent)).Integrity!.Status);
    }

    [Fact]
    public async Task A_backup_of_a_timeline_that_does_not_lead_here_is_refused_by_name_and_passed_over_without()
    {
        using var archive = new FolderArchive();
        archive.Segments(1, [2, 3, 4]);
        archive.Segments(3, [4, 5]);
        archive.History(3, (1, Size.StartOf(4) + 100));
        var foreign = archive.Backup(2, 4);
        archive.Backup(1, 2);
        var result = await VerifyAsync(archive, 3, 6, new WalVerifyOptions());
        Assert.Equal(VerifyStatus.Ok, result.Integrity!.Status);
        Assert.Equal([Name(1, 2), Name(3, 4)], result.Integrity.Ranges.Select(range => range.First));
        var refused = await Assert.ThrowsAsync<WalRusException>(() => VerifyAsync(archive, 3, 6, new WalVerifyOptions(), foreign));
        Assert.Equal(ErrorCode.BackupIncomplete, refused.Code);
    }

    [Fact]
    public async Task The_highest_timeline_is_that_of_any_segment_or_history()
    {
        using var archive = new FolderArchive();
        archive.Wal("00000004.history", "000000030000000000000001.partial.zst", "000000010000000000000001.lz4", "00000009.history.txt");
        var result = await VerifyAsync(archive, 3, 2, new WalVerifyOptions());
        Assert.Equal(new TimelineResult(VerifyStatus.Failure, new TimelineId(3), new TimelineId(4)), result.Timeline);
    }

    [Fact]
    public async Task Without_a_position_the_archive_is_judged_by_its_last_segment()
    {
        using var archive = new FolderArchive();
        var refused = await Assert.ThrowsAsync<WalRusException>(
            () => new WalVerify(archive.Open(), new WalVerifyOptions(), NullEventLog.Instance)
                .RunAsync(new WalVerifyRequest { Integrity = true }, Token));
        Assert.Equal(ErrorCode.WalSegmentNotFound, refused.Code);
        archive.Segments(1, [7, 8]);
        archive.Backup(1, 7);
        var result = await new WalVerify(archive.Open(), new WalVerifyOptions(), NullEventLog.Instance)
            .RunAsync(new WalVerifyRequest { Integrity = true }, Token);
        Assert.Equal(VerifyStatus.Ok, result.Status);
        Assert.Equal(Name(1, 8), Assert.Single(result.Integrity!.Ranges).Last);
    }

    private static WalFileName Name(uint timeline, ulong number) => WalFileName.FromSegment(new TimelineId(timeline), number, Size);

    private static Task<WalVerifyResult> VerifyAsync(
        FolderArchive archive, uint timeline, ulong current, WalVerifyOptions options, string? backup = null) =>
        new WalVerify(archive.Open(), options, NullEventLog.Instance).RunAsync(
            new WalVerifyRequest
            {
                Integrity = true,
                Timeline = true,
                Position = new WalPosition(new TimelineId(timeline), Size.StartOf(current) + 1000),
                BackupName = backup,
            },
            Token);

    private static async Task CompareAsync(Random random, string what)
    {
        using var archive = new FolderArchive();
        var first = (ulong)random.Next(3, 30);
        var second = first + (ulong)random.Next(0, 30);
        var present = new HashSet<(uint Timeline, ulong Number)>();
        foreach (var (timeline, from, to) in new[] { (1u, 0UL, first + 2), (2u, first, second), (3u, second, second + 30) })
        {
            for (var number = from; number <= to; number++)
            {
                if (random.Next(10) > 1)
                {
                    present.Add((timeline, number));
                }
            }
        }

        archive.Wal([.. present.Select(segment => FolderArchive.Name(segment.Timeline, segment.Number))]);
        archive.History(3, (1, Size.StartOf(first) + 8), (2, Size.StartOf(second) + 16));
        var options = new WalVerifyOptions { MaxDelayed = random.Next(0, 5), UploadConcurrency = random.Next(1, 7) };
        var stop = (ulong)random.Next(1, (int)first);
        archive.Backup(1, stop);
        var current = second + (ulong)random.Next(1, 35);

        var switches = new Dictionary<ulong, uint> { [second] = 2, [first] = 1 };
        var expected = WalkOneByOne(present, switches, (3, current), stop, options);
        var actual = (await VerifyAsync(archive, 3, current, options)).Integrity!;
        var unrolled = actual.Ranges.SelectMany(range => Enumerable.Range(0, (int)range.Count)
            .Select(step => (range.Timeline.Value, range.First.SegmentNumber(Size) + (ulong)step, range.Status)));
        Assert.True(expected.SequenceEqual(unrolled), what);
        Assert.DoesNotContain(actual.Ranges.Zip(actual.Ranges.Skip(1)), pair =>
            pair.First.Timeline == pair.Second.Timeline && pair.First.Status == pair.Second.Status);
    }

    /// <summary>wal-g's three scans, one segment at a time.</summary>
    private static List<(uint Timeline, ulong Number, SegmentStatus Status)> WalkOneByOne(
        HashSet<(uint Timeline, ulong Number)> present,
        Dictionary<ulong, uint> switches,
        (uint Timeline, ulong Number) at,
        ulong stop,
        WalVerifyOptions options)
    {
        var walked = new List<(uint, ulong, SegmentStatus)>();
        void Scan(int limit, SegmentStatus missing, bool stopsAtFound)
        {
            for (var step = 0; step < limit && at.Number > stop; step++)
            {
                var next = (at.Timeline, at.Number - 1);
                if (switches.TryGetValue(at.Number, out var before) && !present.Contains(next))
                {
                    next.Timeline = before;
                }

                at = next;
                walked.Add((at.Timeline, at.Number, present.Contains(at) ? SegmentStatus.Found : missing));
                if (stopsAtFound && present.Contains(at))
                {
                    return;
                }
            }
        }

        Scan(options.MaxDelayed, SegmentStatus.MissingDelayed, true);
        Scan(options.UploadConcurrency, SegmentStatus.MissingUploading, false);
        Scan(int.MaxValue, SegmentStatus.MissingLost, false);
        walked.Reverse();
        return walked;
    }
}
