using WalRus.Backup;
using WalRus.Streaming;

namespace WalRus.Drill;

/// <summary>
/// The folder of one drill: the restored cluster, its tablespaces, what the server runs with, and the WAL on its way to
/// replay. Closed to everybody but the server's account.
/// </summary>
internal sealed class DrillWorkspace
{
    private const string Prefix = "walrus-drill-";
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>sun_path of a Unix socket, less the name PostgreSQL adds.</summary>
    private const int MaxSocketFolderBytes = 107 - 16;

    private const int RemovalLanes = 8;
    private static readonly TimeSpan RemovalLimit = TimeSpan.FromSeconds(10);

    private DrillWorkspace(string root, UnixOwner? owner)
    {
        Root = root;
        Owner = owner;
    }

    public string Root { get; }

    /// <summary>Who everything belongs to when this process is root; null when it is this account's.</summary>
    public UnixOwner? Owner { get; }

    public string Data => Path.Combine(Root, "data");

    /// <summary>Socket, log and configuration of the server.</summary>
    public string Run => Path.Combine(Root, "run");

    public string Wal => Path.Combine(Root, "wal");

    /// <exception cref="WalRusException"><see cref="ErrorCode.InvalidArgument"/>: no such account, a path too long for a
    /// socket; <see cref="ErrorCode.FileAccessDenied"/>, <see cref="ErrorCode.FileNotFound"/>.</exception>
    public static DrillWorkspace Create(string parentFolder, string accountWhenRoot)
    {
        var owner = OwnerWhenRoot(accountWhenRoot);
        var name = Prefix + Path.GetRandomFileName().Replace(".", "", StringComparison.Ordinal);
        var space = new DrillWorkspace(Path.Combine(Path.GetFullPath(parentFolder), name), owner);
        if (System.Text.Encoding.UTF8.GetByteCount(space.Run) > MaxSocketFolderBytes && !OperatingSystem.IsWindows())
        {
            throw new WalRusException(
                ErrorCode.InvalidArgument,
                $"'{space.Run}' is too long for the server's socket.",
                "Give a work folder with a shorter path.");
        }

        if (!Directory.Exists(parentFolder))
        {
            throw new WalRusException(
                ErrorCode.FileNotFound, $"The work folder '{parentFolder}' does not exist.", "Make it first.");
        }

        try
        {
            space.MakeFolder(space.Root);
            space.MakeFolder(space.Data);
            space.MakeFolder(space.Run);
            return space;
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            space.Remove();
            throw DurableFile.Translate(failed, space.Root);
        }
    }

    /// <summary>Where a tablespace is restored; not made here.</summary>
    public string Tablespace(string oid) => Path.Combine(Root, "tablespaces", oid);

    public void MakeFolder(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(path);
        }
        else
        {
            Directory.CreateDirectory(path, Private);
        }

        Give(path);
    }

    public void WriteFile(string path, string content)
    {
        File.WriteAllText(path, content);
        Give(path);
    }

    /// <summary>Gives a file or folder to the server's account.</summary>
    public void Give(string path)
    {
        if (Owner is { } owner)
        {
            UnixFiles.ChangeOwner(path, owner);
        }
    }

    /// <summary>Removes everything. A file that something still holds or makes is tried again for a while.</summary>
    /// <returns>Null, or why something is left.</returns>
    public async Task<string?> RemoveAsync()
    {
        var until = Environment.TickCount64 + (long)RemovalLimit.TotalMilliseconds;
        while (true)
        {
            if (Remove() is not { } problem)
            {
                return null;
            }

            if (Environment.TickCount64 > until)
            {
                return problem;
            }

            await Task.Delay(100, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private string? Remove()
    {
        try
        {
            // A cluster is more than a thousand files, and each removal waits for the file system.
            var all = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint };
            Parallel.ForEach(
                Directory.EnumerateFiles(Root, "*", all), new ParallelOptions { MaxDegreeOfParallelism = RemovalLanes }, File.Delete);
            Directory.Delete(Root, recursive: true);
            return null;
        }
        catch (DirectoryNotFoundException)
        {
            return Directory.Exists(Root) ? $"'{Root}' could not be removed" : null;
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException or AggregateException)
        {
            return failed.GetBaseException().Message;
        }
    }

    private static UnixOwner? OwnerWhenRoot(string account)
    {
        if (OperatingSystem.IsWindows() || !Environment.IsPrivilegedProcess)
        {
            return null;
        }

        return UnixAccounts.FindUser(account) ?? throw new WalRusException(
            ErrorCode.InvalidArgument,
            $"PostgreSQL refuses to run as root, and there is no account '{account}' to run the drill's server under.",
            "Make the account (useradd -r postgres), name another, or run the drill as a user who is not root.");
    }
}
