using WalRus.Postgres;

namespace WalRus.Wal;

/// <summary>
/// wal-g's prefetch folders: <c>.wal-g/prefetch/NAME</c> complete, <c>.wal-g/prefetch/running/NAME</c> on its way.
/// Source: wal-g's layout 005, "Prefetch".
/// </summary>
internal sealed class PrefetchFolder(string baseFolder)
{
    private readonly string ready = Path.Combine(baseFolder, ".wal-g", "prefetch");
    private readonly string running = Path.Combine(baseFolder, ".wal-g", "prefetch", "running");

    public string ReadyPath(string name) => Path.Combine(ready, name);

    public string RunningPath(string name) => Path.Combine(running, name);

    public void Create()
    {
        Directory.CreateDirectory(running);
    }

    /// <summary>Removes the folders themselves where nothing is in them.</summary>
    public void RemoveIfEmpty()
    {
        foreach (var folder in (string[])[running, ready, Path.GetDirectoryName(ready)!])
        {
            if (!Directory.Exists(folder) || Directory.EnumerateFileSystemEntries(folder).Any())
            {
                return;
            }

            Directory.Delete(folder);
        }
    }

    /// <summary>Removes what lies before the asked segment: replay never goes back.</summary>
    public void RemoveBefore(WalFileName asked) => RemoveWhere(segment => segment < asked);

    /// <summary>Removes the segments, complete and on their way, for which the condition holds.</summary>
    public void RemoveWhere(Func<WalFileName, bool> condition)
    {
        foreach (var folder in (string[])[ready, running])
        {
            if (!Directory.Exists(folder))
            {
                continue;
            }

            foreach (var path in Directory.EnumerateFiles(folder))
            {
                // Temporary names of ours start with the segment's name.
                var name = Path.GetFileName(path);
                if (name.Length >= WalFileName.Length && WalFileName.TryParse(name[..WalFileName.Length], out var segment)
                    && condition(segment))
                {
                    File.Delete(path);
                }
            }
        }
    }
}
