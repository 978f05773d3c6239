using WalRus.Cli.CommandLine;
using WalRus.Cli.Terminal;
using WalRus.Configuration;
using WalRus.Storage;
using WalRus.Transfer;

namespace WalRus.Cli.Commands;

/// <summary><c>st cat</c>, <c>st get</c>, <c>st put</c> and <c>st rm</c>.</summary>
internal static class StorageObjectCommands
{
    public static IReadOnlyList<Command> All { get; } =
    [
        new()
        {
            Name = "st cat",
            Arguments = "path",
            Meaning = "Write an object to standard output",
            MinimumArguments = 1,
            MaximumArguments = 1,
            Options = [.. CommonOptions.StorageTools, new("decrypt", "decrypt it"), new("decompress", "decompress it, by its extension")],
            RunAsync = (call, token) => StorageToolsCommand.OnTargetAsync(call, engine => CatAsync(call, engine, token)),
        },
        new()
        {
            Name = "st get",
            Arguments = "path destination",
            Meaning = "Bring an object to a file",
            MinimumArguments = 2,
            MaximumArguments = 2,
            Options = [.. CommonOptions.StorageTools, new("no-decrypt", "leave it encrypted"), new("no-decompress", "leave it compressed")],
            RunAsync = (call, token) => StorageToolsCommand.OnTargetAsync(call, engine => GetAsync(call, engine, token)),
        },
        new()
        {
            Name = "st put",
            Arguments = "[local_path] destination",
            Meaning = "Store a file, or with -s standard input, as an object",
            MinimumArguments = 1,
            MaximumArguments = 2,
            Options =
            [
                .. CommonOptions.StorageTools,
                new("read-stdin", "take the content from standard input", 's'),
                new("force", "replace the object", 'f'),
                new("no-encrypt", "do not encrypt it"),
                new("no-compress", "do not compress it"),
            ],
            RunAsync = (call, token) => StorageToolsCommand.OnTargetAsync(call, engine => PutAsync(call, engine, token)),
        },
        new()
        {
            Name = "st rm",
            Arguments = "path",
            Meaning = "Remove an object, or all below a folder",
            MinimumArguments = 1,
            MaximumArguments = 1,
            Options = [.. CommonOptions.StorageTools, new("force", "also what a listed backup consists of", 'f')],
            RunAsync = (call, token) => StorageToolsCommand.OnTargetAsync(call, engine => RemoveAsync(call, engine, token)),
        },
    ];

    private static async Task CatAsync(Invocation call, WalRusEngine engine, CancellationToken cancellationToken)
    {
        var items = engine.CreateStorageItems();
        await foreach (var key in ObjectsAsync(call, items, cancellationToken).ConfigureAwait(false))
        {
            var content = await items.OpenAsync(key, call.Has("decrypt"), call.Has("decompress"), cancellationToken).ConfigureAwait(false);
            await using (content.ConfigureAwait(false))
            {
                await items.PumpAsync(content, call.BinaryOutput, (key, null, ""), cancellationToken).ConfigureAwait(false);
            }
        }

        await call.BinaryOutput.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    private static async Task GetAsync(Invocation call, WalRusEngine engine, CancellationToken cancellationToken)
    {
        var items = engine.CreateStorageItems();
        using var progress = ProgressLine.OnTerminal(call.Log);
        await foreach (var key in ObjectsAsync(call, items, cancellationToken).ConfigureAwait(false))
        {
            await items.SaveAsync(
                new StorageSaveRequest
                {
                    Key = key,
                    Destination = call.Arguments[1],
                    Decrypt = !call.Has("no-decrypt"),
                    Decompress = !call.Has("no-decompress"),
                    Progress = progress,
                },
                cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task PutAsync(Invocation call, WalRusEngine engine, CancellationToken cancellationToken)
    {
        var fromInput = call.Has("read-stdin");
        if (call.Arguments.Count != (fromInput ? 1 : 2))
        {
            throw new UsageException(
                FormattableString.Invariant($"accepts {(fromInput ? 1 : 2)} arg(s), received {call.Arguments.Count}"),
                All.First(command => command.Name == "st put"));
        }

        using var progress = ProgressLine.OnTerminal(call.Log);
        var content = fromInput ? call.OpenInput() : OpenFile(call.Arguments[0]);
        await using (content.ConfigureAwait(false))
        {
            await engine.CreateStorageItems().SetAsync(
                new StorageSetRequest
                {
                    Content = content,
                    Key = StorageItems.KeyOf(call.Arguments[^1]),
                    Overwrite = call.Has("force"),
                    Encrypt = !call.Has("no-encrypt"),
                    Compress = !call.Has("no-compress"),
                    Progress = progress,
                },
                cancellationToken).ConfigureAwait(false);
        }
    }

    private static FileStream OpenFile(string path) => !Directory.Exists(path)
        ? new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 0)
        : throw new WalRusException(ErrorCode.InvalidArgument, $"provided local path ({path}) points to a directory, exiting");

    private static async Task RemoveAsync(Invocation call, WalRusEngine engine, CancellationToken cancellationToken)
    {
        var removal = engine.CreateStorageRemoval();
        var path = call.Arguments[0];
        if (!call.Has("glob"))
        {
            var plan = await removal.PlanAsync(path, call.Has("force"), cancellationToken).ConfigureAwait(false);
            await removal.RunAsync(plan, cancellationToken).ConfigureAwait(false);
            return;
        }

        await foreach (var entry in engine.CreateStorageItems().GlobAsync(path, cancellationToken).ConfigureAwait(false))
        {
            var one = entry.IsFolder ? $"{entry.Key}/" : entry.Key.ToString();
            var plan = await removal.PlanAsync(one, call.Has("force"), cancellationToken).ConfigureAwait(false);
            await removal.RunAsync(plan, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The object that is named, or those that the pattern matches.</summary>
    private static async IAsyncEnumerable<ObjectKey> ObjectsAsync(
        Invocation call, StorageItems items, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (!call.Has("glob"))
        {
            yield return StorageItems.KeyOf(call.Arguments[0]);
            yield break;
        }

        await foreach (var entry in items.GlobAsync(call.Arguments[0], cancellationToken).ConfigureAwait(false))
        {
            if (!entry.IsFolder)
            {
                yield return entry.Key;
            }
        }
    }
}
