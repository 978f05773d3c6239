using System.Globalization;
using WalRus.Backup;
using WalRus.Configuration;
using WalRus.WalG;

namespace WalRus.Tests.Golden;

/// <summary>A golden archive in a folder of its own, readable for a server's account, and the settings to work with it.</summary>
internal static class GoldenPlace
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Unpacks the archive and adds the settings to <paramref name="environment"/>.</summary>
    public static async Task UnpackAsync(
        GoldenArchive archive, GoldenDescription golden, string folder, Dictionary<string, string> environment)
    {
        environment["WALG_FILE_PREFIX"] = await archive.UnpackAsync(folder, Token);
        environment["WALG_PG_WAL_SIZE"] = golden.WalSegmentSizeMb.ToString(CultureInfo.InvariantCulture);
        // Prefetching outlives its command, and so might the folder's removal.
        environment["WALG_DOWNLOAD_CONCURRENCY"] = "1";
        // The server's account cannot read root's home folder.
        environment["HOME"] = folder;
        foreach (var (name, value) in golden.Settings)
        {
            var isFile = name.EndsWith("_PATH", StringComparison.Ordinal);
            environment[name] = isFile ? Path.Combine(folder, value) : value;
            if (isFile)
            {
                File.Copy(Path.Combine(archive.Folder, value), environment[name]);
            }
        }
    }

    public static WalRusEngine OpenEngine(Dictionary<string, string> environment) =>
        WalRusEngine.Open(WalRusSettings.Load(new SettingSources { Environment = environment }), NullEventLog.Instance);

    /// <summary>A place below <paramref name="folder"/> for each tablespace of a backup.</summary>
    public static async Task<IReadOnlyList<TablespaceTarget>> MappingAsync(WalRusEngine engine, string backup, string folder)
    {
        var sentinel = await engine.Backups.ReadSentinelAsync(BackupName.Parse(backup), Token);
        return
        [
            .. (sentinel!.Tablespaces?.Entries ?? [])
                .Select(entry => new TablespaceTarget(entry.Name, Path.Combine(folder, "tablespaces", entry.Name))),
        ];
    }

    /// <summary>The server's account may not reach the checkout, so it gets a copy of its own.</summary>
    public static string RestoreCommandFor(string folder)
    {
        var copy = Path.Combine(folder, Path.GetFileName(WalRusProgram.Path));
        File.Copy(WalRusProgram.Path, copy);
        return RestoreCommand.ForExecutable(copy);
    }
}
