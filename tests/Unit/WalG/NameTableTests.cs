using WalRus.WalG;

namespace WalRus.Tests.WalG;

public sealed class NameTableTests
{
    [Fact]
    public void Numbers_are_found_by_any_number_of_names_from_several_lanes()
    {
        using var folder = new TemporaryFolder();
        using var table = NameTable.Create(folder.FullName);
        Parallel.For(0, 30_000, number => table.Set($"base/5/{number}", (uint)number));
        Parallel.For(0, 30_000, number =>
        {
            if (number % 3 == 0)
            {
                table.Set($"base/5/{number}", (uint)number + 7);
            }
        });
        Assert.Equal(30_000, table.Count);
        Parallel.For(0, 30_000, number => Assert.Equal((uint)(number + (number % 3 == 0 ? 7 : 0)), table.Find($"base/5/{number}")));
        Assert.Null(table.Find("base/5/30000"));
        Assert.Null(table.Find(""));
        table.Set("", 5);
        Assert.Equal(5u, table.Find(""));
    }

    [Fact]
    public void Names_stay_apart_however_alike_they_are()
    {
        using var folder = new TemporaryFolder();
        using var table = NameTable.Create(folder.FullName);
        string[] names = ["a", "aa", "aaa", "aaaa", "aaaaa", "\0", "\0\0", "a\0", "\0a", "base/1/1", "base/11", "Base/1/1", "ä", "base/1/1\0\0\0\0"];
        for (var index = 0; index < names.Length; index++)
        {
            table.Set(names[index], (uint)index);
        }

        Assert.Equal(Enumerable.Range(0, names.Length).Select(index => (uint?)index), names.Select(name => table.Find(name)));
    }

    [Fact]
    public void A_table_leaves_nothing_in_its_folder()
    {
        using var folder = new TemporaryFolder();
        using (var table = NameTable.Create(folder.FullName))
        {
            table.Set("x", 1);
        }

        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.FullName));
        Assert.Equal(ErrorCode.FileNotFound, Assert.Throws<WalRusException>(() => NameTable.Create(folder["missing"])).Code);
    }
}
