using WalRus.Cli.CommandLine;

namespace WalRus.Cli.Commands;

/// <summary><c>walrus wal-prefetch NAME DESTINATION</c>: what wal-fetch leaves running. Quiet, as wal-g's.</summary>
internal static class WalPrefetchCommand
{
    public static Command Definition { get; } = new()
    {
        Name = "wal-prefetch",
        Arguments = "wal_name prefetch_location",
        Meaning = "Bring the segments after one into the prefetch folder",
        MinimumArguments = 2,
        MaximumArguments = 2,
        Options = [CommonOptions.TargetStorage],
        IsHidden = true,
        RunAsync = RunAsync,
    };

    private static async Task<int> RunAsync(Invocation call, CancellationToken cancellationToken)
    {
        var engine = call.OpenEngine();
        await using var close = engine.ConfigureAwait(false);
        await engine.CreateWalPrefetch()
            .RunAsync(call.Arguments[0], call.Arguments[1], null, cancellationToken).ConfigureAwait(false);
        return ExitCodes.Success;
    }
}
