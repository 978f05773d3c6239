using WalRus.Drill;

namespace WalRus.Tests.Drill;

public sealed class DrillHistoryTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Path => folder["made", "history.jsonl"];

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task What_was_appended_is_read_again()
    {
        var failed = Entry(1) with
        {
            Status = DrillOutcome.Failed, FailedPhase = "Restore", Message = "a \"line\"\nand <another>", SystemIdentifier = ulong.MaxValue,
        };
        var history = new DrillHistory(Path);
        await history.AppendAsync(failed, Token);
        await history.AppendAsync(Entry(2), Token);

        Assert.Equal([failed, Entry(2)], history.Read());
        Assert.Equal(2, File.ReadAllLines(Path).Length);
    }

    [Fact]
    public void A_history_that_is_not_there_is_empty() => Assert.Empty(new DrillHistory(folder["none"]).Read());

    [Fact]
    public async Task The_file_keeps_the_newest_thousand()
    {
        var history = new DrillHistory(Path);
        await history.AppendAsync(Entry(0), Token);
        var line = File.ReadAllText(Path);
        File.WriteAllText(Path, string.Concat(Enumerable.Repeat(line, 1500)));
        await history.AppendAsync(Entry(9), Token);

        Assert.Equal(DrillHistory.MaxEntries, File.ReadAllLines(Path).Length);
        Assert.Equal(Entry(9), history.Read()[^1]);
    }

    [Fact]
    public async Task Drills_that_end_at_the_same_time_all_stay()
    {
        await Parallel.ForEachAsync(
            Enumerable.Range(0, 20),
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Token },
            async (number, token) => await new DrillHistory(Path).AppendAsync(Entry(number), token));

        Assert.Equal(20, new DrillHistory(Path).Read().Count);
    }

    [Fact]
    public async Task Damaged_lines_are_passed_over()
    {
        await new DrillHistory(Path).AppendAsync(Entry(1), Token);
        var whole = await File.ReadAllBytesAsync(Path, Token);
        Damage.TruncateAndFlipEveryByte(
            whole,
            bytes =>
            {
                File.WriteAllBytes(Path, bytes);
                Assert.True(new DrillHistory(Path).Read().Count <= 2);
            },
            0x20);
    }

    private static DrillHistoryEntry Entry(int number) => new()
    {
        StartTime = new DateTimeOffset(2026, 5, 1, 10, 0, 0, TimeSpan.FromHours(2)).AddMinutes(number),
        BackupName = "base_000000010000000000000004",
        BackupFinishTime = new DateTimeOffset(2026, 5, 1, 9, 0, 0, TimeSpan.Zero),
        SystemIdentifier = 7711106129725046725,
        Status = DrillOutcome.Passed,
        Target = "consistency",
        ServerVersion = "15.14",
        Duration = TimeSpan.FromSeconds(12.5),
        RestoreDuration = TimeSpan.FromSeconds(8),
        RecoverDuration = TimeSpan.FromSeconds(2.25),
        RestoredBytes = 123456789012,
        WalBytes = 16 << 20,
    };
}
