using WalRus.Archiving;
using WalRus.Wal;
using WalRus.WalG;

namespace WalRus.Verification;

/// <summary>Where missing WAL may be.</summary>
internal interface IWalRepairSource
{
    /// <summary>For people.</summary>
    string Location { get; }

    ValueTask<bool> HasAsync(string name, CancellationToken cancellationToken);

    /// <summary>The file's path; brought into the folder first, where it is not on this machine.</summary>
    ValueTask<string> BringAsync(string name, string folder, CancellationToken cancellationToken);
}

/// <summary>pg_wal of a server, or any folder with WAL files under PostgreSQL's names.</summary>
internal sealed class WalFolderSource : IWalRepairSource
{
    private readonly string folder;

    /// <param name="path">The folder itself, or a data directory.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.FileNotFound"/>.</exception>
    public WalFolderSource(string path)
    {
        var inside = Path.Combine(path, "pg_wal");
        folder = Directory.Exists(inside) ? inside : path;
        if (!Directory.Exists(folder))
        {
            throw new WalRusException(
                ErrorCode.FileNotFound, $"There is no folder '{path}'.", "Give a server's data directory, its pg_wal, or a folder with WAL files.");
        }
    }

    public string Location => folder;

    public ValueTask<bool> HasAsync(string name, CancellationToken cancellationToken) =>
        ValueTask.FromResult(File.Exists(Path.Combine(folder, name)));

    public ValueTask<string> BringAsync(string name, string target, CancellationToken cancellationToken) =>
        ValueTask.FromResult(Path.Combine(folder, name));
}

/// <summary>Another archive of the same cluster.</summary>
internal sealed class ArchiveSource(Archive archive, WalFetch fetch) : IWalRepairSource
{
    public string Location => archive.Store.Location;

    public async ValueTask<bool> HasAsync(string name, CancellationToken cancellationToken) =>
        await archive.FindAsync(WalGLayout.Wal(name), cancellationToken).ConfigureAwait(false) is not null;

    public async ValueTask<string> BringAsync(string name, string folder, CancellationToken cancellationToken)
    {
        var path = Path.Combine(folder, name);
        await fetch.RunAsync(new WalFetchRequest { Name = name, Destination = path }, cancellationToken).ConfigureAwait(false);
        return path;
    }
}
