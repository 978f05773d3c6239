using System.Text.Json;
using WalRus.Backup;
using WalRus.Cli.CommandLine;
using WalRus.Cli.Terminal;
using WalRus.Configuration;

namespace WalRus.Cli.Commands;

/// <summary>
/// <c>walrus backup-push [DATA_DIRECTORY]</c>: a base backup of a running server, read from its data directory on this machine,
/// or without one sent by the server.
/// </summary>
internal static class BackupPushCommand
{
    /// <summary>wal-g's flags that ask for a backup WalRus cannot make yet: an error, never another kind of backup.</summary>
    private static readonly string[] NotYet =
        ["rating-composer", "copy-composer", "database-composer", "delta-from-name", "delta-from-user-data"];

    public static Command Definition { get; } = new()
    {
        Name = "backup-push",
        Arguments = "[db_directory]",
        Meaning = "Make a base backup of a running server",
        MaximumArguments = 1,
        Options =
        [
            new("permanent", "keep it when backups are deleted", 'p'),
            new("full", "a full backup (all are, today)", 'f'),
            new("verify", "verify page checksums", 'v'),
            new("store-all-corrupt", "list all corrupt blocks, not only ten a file", 's'),
            new("add-user-data", "JSON to keep with the backup", null, "json"),
            new("without-files-metadata", "write no files_metadata.json"),
            new("rating-composer", "not available yet", 'r'),
            new("copy-composer", "not available yet", 'c'),
            new("database-composer", "not available yet", 'b'),
            new("delta-from-name", "not available yet", null, "name"),
            new("delta-from-user-data", "not available yet", null, "json"),
            CommonOptions.TargetStorage,
        ],
        RunAsync = RunAsync,
    };

    private static async Task<int> RunAsync(Invocation call, CancellationToken cancellationToken)
    {
        if (NotYet.FirstOrDefault(option => call.Has(option) || call.Value(option) is not null) is { } asked)
        {
            throw new WalRusException(
                ErrorCode.BackupDeltaUnsupported, $"--{asked} is not available yet; nothing was done.", "wal-g works on the same archive.");
        }

        var engine = call.OpenEngine();
        await using var close = engine.ConfigureAwait(false);
        using var progress = ProgressLine.OnTerminal(call.Log);
        var options = engine.BackupPushOptions with
        {
            StoreAllCorruptBlocks = call.Has("store-all-corrupt", SettingCatalog.StoreAllCorruptBlocks),
            WithoutFilesMetadata = call.Has("without-files-metadata", SettingCatalog.WithoutFilesMetadata),
        };
        var result = await engine.CreateBackupPush(options).RunAsync(
            new BackupPushRequest
            {
                DataDirectory = call.Arguments is [var folder, ..] ? folder : null,
                Permanent = call.Has("permanent"),
                VerifyPageChecksums = call.Has("verify", SettingCatalog.VerifyPageChecksums),
                UserData = UserData.Parse(call.Value("add-user-data", SettingCatalog.SentinelUserData), "--add-user-data"),
                Progress = progress,
            },
            cancellationToken).ConfigureAwait(false);
        progress?.Clear();
        call.Log.Info("BackupPushed", $"Wrote backup with name {result.Backup.Name} to storage {engine.Archive.Store.Name}");
        return ExitCodes.Success;
    }
}
