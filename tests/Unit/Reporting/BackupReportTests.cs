using WalRus.Backup;
using WalRus.Drill;
using WalRus.Reporting;
using WalRus.Tests.Backup;
using WalRus.Tests.Contracts;

namespace WalRus.Tests.Reporting;

/// <summary>A report of an archive in a store: what is read, and how the page is written.</summary>
public sealed class BackupReportTests : IDisposable
{
    private readonly WrittenArchive archive = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Page => archive.Folder["report.html"];

    public void Dispose() => archive.Dispose();

    [Fact]
    public async Task Backups_WAL_and_drills_of_the_archive_are_on_the_page()
    {
        var (first, second) = await archive.TwoBackupsAsync();
        var result = await RunAsync(Request() with { Drills = [Drill(first, null), Drill("base_00000001000000000000000A", 5)] });

        var page = await File.ReadAllTextAsync(Page, Token);
        Assert.Equal((2, Page), (result.BackupCount, result.Path));
        Assert.Contains(first, page, StringComparison.Ordinal);
        Assert.Contains(second, page, StringComparison.Ordinal);
        Assert.Contains("1 of 1 drill passed", page, StringComparison.Ordinal);
        Assert.Contains("No WAL is missing", page, StringComparison.Ordinal);
        Assert.Contains("safe up to 2026-05-06 13:20", page, StringComparison.Ordinal);
        Assert.Equal(ReportGrade.Attention, result.Grade);
    }

    [Fact]
    public async Task A_gap_and_an_unreadable_backup_make_the_grade_bad()
    {
        await archive.TwoBackupsAsync();
        File.Delete(Directory.EnumerateFiles(archive.Folder["archive", "wal_005"]).Order(StringComparer.Ordinal).Skip(3).First());
        await archive.Store.PutAsync("basebackups_005/base_00000001000000000000000F_backup_stop_sentinel.json", "{"u8.ToArray());
        var result = await RunAsync(Request());

        Assert.Equal(ReportGrade.Bad, result.Grade);
        Assert.Contains(result.Findings, finding => finding.Text.Contains("lacks 1 WAL segment in 1 gap", StringComparison.Ordinal));
        Assert.Contains(result.Findings, finding => finding.Text.StartsWith("1 backup cannot be read", StringComparison.Ordinal));
        Assert.Contains("class=\"gap\"", await File.ReadAllTextAsync(Page, Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_empty_archive_has_a_page_too()
    {
        var result = await RunAsync(Request());

        Assert.Equal((0, ReportGrade.Bad), (result.BackupCount, result.Grade));
        Assert.True(File.Exists(Page));
    }

    [Fact]
    public async Task A_page_that_cannot_be_written_leaves_the_old_one_and_nothing_else()
    {
        await File.WriteAllTextAsync(Page, "old", Token);
        var refused = await Assert.ThrowsAsync<WalRusException>(
            () => RunAsync(Request() with { Path = archive.Folder["none", "report.html"] }));
        Assert.Equal(ErrorCode.FileNotFound, refused.Code);

        using var stop = new CancellationTokenSource();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => RunAsync(Request(), stop.Token));
        Assert.Equal("old", await File.ReadAllTextAsync(Page, Token));
        Assert.Equal(["archive", "report.html"], Directory.EnumerateFileSystemEntries(archive.Folder.FullName).Select(Path.GetFileName).Order());
    }

    private BackupReportRequest Request() => new() { Path = Page, Location = "a folder", TimeZone = TimeZoneInfo.Utc };

    private Task<BackupReportResult> RunAsync(BackupReportRequest request, CancellationToken? token = null) =>
        new BackupReport(archive.Archive, new BackupFetchOptions(), NullEventLog.Instance).RunAsync(request, token ?? Token);

    private static DrillHistoryEntry Drill(string backup, ulong? cluster) => new()
    {
        StartTime = DateTimeOffset.UtcNow, BackupName = backup, SystemIdentifier = cluster, Status = DrillOutcome.Passed,
    };
}
