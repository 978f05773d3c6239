using WalRus.Cli.CommandLine;
using WalRus.Wal;

namespace WalRus.Cli.Commands;

/// <summary><c>walrus wal-push "%p"</c>: PostgreSQL's archive_command.</summary>
internal static class WalPushCommand
{
    public static Command Definition { get; } = new()
    {
        Name = "wal-push",
        Arguments = "wal_filepath",
        Meaning = "Archive one WAL file (archive_command)",
        MinimumArguments = 1,
        MaximumArguments = 1,
        Options = [CommonOptions.TargetStorage],
        RunAsync = RunAsync,
    };

    private static async Task<int> RunAsync(Invocation call, CancellationToken cancellationToken)
    {
        var engine = call.OpenEngine();
        await using var close = engine.ConfigureAwait(false);
        call.Log.Info("PushStarted", $"Files will be uploaded to storage: {engine.Archive.Store.Name}");
        var result = await engine.CreateWalPush()
            .RunAsync(new WalPushRequest { Path = call.Arguments[0] }, cancellationToken).ConfigureAwait(false);
        if (result is { State: WalPushState.AlreadyArchived, Key: not null })
        {
            call.Log.Info(nameof(WalPushState.AlreadyArchived), $"WAL file '{result.Name}' is already archived with equal content");
        }

        return ExitCodes.Success;
    }
}
