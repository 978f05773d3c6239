using System.Diagnostics;
using System.Text;
using System.Text.Json;
using WalRus.Archiving;
using WalRus.Backup;
using WalRus.Compression;
using WalRus.Storage;
using WalRus.Storage.FileSystem;
using WalRus.Tests.Contracts;
using WalRus.WalG;

namespace WalRus.Tests.Backup;

/// <summary>An archive in a folder that backups of a real server go to, and ways to look into them.</summary>
internal sealed class BackupPushFixture : IDisposable
{
    public BackupPushFixture()
    {
        Directory.CreateDirectory(Folder["archive"]);
        Store = new FileSystemObjectStore(Folder["archive"]);
    }

    public TemporaryFolder Folder { get; } = new();

    public IObjectStore Store { get; set; }

    public Codec Codec { get; set; } = new NoneCodec();

    public BackupPushOptions Options { get; set; } = new() { StopBackupTimeout = TimeSpan.FromSeconds(60) };

    public RecordingLog Log { get; } = new();

    public Archive Archive => new(Store, Codec, Codecs.ReadOrder, null);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static BackupPushRequest RequestFor(PostgresCluster cluster) => new() { DataDirectory = cluster.DataDirectory };

    public Task<BackupPushResult> PushAsync(
        PostgresCluster cluster, BackupPushRequest? request = null, CancellationToken? cancellationToken = null) =>
        new BackupPush(Archive, cluster.Settings(), Options, Log)
            .RunAsync(request ?? RequestFor(cluster), cancellationToken ?? Token);

    /// <summary>A push whose files are opened by <paramref name="openFile"/>.</summary>
    public Task<BackupPushResult> PushAsync(PostgresCluster cluster, Func<string, long, IDataFile?> openFile)
    {
        var request = RequestFor(cluster);
        var push = new BackupPush(
            Archive,
            Options,
            Log,
            (given, warnings) => new DataDirectorySource(cluster.Settings(), Options, given, cluster.DataDirectory, warnings, Log) { OpenFile = openFile });
        return push.RunAsync(request, Token);
    }

    public async Task<string[]> KeysAsync() => await Store.NamesAsync(new ListRequest { Folder = "", Recursive = true });

    public async Task<JsonElement> JsonAsync(ObjectKey key) =>
        JsonDocument.Parse(await Store.GetAsync(key.ToString())).RootElement;

    public Task<JsonElement> SentinelAsync(BackupPushResult result) => JsonAsync(WalGLayout.Sentinel(result.Backup.Name));

    public Task<JsonElement> FilesAsync(BackupPushResult result) => JsonAsync(WalGLayout.FilesMetadata(result.Backup.Name));

    /// <summary>wal-g's sections of the list of files, and behind them ours where the codec tells no damage.</summary>
    public void CheckSections(JsonElement files, IEnumerable<string> walG) => Assert.Equal(
        Codec.HasChecksum ? walG : [.. walG, FilesMetadataWriter.TarChecksumsKey],
        files.EnumerateObject().Select(section => section.Name));

    /// <summary>The members of all tars with GNU tar's help: tar object to "name size".</summary>
    public async Task<Dictionary<string, string[]>> MembersAsync(BackupPushResult result)
    {
        var tars = new Dictionary<string, string[]>();
        foreach (var key in await TarsAsync(result))
        {
            var listing = await TarAsync(key, "-tvPf", "-");
            tars[Path.GetFileName(key)] =
                [.. listing.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line[(line.LastIndexOf(':') + 4)..])];
        }

        return tars;
    }

    /// <summary>Extracts all tars with GNU tar, the control file's and the label's last; as root with owners and modes.</summary>
    public async Task ExtractAsync(BackupPushResult result, string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (var key in (await TarsAsync(result)).OrderBy(key => !key.Contains("part_", StringComparison.Ordinal)))
        {
            await TarAsync(key, "-xf", "-", "-C", folder, "--strip-components=0");
        }
    }

    public void Dispose() => Folder.Dispose();

    private async Task<string[]> TarsAsync(BackupPushResult result) => await Store.NamesAsync(
        new ListRequest { Folder = WalGLayout.TarPartitions(result.Backup.Name), Recursive = true });

    private async Task<string> TarAsync(string key, params string[] arguments)
    {
        Assert.SkipWhen(!File.Exists("/bin/tar"), "There is no GNU tar here.");
        var start = new ProcessStartInfo("/bin/tar", arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
        };
        start.Environment["LC_ALL"] = "C.UTF-8";
        start.Environment["TZ"] = "UTC";
        using var tar = Process.Start(start)!;
        var output = tar.StandardOutput.ReadToEndAsync(Token);
        var errors = tar.StandardError.ReadToEndAsync(Token);
        await using (var content = await Archive.OpenReadAsync(ObjectKey.Parse(key), Token))
        {
            await content.CopyToAsync(tar.StandardInput.BaseStream, Token);
        }

        tar.StandardInput.Close();
        await tar.WaitForExitAsync(Token);
        Assert.True(tar.ExitCode == 0, $"tar of {key}: {await errors}");
        return await output;
    }
}
