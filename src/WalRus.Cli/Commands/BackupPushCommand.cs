using System.Text.Json;
using WalRus.Backup;
using WalRus.Configuration;
using WalRus.Delta;
using WalRus.Cli.CommandLine;
using WalRus.Cli.Terminal;

namespace WalRus.Cli.Commands;

/// <summary>
/// <c>walrus backup-push [DATA_DIRECTORY]</c>: a base backup of a running server, full or a delta, read from its data directory on this machine,
/// or without one sent by the server.
/// </summary>
internal static class BackupPushCommand
{
    /// <summary>wal-g's flags that ask for a backup WalRus cannot make yet: an error, never another kind of backup.</summary>
    private static readonly string[] NotYet =
        ["rating-composer", "copy-composer", "database-composer"];

    public static Command Definition { get; } = new()
    {
        Name = "backup-push",
        Arguments = "[db_directory]",
        Meaning = "Make a base backup of a running server",
        MaximumArguments = 1,
        Options =
        [
            new("permanent", "keep it when backups are deleted", 'p'),
            new("full", "a full backup, whatever the settings say about deltas", 'f'),
            new("verify", "verify page checksums", 'v'),
            new("store-all-corrupt", "list all corrupt blocks, not only ten a file", 's'),
            new("add-user-data", "JSON to keep with the backup", null, "json"),
            new("without-files-metadata", "write no files_metadata.json"),
            new("rating-composer", "not available yet", 'r'),
            new("copy-composer", "not available yet", 'c'),
            new("database-composer", "not available yet", 'b'),
            new("delta-from-name", "make a delta of this backup instead of the newest", null, "name"),
            new("delta-from-user-data", "make a delta of the backup with this user data", null, "json"),
            new("delta-source", "learn changed blocks from the pages, the wal, or the server's summaries", null, "source"),
            new("delta-from-wal-summaries", "the same as --delta-source summaries"),
            new("increment-format", "wi1 (wal-g's, the default) or native (PostgreSQL's; wal-g cannot read it)", null, "format"),
            CommonOptions.TargetStorage,
        ],
        RunAsync = RunAsync,
    };

    private static async Task<int> RunAsync(Invocation call, CancellationToken cancellationToken)
    {
        if (NotYet.FirstOrDefault(option => call.Has(option) || call.Value(option) is not null) is { } asked)
        {
            throw new WalRusException(
                ErrorCode.SettingNotSupported, $"--{asked} is not available yet; nothing was done.", "wal-g works on the same archive.");
        }

        var engine = call.OpenEngine();
        await using var close = engine.ConfigureAwait(false);
        using var progress = ProgressLine.OnTerminal(call.Log);
        var options = engine.BackupPushOptions with
        {
            StoreAllCorruptBlocks = call.Has("store-all-corrupt", SettingCatalog.StoreAllCorruptBlocks),
            WithoutFilesMetadata = call.Has("without-files-metadata", SettingCatalog.WithoutFilesMetadata),
            Delta = Delta(call, engine),
        };
        var result = await engine.CreateBackupPush(options).RunAsync(
            new BackupPushRequest
            {
                DataDirectory = call.Arguments is [var folder, ..] ? folder : null,
                Permanent = call.Has("permanent"),
                Full = call.Has("full"),
                VerifyPageChecksums = call.Has("verify", SettingCatalog.VerifyPageChecksums),
                UserData = UserData.Parse(call.Value("add-user-data", SettingCatalog.SentinelUserData), "--add-user-data"),
                Progress = progress,
            },
            cancellationToken).ConfigureAwait(false);
        progress?.Clear();
        call.Log.Info("BackupPushed", $"Wrote backup with name {result.Backup.Name} to storage {engine.Archive.Store.Name}");
        return ExitCodes.Success;
    }

    /// <summary>The settings' options with those of the command line.</summary>
    private static BackupDeltaOptions Delta(Invocation call, WalRusEngine engine)
    {
        var settings = Delta(call, engine.BackupPushOptions.Delta);
        var source = call.Has("delta-from-wal-summaries") ? "summaries" : call.Value("delta-source");
        return source is null or ""
            ? settings
            : settings with
            {
                OpenSource = engine.BlockSource(source switch
                {
                    "pages" => BlockSourceKind.Pages,
                    "wal" => BlockSourceKind.Wal,
                    "summaries" => BlockSourceKind.Summaries,
                    var other => throw new WalRusException(
                        ErrorCode.InvalidArgument, $"--delta-source {other}: there is no such source.", "Give pages, wal or summaries."),
                }),
            };
    }

    private static BackupDeltaOptions Delta(Invocation call, BackupDeltaOptions settings) => settings with
    {
        FromName = call.Value("delta-from-name") is { Length: > 0 } name ? name : settings.FromName,
        FromUserData = UserData.Parse(call.Value("delta-from-user-data"), "--delta-from-user-data") ?? settings.FromUserData,
        Format = call.Value("increment-format") switch
        {
            null or "" => settings.Format,
            "wi1" => IncrementFormat.Wi1,
            "native" => IncrementFormat.Native,
            var other => throw new WalRusException(
                ErrorCode.InvalidArgument, $"--increment-format {other}: there is no such format.", "Give wi1 or native."),
        },
    };
}
