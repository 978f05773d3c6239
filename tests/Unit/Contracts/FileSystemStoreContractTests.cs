using WalRus.Storage;
using WalRus.Storage.FileSystem;

namespace WalRus.Tests.Contracts;

public sealed class FileSystemStoreContractTests : ObjectStoreContract
{
    private readonly DirectoryInfo root = Directory.CreateTempSubdirectory("walrus-store-");

    protected override ValueTask<IObjectStore> CreateStoreAsync() => new(new FileSystemObjectStore(root.FullName));

    protected override ValueTask RemoveStoreAsync()
    {
        root.Delete(recursive: true);
        return ValueTask.CompletedTask;
    }

    protected override ValueTask<IReadOnlyList<string>> GarbageAsync() => new(
    [
        .. root.EnumerateFileSystemInfos("*", SearchOption.AllDirectories)
            .Where(item => item is DirectoryInfo folder
                ? !folder.EnumerateFileSystemInfos().Any()
                : item.Name.Contains(".tmp.", StringComparison.Ordinal))
            .Select(item => item.FullName),
    ]);
}
