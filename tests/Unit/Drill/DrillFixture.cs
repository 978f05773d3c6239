using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Compression;
using WalRus.Drill;
using WalRus.Storage.FileSystem;
using WalRus.Streaming;
using WalRus.Wal;

namespace WalRus.Tests.Drill;

/// <summary>
/// A real cluster and its archive, made once for a class: a sound backup with WAL up to a restore point and beyond, and a
/// second backup of the same cluster with a page whose checksum is wrong. Tests damage copies of the archive.
/// </summary>
public sealed class DrillFixture : IAsyncLifetime
{
    private readonly TemporaryFolder folder = new();
    private readonly NativeBufferPool buffers = new(32 << 20);

    internal PostgresCluster Cluster { get; private set; } = null!;

    /// <summary>The sound backup.</summary>
    public string Sound { get; private set; } = "";

    /// <summary>The backup with the damaged page.</summary>
    public string Damaged { get; private set; } = "";

    /// <summary>When the restore point "here" had just been made.</summary>
    public DateTimeOffset Moment { get; private set; }

    public string ArchiveFolder => folder["archive"];

    /// <summary>A folder that the server's account may pass through.</summary>
    public string Work => folder["work"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        foreach (var path in new[] { ArchiveFolder, Work })
        {
            Directory.CreateDirectory(path);
        }

        if (!OperatingSystem.IsWindows())
        {
            const UnixFileMode open = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
                | UnixFileMode.OtherExecute | UnixFileMode.GroupExecute;
            File.SetUnixFileMode(folder.FullName, open);
            File.SetUnixFileMode(Work, open);
        }

        // As hostile as a production server is: archiving, preloading, many connections, prepared transactions.
        Cluster = await PostgresCluster.StartAsync(new()
        {
            WalSegmentMegabytes = 1,
            Settings = new Dictionary<string, string>
            {
                ["max_connections"] = "180", ["max_prepared_transactions"] = "7", ["max_wal_senders"] = "9",
                ["shared_preload_libraries"] = "auto_explain", ["synchronous_standby_names"] = "", ["max_wal_size"] = "32MB", ["min_wal_size"] = "2MB",
            },
        });
        var tablespace = await Cluster.CreateFolderAsync("ts");
        await Cluster.ExecuteAsync($"CREATE TABLESPACE ts LOCATION '{tablespace}'");
        await Cluster.ExecuteAsync("CREATE DATABASE shop");
        await Cluster.ExecuteAsync("ALTER SYSTEM SET primary_conninfo = 'host=/nowhere user=postgres'");
        await Cluster.ExecuteAsync(
            """
            CREATE TABLE orders AS SELECT n AS id, md5(n::text) AS note FROM generate_series(1, 3000) AS n;
            ALTER TABLE orders ADD PRIMARY KEY (id);
            CREATE TABLE elsewhere TABLESPACE ts AS SELECT n AS id FROM generate_series(1, 1000) AS n;
            CREATE TABLE victim AS SELECT n AS id, repeat('v', 100) AS filler FROM generate_series(1, 2000) AS n;
            """,
            "shop");
        Sound = await BackUpAsync();
        await Cluster.ExecuteAsync("BEGIN; INSERT INTO orders SELECT 4000; PREPARE TRANSACTION 'open'", "shop");
        await Cluster.ExecuteAsync("INSERT INTO orders SELECT 5000; DELETE FROM elsewhere WHERE id > 900", "shop");
        await Cluster.ExecuteAsync("SELECT pg_create_restore_point('here')");
        Moment = await Cluster.ScalarAsync<DateTime>("SELECT clock_timestamp()");
        await Cluster.ExecuteAsync("COMMIT PREPARED 'open'", "shop");
        await Cluster.ExecuteAsync("DROP TABLE elsewhere", "shop");
        await Cluster.SwitchWalAsync();
        await DamageAPageAsync();
        Damaged = await BackUpAsync();
        await Cluster.SwitchWalAsync();
        await PushWalAsync();
    }

