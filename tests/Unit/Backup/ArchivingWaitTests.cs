using WalRus.Backup;
using WalRus.Postgres;
using WalRus.Tests.Contracts;

namespace WalRus.Tests.Backup;

/// <summary>When a primary has archived a backup's WAL, told by the files that PostgreSQL keeps about it.</summary>
public sealed class ArchivingWaitTests : IDisposable
{
    private const string Segment = "000000020000000100000003";
    private const string History = "000000020000000100000002.00000028.backup";

    private readonly TemporaryFolder folder = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => folder.Dispose();

    [Fact]
    public void The_segment_of_the_last_byte_and_the_file_that_tells_the_start_are_needed()
    {
        var start = new BackupModeStart(new Lsn(0x1_0200_0028), WalFileName.Parse("000000020000000100000002"), IsInRecovery: false);
        Assert.Equal([Segment, History], ArchivingWait.NeededFiles(start, new Lsn(0x1_0400_0000), WalSegmentSize.FromBytes(16 << 20)));
    }

    [Theory]
    [InlineData(true, ".ready", false)]
    [InlineData(true, ".done", true)]
    [InlineData(true, "", false)] // finished a moment ago: the server has not marked it yet
    [InlineData(false, "", true)] // archived and removed, its mark too
    public async Task A_file_is_archived_when_it_is_marked_so_or_gone(bool isThere, string mark, bool isArchived)
    {
        var wait = Open();
        if (isThere)
        {
            File.WriteAllText(folder["pg_wal", Segment], "");
        }

        if (mark.Length > 0)
        {
            File.WriteAllText(folder["pg_wal", "archive_status", Segment + mark], "");
        }

        var waiting = wait.RunAsync([Segment], TimeSpan.FromMilliseconds(100), _ => Task.CompletedTask, new(new RecordingLog()), Token);
        if (isArchived)
        {
            await waiting;
        }
        else
        {
            await waiting.FailsAsync(ErrorCode.DeadlineExceeded);
        }
    }

    [Fact]
    public async Task A_server_that_is_lost_ends_a_wait_without_limit()
    {
        var wait = Open();
        File.WriteAllText(folder["pg_wal", "archive_status", Segment + ".ready"], "");
        var waiting = wait.RunAsync(
            [Segment], null, _ => throw new WalRusException(ErrorCode.PostgresConnectionLost, "gone"), new(new RecordingLog()), Token);
        await waiting.FailsAsync(ErrorCode.PostgresConnectionLost);
    }

    [Fact]
    public void Where_the_folders_cannot_be_read_there_is_no_such_wait() => Assert.Null(ArchivingWait.TryOpen(folder.FullName));

    private ArchivingWait Open()
    {
        Directory.CreateDirectory(folder["pg_wal", "archive_status"]);
        return ArchivingWait.TryOpen(folder.FullName)!;
    }
}
