using System.Globalization;
using WalRus.Cli.CommandLine;
using WalRus.Postgres;

namespace WalRus.Cli.Commands;

/// <summary>
/// <c>walrus wal-restore TARGET_PGDATA SOURCE_PGDATA</c> as wal-g's, before pg_rewind; <c>walrus wal-restore FOLDER
/// [--timeline N]</c> as WAL-RUS'. Both end with 0 when single segments could not be brought, which the log says.
/// </summary>
internal static class WalRestoreCommand
{
    public static Command Definition { get; } = new()
    {
        Name = "wal-restore",
        Arguments = "target-pgdata source-pgdata | folder",
        Meaning = "Bring the WAL that pg_rewind needs into the old primary; or what wal-show misses into a folder",
        MinimumArguments = 1,
        MaximumArguments = 2,
        Options = [new("timeline", "with a folder: only this timeline", null, "uint")],
        RunAsync = RunAsync,
    };

    private static async Task<int> RunAsync(Invocation call, CancellationToken cancellationToken)
    {
        var timeline = Timeline(call);
        var engine = call.OpenEngine();
        await using var close = engine.ConfigureAwait(false);
        var restore = engine.CreateMissingWalFetch();
        _ = call.Arguments.Count == 2
            ? await restore.ForRewindAsync(call.Arguments[0], call.Arguments[1], cancellationToken).ConfigureAwait(false)
            : await restore.ForGapsAsync(call.Arguments[0], timeline, cancellationToken).ConfigureAwait(false);
        return ExitCodes.Success;
    }

    private static TimelineId? Timeline(Invocation call)
    {
        if (call.Value("timeline") is not { } text)
        {
            return null;
        }

        return call.Arguments.Count == 1 && uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0
            ? new TimelineId(number)
            : throw new UsageException($"--timeline \"{text}\" is not a timeline to go with one folder", Definition);
    }
}
