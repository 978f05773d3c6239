using WalRus.Cli.CommandLine;
using WalRus.Cli.Terminal;
using WalRus.Configuration;

namespace WalRus.Cli.Commands;

/// <summary><c>walrus backup-list [--pretty] [--json] [--detail]</c>: oldest first, in wal-g's forms.</summary>
internal static class BackupListCommand
{
    public static Command Definition { get; } = new()
    {
        Name = "backup-list",
        Meaning = "List the backups",
        Options =
        [
            new("pretty", "a table with borders; with --json indented"),
            new("json", "as JSON"),
            new("detail", "times, host, directory, version, LSNs, permanence"),
            CommonOptions.TargetStorage,
        ],
        RunAsync = RunAsync,
    };

    private static async Task<int> RunAsync(Invocation call, CancellationToken cancellationToken)
    {
        var engine = call.OpenEngine();
        await using var close = engine.ConfigureAwait(false);
        var store = engine.Archive.Store.Name;
        call.Log.Info("ListStarted", $"List backups from storages: [{store}]");
        var detail = call.Has("detail");
        var exitCode = ExitCodes.Success;
        var backups = detail
            ? (await engine.Backups.ListOrderedAsync(
                unreadable =>
                {
                    // The others are listed all the same; the exit code says that this is not all.
                    call.Log.Error(unreadable.Error!.Code, unreadable.Error.Message, unreadable.Error.Hint);
                    exitCode = ExitCodes.Failure;
                },
                cancellationToken).ConfigureAwait(false))
                .Select(backup => new BackupLine(backup.Name, backup.Modified, backup.StorageName, backup)).ToList()
            : await NamesAsync(engine, store, cancellationToken).ConfigureAwait(false);
        if (backups.Count == 0)
        {
            call.Log.Info("NoBackups", "No backups found");
        }

        if (call.Has("json"))
        {
            BackupTable.WriteJson(call.Output, backups, call.Has("pretty"));
        }
        else if (call.Has("pretty"))
        {
            BackupTable.WriteBoxed(call.Output, backups, detail);
        }
        else
        {
            BackupTable.WritePlain(call.Output, backups, detail);
        }

        return exitCode;
    }

    /// <summary>Names and times need one listing and no document.</summary>
    private static async Task<List<BackupLine>> NamesAsync(WalRusEngine engine, string store, CancellationToken cancellationToken)
    {
        var found = new List<BackupLine>();
        await foreach (var (name, modified) in engine.Backups.SentinelsAsync(cancellationToken).ConfigureAwait(false))
        {
            found.Add(new BackupLine(name, modified, store, null));
        }

        return [.. found.OrderBy(backup => backup.Modified).ThenBy(backup => backup.Name)];
    }
}
