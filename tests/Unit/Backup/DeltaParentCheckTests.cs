using System.Text;
using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Postgres;
using WalRus.Streaming;
using WalRus.Tests.Contracts;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

public sealed class DeltaParentCheckTests : IDisposable
{
    private readonly BackupPushFixture fixture = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => fixture.Dispose();

    [Theory]
    [InlineData(1, 3, "2\t9/1\ty", "not in the past")]
    [InlineData(1, 2, "1\t0/200\tx", "left timeline 1 at 0/200")]
    [InlineData(1, 2, "1\t9/0\tx", null)]
    [InlineData(1, 2, null, "neither on the server nor in the archive")]
    [InlineData(2, 1, "", "not in the past")]
    [InlineData(1, 3, "1\t9/0\tx\n2\t9/1\ty", null)]
    public async Task A_parent_is_used_only_on_the_way_to_the_servers_timeline(
        uint parentTimeline, uint timeline, string? history, string? obstacle)
    {
        var parent = new BackupDetail
        {
            Modified = DateTimeOffset.UnixEpoch,
            StorageName = "default",
            Name = BackupName.Full(WalFileName.FromLsn(new TimelineId(parentTimeline), new Lsn(0x100), WalSegmentSize.Default)),
            FinishLsn = new Lsn(0x300),
        };
        var start = new BackupSourceStart(
            new Lsn(0xA00000000),
            WalFileName.FromLsn(new TimelineId(timeline), new Lsn(0xA00000000), WalSegmentSize.Default),
            parent.PgVersion, parent.SystemIdentifier, "/nowhere", null)
        {
            Timelines = history is null ? null
                : history.Length == 0 ? TimelineHistory.WithoutPast(new TimelineId(timeline))
                : TimelineHistory.Parse(new TimelineId(timeline), Encoding.UTF8.GetBytes(history)),
        };
        using var buffers = new NativeBufferPool(1 << 20);
        var check = new DeltaParentCheck(fixture.Archive, buffers);
        var plan = new BackupPushPlan(parent, 1, "", false) { Chain = [parent] };
        var found = await check.FindObstacleAsync(plan, start, Token);
        if (obstacle is null)
        {
            Assert.Null(found);
            return;
        }

        Assert.Contains(obstacle, found, StringComparison.Ordinal);
        await check.FindObstacleAsync(plan with { IsParentNamed = true }, start, Token).FailsAsync(ErrorCode.BackupParentUnusable);
    }
}
