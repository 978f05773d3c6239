using System.Globalization;
using WalRus.Backup;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

public sealed class ParentFilesTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(8192)]
    [InlineData(8193)]
    [InlineData(200_000)]
    public async Task Every_file_is_found_with_its_time_and_no_other(int count)
    {
        using var files = await ParentFiles.ReadAsync(Many(count), folder.FullName, Token);
        Assert.Equal(count, files.Count);
        for (var index = 0; index < count; index += 1 + (count / 5000))
        {
            Assert.True(files.TryFind(Name(index), out var seconds, out var nanoseconds));
            Assert.Equal((1_700_000_000L + index, index % 1_000_000_000), (seconds, nanoseconds));
            Assert.False(files.TryFind(Name(index + count), out _, out _));
        }

        Assert.Equal(count > 0, files.HasRootedNames);
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.FullName));
    }

    [Fact]
    public async Task Names_of_other_tools_are_told_by_their_beginning()
    {
        static async IAsyncEnumerable<FilesMetadataEntry> One()
        {
            await Task.Yield();
            yield return new FilesMetadataEntry { Name = "base/1/1259" };
        }

        using var files = await ParentFiles.ReadAsync(One(), folder.FullName, Token);
        Assert.False(files.HasRootedNames);
        Assert.False(files.TryFind("/base/1/1259", out _, out _));
        Assert.True(files.TryFind("base/1/1259", out _, out _));
    }

    [Fact]
    public async Task A_list_that_breaks_off_leaves_nothing_behind()
    {
        static async IAsyncEnumerable<FilesMetadataEntry> Broken()
        {
            await foreach (var file in Many(100))
            {
                yield return file;
            }

            throw new WalRusException(ErrorCode.BackupUnreadable, "broken");
        }

        await Assert.ThrowsAsync<WalRusException>(() => ParentFiles.ReadAsync(Broken(), folder.FullName, Token));
        Assert.Empty(Directory.EnumerateFileSystemEntries(folder.FullName));
    }

    private static string Name(int index) => string.Create(CultureInfo.InvariantCulture, $"/base/{index % 7}/{index}");

    private static async IAsyncEnumerable<FilesMetadataEntry> Many(int count)
    {
        await Task.Yield();
        for (var index = 0; index < count; index++)
        {
            yield return new FilesMetadataEntry
            {
                Name = Name(index), ModifiedTime = WalGTime.FromUnix(1_700_000_000 + index, index % 1_000_000_000),
            };
        }
    }
}
