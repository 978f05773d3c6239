using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Compression;
using WalRus.Drill;
using WalRus.Storage.FileSystem;
using WalRus.Streaming;
using WalRus.Wal;

namespace WalRus.Tests.Drill;

/// <summary>
/// The settings that keep a drill's server apart differ by version. By default the oldest and the newest are tried (the
/// others by WALRUS_TEST_MAJORS); 15 is what the other tests run on.
/// </summary>
public sealed class DrillMajorTests
{
    public static TheoryData<int> Majors { get; } =
        new((Environment.GetEnvironmentVariable("WALRUS_TEST_MAJORS") ?? "13 18").Split(' ').Select(int.Parse));

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Majors))]
    public async Task A_backup_is_drilled_to_the_end_of_the_archive(int major)
    {
        await using var cluster = await PostgresCluster.StartAsync(new() { Major = major, WalSegmentMegabytes = 1 });
        using var folder = new TemporaryFolder();
        using var buffers = new NativeBufferPool(32 << 20);
        Directory.CreateDirectory(folder["archive"]);
        await cluster.TakeOwnershipAsync(folder.FullName);
        var archive = new Archive(new FileSystemObjectStore(folder["archive"]), Codecs.Create("lz4"), Codecs.ReadOrder, Crypter: null);
        await new BackupPush(archive, cluster.Settings(), new BackupPushOptions(), NullEventLog.Instance)
            .RunAsync(new BackupPushRequest { DataDirectory = cluster.DataDirectory }, Token);
        await cluster.ExecuteAsync("CREATE TABLE later AS SELECT generate_series(1, 77) AS n");
        await cluster.SwitchWalAsync();
        var push = new WalPush(archive, new WalPushOptions(), buffers, NullEventLog.Instance);
        foreach (var file in Directory.EnumerateFiles(cluster.ArchiveFolder))
        {
            await push.RunAsync(new WalPushRequest { Path = file }, Token);
        }

        var result = await new BackupDrill(archive, new BackupFetchOptions(), new WalFetchOptions(), buffers, NullEventLog.Instance).RunAsync(
            new BackupDrillRequest
            {
                BackupName = BackupCatalog.Latest,
                Target = new RecoveryTarget(),
                ParentFolder = folder.FullName,
                PostgresBin = cluster.Programs.BinFolder,
                CountRows = true,
                Timeout = TimeSpan.FromMinutes(3),
            },
            Token);

        Assert.True(result.Status == DrillOutcome.Passed, string.Join('\n', result.Phases));
        Assert.Equal(77, result.RowCounts["postgres.public.later"]);
        Assert.StartsWith($"{major}", result.ServerVersion, StringComparison.Ordinal);
        Assert.Equal(major >= 14, !result.Phases.Single(phase => phase.Name == DrillPhaseName.Structure)
            .Message.Contains("knows no tables", StringComparison.Ordinal));
    }
}