    /// <summary>A copy of the archive to damage, removed with the fixture.</summary>
    public string CopyArchive()
    {
        var copy = folder[Path.GetRandomFileName()];
        foreach (var file in Directory.EnumerateFiles(ArchiveFolder, "*", SearchOption.AllDirectories))
        {
            var target = Path.Combine(copy, Path.GetRelativePath(ArchiveFolder, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
            File.SetLastWriteTimeUtc(target, File.GetLastWriteTimeUtc(file));
        }

        return copy;
    }

    internal BackupDrill Drill(string? archiveFolder = null, IEventLog? log = null) => new(
        ArchiveIn(archiveFolder ?? ArchiveFolder),
        new BackupFetchOptions { DownloadConcurrency = 2, FileRetries = 0 },
        new WalFetchOptions(),
        buffers,
        log ?? NullEventLog.Instance);

    internal BackupDrillRequest Request(string backup) => new()
    {
        BackupName = backup,
        ParentFolder = Work,
        PostgresBin = Cluster.Programs.BinFolder,
        SharedBuffersBytes = 16 << 20,
        Timeout = TimeSpan.FromMinutes(3),
    };

    /// <summary>Runs a drill and holds that it leaves no folder and no process.</summary>
    internal async Task<BackupDrillResult> RunAsync(BackupDrillRequest request, string? archiveFolder = null)
    {
        var result = await Drill(archiveFolder).RunAsync(request, Token);
        if (result.KeptFolder is null)
        {
            AssertNothingLeft();
        }

        return result;
    }

    public void AssertNothingLeft()
    {
        Assert.Empty(Directory.EnumerateFileSystemEntries(Work));
        Assert.Empty(ProcessesIn(Work));
        Assert.Equal(0, buffers.RentedBytes);
    }

    /// <summary>Living processes that have a path in their arguments.</summary>
    public static string[] ProcessesIn(string path) => !Directory.Exists("/proc") ? [] :
    [
        .. Directory.EnumerateDirectories("/proc").Select(process =>
        {
            try
            {
                return char.IsAsciiDigit(Path.GetFileName(process)[0]) ? File.ReadAllText(Path.Combine(process, "cmdline")).Replace('\0', ' ') : "";
            }
            catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
            {
                return "";
            }
        }).Where(command => command.Contains(path, StringComparison.Ordinal)),
    ];

    public async ValueTask DisposeAsync()
    {
        if (Cluster is not null)
        {
            await Cluster.DisposeAsync();
        }

        buffers.Dispose();
        folder.Dispose();
    }

    private static Archive ArchiveIn(string path) => new(
        new FileSystemObjectStore(path), Codecs.Create("lz4"), Codecs.ReadOrder, Crypter: null);

    private async Task<string> BackUpAsync()
    {
        var push = new BackupPush(
            ArchiveIn(ArchiveFolder),
            Cluster.Settings(),
            new BackupPushOptions { TarSizeThresholdBytes = 4 << 20, StopBackupTimeout = TimeSpan.FromSeconds(60) },
            NullEventLog.Instance);
        var made = await push.RunAsync(new BackupPushRequest { DataDirectory = Cluster.DataDirectory }, Token);
        return made.Backup.Name.ToString();
    }

    /// <summary>Flips one byte in the middle of a page of "victim", behind the stopped server's back.</summary>
    private async Task DamageAPageAsync()
    {
        var path = await Cluster.ScalarAsync<string>("SELECT pg_relation_filepath('victim')", "shop");
        await Cluster.StopAsync();
        using (var file = File.Open(Path.Combine(Cluster.DataDirectory, path), FileMode.Open))
        {
            file.Position = (3 * 8192) + 5000;
            var old = file.ReadByte();
            file.Position--;
            file.WriteByte((byte)(old ^ 0x10));
        }

        await Cluster.StartAsync();
    }

    private async Task PushWalAsync()
    {
        var push = new WalPush(ArchiveIn(ArchiveFolder), new WalPushOptions(), buffers, NullEventLog.Instance);
        foreach (var file in Directory.EnumerateFiles(Cluster.ArchiveFolder).Where(file => !file.EndsWith(".part", StringComparison.Ordinal)))
        {
            await push.RunAsync(new WalPushRequest { Path = file }, Token);
        }
    }
}
