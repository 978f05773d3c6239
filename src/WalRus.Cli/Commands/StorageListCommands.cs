using WalRus.Cli.CommandLine;
using WalRus.Cli.Terminal;
using WalRus.Configuration;
using WalRus.Storage;
using WalRus.Transfer;

namespace WalRus.Cli.Commands;

/// <summary><c>st ls</c> and <c>st stat</c>.</summary>
internal static class StorageListCommands
{
    public static IReadOnlyList<Command> All { get; } =
    [
        new()
        {
            Name = "st ls",
            Arguments = "[path]",
            Meaning = "List a folder",
            MaximumArguments = 1,
            Options = [.. CommonOptions.StorageTools, new("recursive", "every object below it", 'r')],
            RunAsync = (call, cancellationToken) =>
                StorageToolsCommand.OnTargetAsync(call, engine => ListAsync(call, engine, cancellationToken)),
        },
        new()
        {
            Name = "st stat",
            Arguments = "path",
            Meaning = "Show one object's facts",
            MinimumArguments = 1,
            MaximumArguments = 1,
            Options = CommonOptions.StorageTools,
            RunAsync = (call, cancellationToken) =>
                StorageToolsCommand.OnTargetAsync(call, engine => StatAsync(call, engine, cancellationToken)),
        },
    ];

    private static async Task ListAsync(Invocation call, WalRusEngine engine, CancellationToken cancellationToken)
    {
        var path = call.Arguments.Count > 0 ? call.Arguments[0] : "";
        if (!call.Has("glob"))
        {
            await WriteAsync(call, engine, path, cancellationToken).ConfigureAwait(false);
            return;
        }

        var found = engine.CreateStorageItems().GlobAsync(path, cancellationToken);
        await foreach (var folder in found.ConfigureAwait(false))
        {
            if (folder.IsFolder)
            {
                call.Output.Write($"{folder.Key}/:\n");
                await WriteAsync(call, engine, folder.Key.ToString(), cancellationToken).ConfigureAwait(false);
                call.Output.Write("\n");
            }
        }
    }

    private static Task WriteAsync(Invocation call, WalRusEngine engine, string path, CancellationToken cancellationToken)
    {
        var items = engine.CreateStorageItems();
        var folder = path.Trim('/');
        var below = folder.Length == 0 ? 0 : folder.Length + 1;

        // wal-g names the folders below a folder of a file system with a slash before them.
        var slash = below > 0 && engine.Archive.Store.Location.StartsWith("file:", StringComparison.Ordinal) ? "/" : "";
        string NameOf(ListEntry entry) =>
            entry.IsFolder ? $"{slash}{entry.Key.ToString()[below..]}/" : entry.Key.ToString()[below..];
        var recursive = call.Has("recursive");
        return new ListingTable(call.Output, NameOf).WriteAsync(
            items.ListUnorderedAsync(folder, recursive, cancellationToken), items.ListAsync(folder, recursive, cancellationToken));
    }

    private static async Task StatAsync(Invocation call, WalRusEngine engine, CancellationToken cancellationToken)
    {
        var info = await engine.CreateStorageItems()
            .GetInfoAsync(StorageItems.KeyOf(call.Arguments[0]), cancellationToken).ConfigureAwait(false);
        await new ListingTable(call.Output, entry => entry.Key.Name).WriteAsync(One(), One()).ConfigureAwait(false);

        async IAsyncEnumerable<ListEntry> One()
        {
            await Task.CompletedTask.ConfigureAwait(false);
            yield return new ListEntry(info.Key, false, info.SizeBytes, info.LastModified);
        }
    }
}
