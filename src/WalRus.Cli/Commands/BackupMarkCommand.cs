using WalRus.Archiving;
using WalRus.Cli.CommandLine;

namespace WalRus.Cli.Commands;

/// <summary><c>walrus backup-mark [-i] NAME|LATEST</c>, or WAL-RUS's <c>--target-user-data JSON</c>.</summary>
internal static class BackupMarkCommand
{
    public static Command Definition { get; } = new()
    {
        Name = "backup-mark",
        Arguments = "backup_name",
        Meaning = "Mark a backup permanent, or take that back",
        MaximumArguments = 1,
        Options =
        [
            new("impermanent", "take the mark from it", 'i'),
            new("target-user-data", "the backup with this user data", null, "string"),
        ],
        RunAsync = RunAsync,
    };

    private static async Task<int> RunAsync(Invocation call, CancellationToken cancellationToken)
    {
        var userData = UserData.Parse(call.Value("target-user-data"), "--target-user-data");
        if (call.Arguments.Count + (userData is null ? 0 : 1) != 1)
        {
            throw new UsageException(
                FormattableString.Invariant($"accepts 1 arg(s), received {call.Arguments.Count}"), Definition);
        }

        var engine = call.OpenEngine();
        await using var close = engine.ConfigureAwait(false);
        var backup = userData is { } data
            ? await engine.Backups.FindByUserDataAsync(data, cancellationToken).ConfigureAwait(false)
            : await engine.Backups.FindAsync(call.Arguments[0], cancellationToken).ConfigureAwait(false);
        var toPermanent = !call.Has("impermanent");
        call.Log.Info("MarkStarted", $"Retrieving previous related backups to be marked: toPermanent={(toPermanent ? "true" : "false")}");
        if (!toPermanent)
        {
            call.Log.Info("PermanentObjects", "retrieving permanent objects");
        }

        var mark = engine.CreateBackupMark();
        var result = toPermanent
            ? await mark.MakePermanentAsync(backup, cancellationToken).ConfigureAwait(false)
            : await mark.MakeImpermanentAsync(backup, cancellationToken).ConfigureAwait(false);
        foreach (var so in result.Unchanged)
        {
            call.Log.Warning(
                "AlreadyMarked", $"Backup {so.Name} is already marked as {(toPermanent ? "permanent" : "impermanent")}, ignoring...");
        }

        call.Log.Info("Marked", $"Retrieved backups to be marked, marking: [{string.Join(' ', result.Marked.Select(one => one.Name))}]");
        return ExitCodes.Success;
    }
}
