namespace WalRus.Tests;

public sealed class PostgresClusterTests
{
    [Theory]
    [InlineData(13)]
    [InlineData(14)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(18)]
    public async Task A_cluster_of_each_major_starts_archives_and_leaves_nothing(int major)
    {
        string folder;
        await using (var cluster = await PostgresCluster.StartAsync(new() { Major = major, WalSegmentMegabytes = 1 }))
        {
            folder = cluster.WorkFolder;
            Assert.Equal("1MB", await cluster.ScalarAsync<string>("SHOW wal_segment_size"));
            var segment = await cluster.SwitchWalAsync();
            Assert.True(File.Exists(Path.Combine(cluster.ArchiveFolder, segment)));
            await cluster.KillAsync();
            await cluster.StartAsync();
            Assert.Equal($"{major}", (await cluster.ScalarAsync<string>("SHOW server_version")).Split('.', ' ')[0]);
        }

        Assert.False(Directory.Exists(folder));
    }

    [Fact]
    public async Task A_standby_follows_its_primary()
    {
        await using var primary = await PostgresCluster.StartAsync();
        await using var standby = await primary.CreateStandbyAsync();
        await primary.ExecuteAsync("CREATE TABLE followed AS SELECT 1 AS n");
        await PostgresCluster.UntilAsync(
            () => standby.ScalarAsync<bool>("SELECT to_regclass('followed') IS NOT NULL AND pg_is_in_recovery()"));
    }
}
