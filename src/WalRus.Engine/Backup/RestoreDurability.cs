using Microsoft.Win32.SafeHandles;
using WalRus.Streaming;

namespace WalRus.Backup;

/// <summary>
/// Makes a whole restore durable at once. On Linux the file systems are synced as a whole: handles opened before the
/// first write see every failure to write since then (Linux 5.8 and later). Elsewhere each file and folder is synced.
/// </summary>
internal sealed class RestoreDurability : IDisposable
{
    private const int WalkLanes = 8;

    /// <summary>Writing back is bound by the disk: the whole memory's worth of dirty pages to a slow one takes long.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromHours(2);

    private static readonly EnumerationOptions Everything = new()
    {
        RecurseSubdirectories = true,
        IgnoreInaccessible = false,
        AttributesToSkip = FileAttributes.ReparsePoint,
    };

    private readonly TablespaceLayout layout;
    private readonly List<(SafeFileHandle Handle, string Path)> fileSystems = [];

    /// <summary>Called once all directories of the layout are there and nothing is written into them.</summary>
    public RestoreDurability(TablespaceLayout layout)
    {
        this.layout = layout;
        if (!OperatingSystem.IsLinux() || !OperatingSystem.IsOSPlatformVersionAtLeast("Linux", 5, 8))
        {
            return;
        }

        foreach (var root in layout.Roots)
        {
            fileSystems.Add((UnixFiles.OpenFolder(root), root));
        }
    }

    public async Task SyncAsync(CancellationToken cancellationToken)
    {
        try
        {
            // The call itself cannot be cancelled; a cancelled restore need not wait for it.
            await Task.Run(() => Sync(cancellationToken), CancellationToken.None)
                .WaitAsync(Limit, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new WalRusException(
                ErrorCode.DeadlineExceeded,
                $"Making '{layout.DataDirectory}' durable took longer than {Limit.TotalHours:0} hours.",
                "Look at the disk's health.");
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failed, layout.DataDirectory);
        }
    }

    public void Dispose()
    {
        foreach (var (handle, _) in fileSystems)
        {
            handle.Dispose();
        }
    }

    private void Sync(CancellationToken cancellationToken)
    {
        foreach (var (handle, path) in fileSystems)
        {
            UnixFiles.SyncFileSystem(handle, path);
        }

        if (fileSystems.Count > 0)
        {
            return;
        }

        var options = new ParallelOptions { MaxDegreeOfParallelism = WalkLanes, CancellationToken = cancellationToken };
        foreach (var root in layout.Roots)
        {
            Parallel.ForEach(new DirectoryInfo(root).EnumerateFileSystemInfos("*", Everything), options, SyncOne);
            DurableFile.SyncFolder(root);
        }
    }

    private static void SyncOne(FileSystemInfo entry)
    {
        if (entry is DirectoryInfo)
        {
            DurableFile.SyncFolder(entry.FullName);
        }
        else if (entry.Name != RestoreDestination.ClaimName)
        {
            using var handle = File.OpenHandle(entry.FullName, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            RandomAccess.FlushToDisk(handle);
        }
    }
}
