namespace WalRus.Tests.EndToEnd;

/// <summary>What only an AOT program can get wrong: several lanes make the first call into a codec's library at once.</summary>
public sealed class FirstCallTests
{
    [Fact]
    public async Task Lanes_that_begin_at_once_all_find_the_codecs_library()
    {
        var settings = new Dictionary<string, string>
        {
            ["WALG_TAR_SIZE_THRESHOLD"] = "2000000",
            ["WALG_DOWNLOAD_CONCURRENCY"] = "4",
            ["WALG_TAR_DISABLE_FSYNC"] = "true",
        };
        await using var archived = await ArchivedCluster.StartAsync(15, more: settings);
        await archived.WalRusAsync("backup-push", archived.Cluster.DataDirectory);
        using var folder = new TemporaryFolder();
        await ArchivedCluster.GiveToServerAsync(folder.FullName);
        for (var i = 0; i < 12; i++)
        {
            await archived.WalRusAsync("backup-fetch", folder[$"data{i}"], "LATEST");
            Directory.Delete(folder[$"data{i}"], recursive: true);
        }
    }
}
