using WalRus.Backup;
using WalRus.Cli.CommandLine;
using WalRus.Wal;

namespace WalRus.Cli.Commands;

/// <summary>
/// <c>walrus wal-fetch "%f" "%p"</c>: PostgreSQL's restore_command. Ends with 74 when the archive does not hold the file;
/// starts a detached prefetch of the segments that follow.
/// </summary>
internal static class WalFetchCommand
{
    public static Command Definition { get; } = new()
    {
        Name = "wal-fetch",
        Arguments = "wal_name destination_filename",
        Meaning = "Bring back one WAL file (restore_command); exit code 74 when it is not archived",
        MinimumArguments = 2,
        MaximumArguments = 2,
        Options =
        [
            CommonOptions.TargetStorage,
            new(RestoreCommand.StopRecoveryFlag, "fail with an exit code that stops PostgreSQL's recovery instead of ending it (not for a standby)"),
        ],
        RunAsync = RunAsync,
    };

    private static async Task<int> RunAsync(Invocation call, CancellationToken cancellationToken)
    {
        var name = call.Arguments[0];
        var engine = call.OpenEngine();
        await using var close = engine.ConfigureAwait(false);
        WalFetchResult result;
        try
        {
            result = await engine.CreateWalFetch().RunAsync(
                new WalFetchRequest { Name = name, Destination = call.Arguments[1] }, cancellationToken).ConfigureAwait(false);
        }
        catch (WalRusException missing) when (missing.Code == ErrorCode.WalSegmentNotFound)
        {
            // wal-g's words, which scripts look for; replay asks for one file too many at every end of recovery.
            call.Log.Error(missing.Code, $"Archive '{name}' does not exist.", null);
            return ExitCodes.Of(missing);
        }

        // Once a segment came out of the prefetch folder a prefetch runs or just ended, and the next one keeps it going.
        if (engine.PrefetchFollows(name))
        {
            DetachedPrefetch.Start(call, result);
        }

        return ExitCodes.Success;
    }
}
