using WalRus.Backup;

namespace WalRus.Tests.Backup;

/// <summary>What a backup takes of the process; measured when nothing else runs in it.</summary>
[Collection(AloneCollection.Name)]
public sealed class BackupPushMemoryTests : IDisposable
{
    private readonly BackupPushFixture fixture = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => fixture.Dispose();

    [Fact]
    public async Task Ten_thousand_small_files_need_no_more_memory_than_a_few()
    {
        const int Count = 10_000;
        await using var own = await PostgresCluster.StartAsync();
        var many = Path.Combine(own.DataDirectory, "base", "many");
        Directory.CreateDirectory(many);
        for (var i = 0; i < Count; i++)
        {
            await File.WriteAllBytesAsync(Path.Combine(many, $"{i}"), [1, 2, 3], Token);
        }

        await own.TakeOwnershipAsync(many);
        fixture.Options = fixture.Options with { DiskConcurrency = 2, TarSizeThresholdBytes = 16 << 20 };
        long most = 0;
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var allocated = GC.GetTotalAllocatedBytes();
        var seen = 0;
        var result = await fixture.PushAsync(own, (path, size) =>
        {
            if (Interlocked.Increment(ref seen) % 2500 == 0)
            {
                most = Math.Max(most, GC.GetTotalMemory(forceFullCollection: true) - before);
            }

            return DataFile.TryOpen(path, size);
        });
        Assert.InRange(result.FileCount, Count, Count + 3000);
        Assert.True(most < 2 << 20, $"{most} bytes of live objects while copying");
        var each = (GC.GetTotalAllocatedBytes() - allocated) / result.FileCount;
        Assert.True(each < 2048, $"{each} bytes allocated for each file");
    }
}
