using System.Text.RegularExpressions;
using WalRus.Backup;
using WalRus.Drill;

namespace WalRus.Tests.Drill;

public sealed partial class BackupDrillTests(DrillFixture fixture) : IClassFixture<DrillFixture>
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_sound_backup_passes_every_phase_and_the_production_archive_is_not_touched()
    {
        var before = Listing(fixture.ArchiveFolder).Concat(Listing(fixture.Cluster.ArchiveFolder)).ToArray();
        var result = await fixture.RunAsync(fixture.Request(fixture.Sound) with
        {
            Target = new RecoveryTarget { Name = "here" },
            CountRows = true,
            HeapAllIndexed = true,
            Queries =
            [
                new DrillQuery("open", "SELECT count(*) FROM pg_prepared_xacts; SELECT count(*) FROM orders WHERE id IN (4000, 5000)")
                {
                    Database = "shop", Expected = "1",
                },
                new DrillQuery("asserted", "SELECT id, note FROM orders WHERE id < 3 ORDER BY id")
                {
                    Database = "shop",
                    Assert = answer => Task.FromResult(answer is { RowCount: 2, Columns: ["id", "note"], Rows: [["1", ..], ["2", ..]] } ? null : "wrong"),
                },
            ],
        });

        Assert.True(result.Status == DrillOutcome.Passed, string.Join('\n', result.Phases));
        Assert.All(result.Phases, phase => Assert.Equal(DrillOutcome.Passed, phase.Outcome));
        Assert.Equal(Enum.GetValues<DrillPhaseName>(), result.Phases.Select(phase => phase.Name));
        Assert.All(result.Phases, phase => Assert.NotEmpty(phase.Message));
        Assert.Equal(3001, result.RowCounts["shop.public.orders"]);
        Assert.Equal(900, result.RowCounts["shop.public.elsewhere"]);
        Assert.True(result.WalSegmentCount > 0 && result.WalBytes == result.WalSegmentCount << 20);
        Assert.StartsWith("15", result.ServerVersion, StringComparison.Ordinal);
        Assert.NotNull(result.RecoveredTime);
        Assert.Null(result.FirstFailure);
        Assert.Equal(before, Listing(fixture.ArchiveFolder).Concat(Listing(fixture.Cluster.ArchiveFolder)));
    }

    [Fact]
    public async Task Without_a_target_the_drill_stops_at_consistency_and_skips_what_was_not_asked()
    {
        var result = await fixture.RunAsync(fixture.Request(fixture.Sound) with { Structure = false });

        Assert.Equal(DrillOutcome.Passed, result.Status);
        Assert.Equal("consistency", result.Target);
        Assert.Equal(
            [DrillPhaseName.Structure, DrillPhaseName.Query, DrillPhaseName.RowCount],
            result.Phases.Where(phase => phase.Outcome == DrillOutcome.Skipped).Select(phase => phase.Name));
    }

    [Fact]
    public async Task Without_pg_checksums_the_pages_are_verified_by_walrus()
    {
        using var bin = new TemporaryFolder();
        OpenToAll(bin.FullName);
        foreach (var program in Directory.EnumerateFiles(fixture.Cluster.Programs.BinFolder).Where(path => !path.EndsWith("pg_checksums", StringComparison.Ordinal)))
        {
            File.CreateSymbolicLink(bin[Path.GetFileName(program)], program);
        }

        var request = fixture.Request(fixture.Sound) with { PostgresBin = bin.FullName, Structure = false };
        var sound = await fixture.RunAsync(request);
        var damaged = await fixture.RunAsync(request with { BackupName = fixture.Damaged });

        Assert.Contains("read by walrus", Phase(sound, DrillPhaseName.Checksum).Message, StringComparison.Ordinal);
        Assert.Contains("1 blocks", Phase(damaged, DrillPhaseName.Checksum).Message, StringComparison.Ordinal);
        Assert.Equal(DrillOutcome.Failed, damaged.Status);
    }

    [Fact]
    public async Task A_page_whose_checksum_is_wrong_fails_the_drill()
    {
        var result = await fixture.RunAsync(fixture.Request(fixture.Damaged));

        Assert.Equal(DrillOutcome.Failed, result.Status);
        Assert.Equal(DrillOutcome.Failed, Phase(result, DrillPhaseName.Structure).Outcome);
        Assert.Contains("shop.public.victim", Phase(result, DrillPhaseName.Structure).Message, StringComparison.Ordinal);
        Assert.Equal(DrillOutcome.Failed, Phase(result, DrillPhaseName.Checksum).Outcome);
        Assert.Equal(DrillOutcome.Passed, Phase(result, DrillPhaseName.Recover).Outcome);
    }

    [Fact]
    public async Task A_missing_part_fails_the_drill()
    {
        var archive = fixture.CopyArchive();
        File.Delete(Part(archive));

        var result = await fixture.RunAsync(fixture.Request(fixture.Sound), archive);

        AssertFailed(result, DrillPhaseName.Restore);
    }

    [Fact]
    public async Task A_corrupted_part_fails_the_drill()
    {
        var archive = fixture.CopyArchive();
        Flip(Part(archive));

        var result = await fixture.RunAsync(fixture.Request(fixture.Sound), archive);

        AssertFailed(result, DrillPhaseName.Restore);
        Assert.Contains(Path.GetFileName(Part(archive)), result.FirstFailure!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_segment_that_the_plan_sees_fails_the_drill_before_anything_is_restored()
    {
        var archive = fixture.CopyArchive();
        var segment = fixture.Sound["base_".Length..];
        File.Delete(Path.Combine(archive, "wal_005", segment + ".lz4"));

        var result = await fixture.RunAsync(fixture.Request(fixture.Sound), archive);

        AssertFailed(result, DrillPhaseName.Plan);
        Assert.Equal(ErrorCode.RecoveryWalMissing, result.FirstFailure!.Code);
        Assert.Contains(segment, result.FirstFailure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_segment_that_only_replay_can_tell_to_be_needed_fails_the_drill()
    {
        var archive = fixture.CopyArchive();
        File.Delete(SegmentAfter(archive, fixture.Sound));

        var result = await fixture.RunAsync(
            fixture.Request(fixture.Sound) with { Target = new RecoveryTarget { Time = fixture.Moment } }, archive);

        AssertFailed(result, DrillPhaseName.Recover);
        Assert.Contains("recovery ended before configured recovery target was reached", result.FirstFailure!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_corrupted_segment_fails_the_drill_with_its_name()
    {
        var archive = fixture.CopyArchive();
        var segment = SegmentAfter(archive, fixture.Sound);
        Flip(segment);

        var result = await fixture.RunAsync(
            fixture.Request(fixture.Sound) with { Target = new RecoveryTarget { Time = fixture.Moment } }, archive);

        AssertFailed(result, DrillPhaseName.Recover);
        Assert.Equal(ErrorCode.ObjectCorrupt, result.FirstFailure!.Code);
        Assert.Contains(Path.GetFileNameWithoutExtension(segment), result.FirstFailure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_answer_and_a_table_that_shrank_fail_the_drill_each_in_its_phase()
    {
        var result = await fixture.RunAsync(fixture.Request(fixture.Sound) with
        {
            Structure = false,
            Checksums = false,
            Queries =
            [
                new DrillQuery("right", "SELECT 1") { Expected = "1" },
                new DrillQuery("wrong", "SELECT 2") { Expected = "1" },
                new DrillQuery("broken", "SELECT nothing"),
                new DrillQuery("asserted", "SELECT 3") { Assert = answer => Task.FromResult<string?>("not three") },
            ],
            Baseline = new Dictionary<string, long>
            {
                ["shop.public.orders"] = 3000, ["shop.public.elsewhere"] = 2000, ["shop.public.gone"] = 1, ["shop.public.victim"] = 2010,
            },
            TolerancePercent = 1,
        });

        Assert.Equal(DrillOutcome.Failed, result.Status);
        Assert.StartsWith("3 of 4", Phase(result, DrillPhaseName.Query).Message, StringComparison.Ordinal);
        Assert.Equal([null, "expected '1', got '2'"], result.Queries.Take(2).Select(query => query.Problem));
        Assert.Contains("not three", result.Queries[3].Problem, StringComparison.Ordinal);
        var rows = Phase(result, DrillPhaseName.RowCount);
        Assert.StartsWith("2 of 4", rows.Message, StringComparison.Ordinal);
        Assert.Contains("elsewhere has 1000 rows instead of 2000", rows.Message, StringComparison.Ordinal);
        Assert.Contains("gone is missing", rows.Message, StringComparison.Ordinal);
        Assert.Equal(DrillOutcome.Passed, Phase(result, DrillPhaseName.Stop).Outcome);
    }

    [Fact]
    public async Task A_failed_drill_is_kept_when_asked_and_no_process_with_it()
    {
        var result = await fixture.RunAsync(fixture.Request(fixture.Sound) with
        {
            Structure = false,
            Queries = [new DrillQuery("wrong", "SELECT 2") { Expected = "1" }],
            KeepOnFailure = true,
        });

        try
        {
            Assert.Equal(DrillOutcome.Failed, result.Status);
            Assert.True(File.Exists(Path.Combine(result.KeptFolder!, "data", "PG_VERSION")));
            Assert.Empty(DrillFixture.ProcessesIn(fixture.Work));
        }
        finally
        {
            Directory.Delete(result.KeptFolder!, recursive: true);
        }
    }

    [Theory]
    [InlineData("Restore")]
    [InlineData("Recover")]
    [InlineData("Structure")]
    public async Task A_drill_that_is_cancelled_leaves_no_process_and_no_directory(string during)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var progress = new OnReport(report =>
        {
            if (report.Activity == $"Drill: {during}")
            {
                // A little later, so that the phase is under way.
                stop.CancelAfter(during == "Restore" ? 20 : 60);
            }
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => fixture.Drill().RunAsync(fixture.Request(fixture.Sound) with { Progress = progress, HeapAllIndexed = true }, stop.Token));
        fixture.AssertNothingLeft();
    }

    [Fact]
    public async Task A_drill_whose_time_is_up_fails_with_that_and_cleans_up()
    {
        var result = await fixture.RunAsync(fixture.Request(fixture.Sound) with
        {
            Structure = false,
            Queries = [new DrillQuery("slow", "SELECT pg_sleep(600)")],
            Timeout = TimeSpan.FromSeconds(12),
        });

        Assert.Equal(DrillOutcome.Failed, result.Status);
        Assert.Equal(ErrorCode.DeadlineExceeded, result.FirstFailure!.Code);
    }

    [Fact]
    public async Task What_says_nothing_about_the_backup_is_an_error_and_no_verdict()
    {
        var drill = fixture.Drill();
        var request = fixture.Request(fixture.Sound);
        async Task RefusedAsync(ErrorCode code, BackupDrillRequest asked)
        {
            var refused = await Assert.ThrowsAsync<WalRusException>(() => drill.RunAsync(asked, Token));
            Assert.Equal(code, refused.Code);
            Assert.False(string.IsNullOrEmpty(refused.Hint));
            fixture.AssertNothingLeft();
        }

        await RefusedAsync(ErrorCode.BackupNotFound, request with { BackupName = "base_0000000100000000000000FF" });
        await RefusedAsync(ErrorCode.FileNotFound, request with { PostgresBin = fixture.Work });
        await RefusedAsync(ErrorCode.FileNotFound, request with { ParentFolder = Path.Combine(fixture.Work, "none") });
        await RefusedAsync(ErrorCode.InvalidArgument, request with { UserName = "nobody_of_the_cluster" });
        if (PostgresPrograms.RunsAsPostgres)
        {
            await RefusedAsync(ErrorCode.InvalidArgument, request with { AccountWhenRoot = "no-such-account" });
            using var closed = new TemporaryFolder();
            await RefusedAsync(ErrorCode.FileAccessDenied, request with { ParentFolder = closed.FullName });
        }
    }

    [Fact]
    public async Task A_backup_larger_than_the_disk_is_refused_before_anything_is_restored()
    {
        var archive = fixture.CopyArchive();
        foreach (var document in Directory.EnumerateFiles(archive, "*.json", SearchOption.AllDirectories).Where(path => !path.EndsWith("files_metadata.json", StringComparison.Ordinal)))
        {
            var text = await File.ReadAllTextAsync(document, Token);
            await File.WriteAllTextAsync(document, SizeInJson().Replace(text, "\"$1\":9000000000000000"), Token);
        }

        var plan = await fixture.Drill(archive).PlanAsync(fixture.Request(fixture.Sound), Token);
        var refused = await Assert.ThrowsAsync<WalRusException>(
            () => fixture.Drill(archive).RunAsync(fixture.Request(fixture.Sound), Token));

        Assert.False(plan.HasRoom);
        Assert.Equal(ErrorCode.DiskFull, refused.Code);
        fixture.AssertNothingLeft();
    }

    [GeneratedRegex("\"(uncompressed_?size)\":[0-9]+", RegexOptions.IgnoreCase)]
    private static partial Regex SizeInJson();

    private static DrillPhase Phase(BackupDrillResult result, DrillPhaseName name) =>
        result.Phases.Single(phase => phase.Name == name);

    /// <summary>Failed there first; what needs it was skipped with that reason; nothing was left.</summary>
    private static void AssertFailed(BackupDrillResult result, DrillPhaseName name)
    {
        Assert.Equal(DrillOutcome.Failed, result.Status);
        Assert.True(result.FirstFailure!.Name == name, result.FirstFailure.ToString());
        Assert.Equal($"{name} failed", Phase(result, DrillPhaseName.Checksum).Message);
        Assert.Equal(DrillOutcome.Skipped, Phase(result, DrillPhaseName.Checksum).Outcome);
    }

    private string Part(string archive) => Directory
        .EnumerateFiles(Path.Combine(archive, "basebackups_005", fixture.Sound, "tar_partitions"), "part_*")
        .Order(StringComparer.Ordinal).First();

    /// <summary>The second segment after the one the backup starts in: replay to the restore point needs it.</summary>
    private static string SegmentAfter(string archive, string backup) => Directory
        .EnumerateFiles(Path.Combine(archive, "wal_005"), "*.lz4")
        .Where(path => Path.GetFileName(path) is { Length: 28 } name && string.CompareOrdinal(name[..24], backup["base_".Length..]) > 0)
        .Order(StringComparer.Ordinal).First();

    private static void Flip(string path)
    {
        var bytes = File.ReadAllBytes(path);
        bytes[bytes.Length / 2] ^= 0x55;
        File.WriteAllBytes(path, bytes);
    }

    private static string[] Listing(string folder) =>
    [
        .. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
            .Select(path => $"{path} {new FileInfo(path).Length} {File.GetLastWriteTimeUtc(path):O}"),
    ];

    private static void OpenToAll(string folder)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(folder, File.GetUnixFileMode(folder) | UnixFileMode.OtherExecute | UnixFileMode.OtherRead);
        }
    }

    private sealed class OnReport(Action<TransferProgress> report) : IProgress<TransferProgress>
    {
        public void Report(TransferProgress value) => report(value);
    }
}
