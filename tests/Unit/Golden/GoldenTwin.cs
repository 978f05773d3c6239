using System.Runtime.InteropServices;
using System.Text.Json;
using WalRus.Backup;
using WalRus.Configuration;
using WalRus.WalG;

namespace WalRus.Tests.Golden;

/// <summary>
/// The cluster that wal-g backed up, at the very moment it did, and WalRus's backup of it on top of wal-g's own parent. The
/// golden backup is restored with all file times to the nanosecond, and a standby replays exactly to its end: its last
/// restartpoint is that backup's checkpoint, so ours begins there too.
/// </summary>
internal sealed partial class GoldenTwin(StoredBackup theirs, StoredBackup ours, PostgresCluster cluster) : IAsyncDisposable
{
    public StoredBackup Theirs => theirs;

    public StoredBackup Ours => ours;

    public PostgresCluster Cluster => cluster;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static async Task<GoldenTwin> MakeAsync(string archiveName, string backup, bool isRemote)
    {
        var archive = GoldenArchive.Open(archiveName);
        var golden = GoldenDescription.Read(archive);
        var environment = new Dictionary<string, string>();
        var settings = new Dictionary<string, string> { ["recovery_target"] = "immediate", ["recovery_target_action"] = "pause" };
        var cluster = await PostgresCluster.OverExistingAsync(new PostgresClusterOptions
        {
            Major = golden.Postgres,
            Archiving = false,
            Settings = settings,
            Environment = environment,
        });
        try
        {
            await GoldenPlace.UnpackAsync(archive, golden, cluster.WorkFolder, environment);
            settings["restore_command"] = GoldenPlace.RestoreCommandFor(cluster.WorkFolder);
            await using var engine = GoldenPlace.OpenEngine(environment);
            var theirs = await StoredBackup.ReadAsync(engine.Archive, BackupName.Parse(backup));
            await OpenAsync(cluster, engine, theirs, backup);
            Forget(golden, backup, environment["WALG_FILE_PREFIX"]);
            var name = await PushAsync(cluster, engine, theirs, isRemote);
            Assert.Equal(backup, name.ToString());
            return new GoldenTwin(theirs, await StoredBackup.ReadAsync(engine.Archive, name), cluster);
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    public ValueTask DisposeAsync() => cluster.DisposeAsync();

    private static async Task OpenAsync(PostgresCluster cluster, WalRusEngine engine, StoredBackup theirs, string backup)
    {
        var request = new BackupFetchRequest
        {
            Name = BackupName.Parse(backup),
            Destination = cluster.DataDirectory,
            Tablespaces = await GoldenPlace.MappingAsync(engine, backup, cluster.WorkFolder),
        };
        await engine.CreateBackupFetch().RunAsync(request, Token);

        // Targets of a recovery before the backup would count too.
        await File.WriteAllTextAsync(Path.Combine(cluster.DataDirectory, "postgresql.auto.conf"), "", Token);
        await File.WriteAllTextAsync(Path.Combine(cluster.DataDirectory, "standby.signal"), "", Token);
        cluster.WriteSettings();
        foreach (var file in theirs.Files.GetProperty("Files").EnumerateObject())
        {
            var path = Path.Combine(cluster.DataDirectory, file.Name.TrimStart('/'));
            Assert.True(WalGTime.TryParse(file.Value.GetProperty("MTime").GetString(), out var time), file.Name);
            long[] both = [time.UnixSeconds, time.Nanoseconds, time.UnixSeconds, time.Nanoseconds];
            Assert.True(SetTimes(CurrentFolder, path, both, 0) == 0, path);
        }

        await cluster.TakeOwnershipAsync();
        await cluster.StartAsync();
    }

    /// <summary>The archive as it was before the backup.</summary>
    private static void Forget(GoldenDescription golden, string backup, string archiveFolder)
    {
        foreach (var later in golden.Backups.SkipWhile(other => other.Name != backup))
        {
            var folder = Path.Combine(archiveFolder, "basebackups_005", later.Name);
            Directory.Delete(folder, recursive: true);
            File.Delete($"{folder}_backup_stop_sentinel.json");
        }
    }

    private static async Task<BackupName> PushAsync(PostgresCluster cluster, WalRusEngine engine, StoredBackup theirs, bool isRemote)
    {
        var isDelta = theirs.Sentinel.TryGetProperty("DeltaFrom", out _);
        var options = new BackupPushOptions { Delta = new BackupDeltaOptions { MaxSteps = isDelta ? 9 : 0 } };
        var result = await new BackupPush(engine.Archive, cluster.Settings(), options, NullEventLog.Instance).RunAsync(
            new BackupPushRequest
            {
                DataDirectory = isRemote ? null : cluster.DataDirectory,
                Permanent = theirs.Sentinel.GetProperty("IsPermanent").GetBoolean(),
                UserData = theirs.Sentinel.TryGetProperty("UserData", out var data) ? data : null,
            },
            Token);
        return result.Backup.Name;
    }

    private const int CurrentFolder = -100; // AT_FDCWD

    /// <summary>.NET sets times to 100 ns only.</summary>
    [LibraryImport("libc", EntryPoint = "utimensat", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetTimes(int folder, string path, long[] secondsAndNanoseconds, int flags);
}
