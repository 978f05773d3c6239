using WalRus.Cli.CommandLine;
using WalRus.Configuration;

namespace WalRus.Cli.Commands;

/// <summary><c>walrus st ...</c>: wal-g's tools for the objects of a storage.</summary>
internal static class StorageToolsCommand
{
    public static Command Definition { get; } = new()
    {
        Name = "st",
        Arguments = "ls|stat|cat|get|put|rm|check|copy|transfer ...",
        Meaning = "Work with the objects of the storage",
        MaximumArguments = int.MaxValue,
        Options = CommonOptions.StorageTools,
        Subcommands =
        [
            .. StorageListCommands.All, .. StorageObjectCommands.All, .. StorageCheckCommands.All, .. StorageTransferCommands.All,
        ],
        RunAsync = (_, _) => throw new UsageException("a command is missing: st ls, stat, cat, get, put, rm, check, copy or transfer", Definition),
    };

    /// <summary>
    /// Runs on the storage that --target names. On all of them one after another; then it is a success if it is one on any.
    /// </summary>
    internal static async Task<int> OnTargetAsync(Invocation call, Func<WalRusEngine, Task> work)
    {
        var target = TargetOf(call);
        if (target != StorageSettings.All)
        {
            await OnStorageAsync(call, target, work).ConfigureAwait(false);
            return ExitCodes.Success;
        }

        WalRusException? failure = null;
        var succeeded = false;
        foreach (var name in StorageSettings.Names(call.Settings))
        {
            try
            {
                await OnStorageAsync(call, name, work).ConfigureAwait(false);
                succeeded = true;
            }
            catch (WalRusException failed)
            {
                call.Log.Warning("StorageFailed", $"Storage {name}: {failed.Message}");
                failure ??= failed;
            }
        }

        return succeeded ? ExitCodes.Success : throw failure!;
    }

    internal static string TargetOf(Invocation call) =>
        call.Value("target") is { Length: > 0 } name ? name : StorageSettings.Primary;

    private static async Task OnStorageAsync(Invocation call, string name, Func<WalRusEngine, Task> work)
    {
        var engine = WalRusEngine.Open(StorageSettings.Of(call.Settings, name), call.Log);
        await using (engine.ConfigureAwait(false))
        {
            await work(engine).ConfigureAwait(false);
        }
    }
}
