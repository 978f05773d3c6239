using WalRus.Cli.CommandLine;
using WalRus.Configuration;
using WalRus.Transfer;

namespace WalRus.Cli.Commands;

/// <summary><c>st check read [name...]</c> and <c>st check write</c>.</summary>
internal static class StorageCheckCommands
{
    public static IReadOnlyList<Command> All { get; } =
    [
        new()
        {
            Name = "st check",
            Arguments = "read|write ...",
            Meaning = "Try whether the storage can be read or written",
            MaximumArguments = int.MaxValue,
            Options = CommonOptions.StorageTools,
            RunAsync = (_, _) => throw new UsageException("say what to check: st check read, st check write"),
            Subcommands =
            [
                new()
                {
                    Name = "st check read",
                    Arguments = "[name...]",
                    Meaning = "The storage can be listed, and these objects are there",
                    MaximumArguments = int.MaxValue,
                    Options = CommonOptions.StorageTools,
                    RunAsync = (call, token) => StorageToolsCommand.OnTargetAsync(call, engine => RunAsync(
                        call, engine, new StorageTestRequest { MustExist = call.Arguments, ReadOnly = true }, "Read check OK", token)),
                },
                new()
                {
                    Name = "st check write",
                    Meaning = "An object can be written, read and deleted",
                    Options = CommonOptions.StorageTools,
                    RunAsync = (call, token) => StorageToolsCommand.OnTargetAsync(call, engine => RunAsync(
                        call, engine, new StorageTestRequest { ProbeBytes = 4 }, "Write check OK", token)),
                },
            ],
        },
    ];

    private static async Task RunAsync(
        Invocation call, WalRusEngine engine, StorageTestRequest request, string success, CancellationToken cancellationToken)
    {
        await foreach (var result in engine.CreateStorageTest().RunAsync(request, cancellationToken).ConfigureAwait(false))
        {
            if (result.Failure is not null)
            {
                throw result.Failure;
            }
        }

        call.Log.Info("StorageChecked", success);
    }
}
