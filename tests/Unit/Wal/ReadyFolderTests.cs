using WalRus.Wal;

namespace WalRus.Tests.Wal;

public sealed class ReadyFolderTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public ReadyFolderTests() => Directory.CreateDirectory(folder["archive_status"]);

    public void Dispose() => folder.Dispose();

    private ReadyFolder Ready => new(folder.FullName);

    [Fact]
    public void The_first_names_are_those_PostgreSQL_asks_for_first()
    {
        MarkReady("00000002000000000000000A", "00000003.history", "000000010000000000000009", "00000002.history",
            "000000010000000000000009.00000028.backup", "00000001000000000000000A.partial");
        File.WriteAllText(folder["archive_status", "000000010000000000000001.done"], "");

        Assert.Equal(
            ["00000002.history", "00000003.history", "000000010000000000000009", "000000010000000000000009.00000028.backup"],
            Ready.First(4, _ => true));
        Assert.Equal(6, Ready.First(100, _ => true).Count);
    }

    [Fact]
    public void Unwanted_names_take_no_place()
    {
        MarkReady("a", "b", "c", "d");
        Assert.Equal(["b", "d"], Ready.First(2, name => name is "b" or "d"));
    }

    [Fact]
    public void A_hundred_thousand_names_are_read_without_being_held()
    {
        const int count = 100_000;
        for (var i = 0; i < count; i++)
        {
            using var _ = File.OpenHandle(folder["archive_status", $"{i:X24}.ready"], FileMode.CreateNew, FileAccess.Write);
        }

        Ready.First(64, _ => true);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var first = Ready.First(64, _ => true);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.Equal(Enumerable.Range(0, 64).Select(i => $"{i:X24}"), first);
        Assert.Equal(count, Ready.Count(1_000_000));
        Assert.Equal(500, Ready.Count(500));
        Assert.InRange(allocated, 1, 1 << 20);
    }

    [Fact]
    public void A_done_name_is_not_ready_any_more_and_marking_it_again_does_nothing()
    {
        MarkReady("000000010000000000000001");
        Ready.MarkDone("000000010000000000000001");
        Ready.MarkDone("000000010000000000000001");
        Assert.False(Ready.IsReady("000000010000000000000001"));
        Assert.True(File.Exists(folder["archive_status", "000000010000000000000001.done"]));
    }

    private void MarkReady(params string[] names) =>
        Array.ForEach(names, name => File.WriteAllText(folder["archive_status", name + ".ready"], ""));
}
