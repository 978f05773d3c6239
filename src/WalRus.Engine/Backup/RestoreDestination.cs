using System.Globalization;
using WalRus.Streaming;

namespace WalRus.Backup;

/// <summary>
/// The directories that a restore fills. Claims them (missing or empty, nobody else restoring into them), and on failure
/// takes them back to what they were: since they were empty, everything in them is this run's.
/// </summary>
/// <remarks>
/// The claim is a locked file in the data directory. A restore that is killed leaves it there: with it and without
/// pg_control, which comes last, the directory cannot be mistaken for a server's, and the next restore of that cluster
/// into it empties it and goes on, unasked. With pg_control it may have run since: then that takes force.
/// </remarks>
internal sealed class RestoreDestination : IDisposable
{
    /// <summary>The claim's name; never a PostgreSQL file.</summary>
    public const string ClaimName = "walrus-restore.unfinished";

    private readonly IEventLog log;
    private readonly List<string> filled = [];
    private readonly Stack<string> made = new();
    private FileStream? claim;
    private bool isHalfEmptied;

    /// <summary>What is found there is to go, because of force or because a killed restore left it.</summary>
    private enum Found
    {
        Nothing,
        Unfinished,
        Cluster,
    }

    private RestoreDestination(TablespaceLayout layout, IEventLog log)
    {
        Layout = layout;
        this.log = log;
    }

    public TablespaceLayout Layout { get; }

    /// <summary>
    /// The owner given to everything, when this account may give files away: that of the data directory if it was there
    /// and is not root's, else the archive's own numbers (null here), see <see cref="FallbackOwner"/>.
    /// </summary>
    public UnixOwner? Owner { get; private set; }

    /// <summary>The owner of the nearest folder above that is not root's; null when there is none or it cannot be told.</summary>
    public UnixOwner? FallbackOwner { get; private set; }

    /// <summary>Checks everything, then claims. Nothing is changed when it throws, but for the content of what is emptied.</summary>
    /// <param name="systemIdentifier">Of the backup: only the same cluster's directory is emptied.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.DestinationNotEmpty"/>,
    /// <see cref="ErrorCode.DestinationForeign"/>, <see cref="ErrorCode.DestinationInvalid"/>.</exception>
    public static RestoreDestination Claim(TablespaceLayout layout, ulong? systemIdentifier, bool force, IEventLog log)
    {
        foreach (var tablespace in layout.Tablespaces)
        {
            CheckTablespace(tablespace);
        }

        var found = CheckDataDirectory(layout.DataDirectory, systemIdentifier, force);
        var destination = new RestoreDestination(layout, log);
        try
        {
            destination.FindOwners();
            if (found != Found.Nothing)
            {
                destination.EmptyFirst(systemIdentifier, found);
            }

            destination.Make(systemIdentifier);
            return destination;
        }
        catch (Exception failed)
        {
            destination.Abandon();
            destination.Dispose();
            throw failed is IOException or UnauthorizedAccessException
                ? DurableFile.Translate(failed, layout.DataDirectory)
                : failed is WalRusException ? failed : new WalRusException(ErrorCode.FileFailed, failed.Message, null, failed);
        }
    }

    /// <summary>Ends the claim: what is there now stays.</summary>
    public void Complete()
    {
        // From here on nothing may take the restore back, whatever becomes of the claim.
        filled.Clear();
        made.Clear();
        claim!.Dispose();
        claim = null;
        try
        {
            File.Delete(Path.Combine(Layout.DataDirectory, ClaimName));
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            log.RestoreLeftovers(Path.Combine(Layout.DataDirectory, ClaimName), failed.Message);
        }
    }

    /// <summary>Removes everything this run made. What cannot be removed is told in the log, not thrown.</summary>
    public void Abandon()
    {
        try
        {
            // Last of all the claim, so that a clean-up that breaks off is still recognizable.
            foreach (var root in filled)
            {
                ExistingCluster.Empty(root, except: ClaimName);
            }

            if (claim is not null && !isHalfEmptied)
            {
                claim.Dispose();
                claim = null;
                File.Delete(Path.Combine(Layout.DataDirectory, ClaimName));
            }

            while (made.TryPop(out var folder))
            {
                Directory.Delete(folder);
            }

            filled.Clear();
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            log.RestoreLeftovers(Layout.DataDirectory, failed.Message);
        }
    }

    public void Dispose() => claim?.Dispose();

    private static void CheckTablespace(TablespaceTarget tablespace)
    {
        if (!IsMissingOrEmpty(tablespace.Location))
        {
            throw new WalRusException(
                ErrorCode.DestinationNotEmpty,
                $"Tablespace {tablespace.Oid} belongs into '{tablespace.Location}', which is not empty.",
                $"Map it to a missing or empty directory, for example {TablespaceLayout.Example(tablespace.Oid)}, or empty that one yourself.");
        }
    }

    private static Found CheckDataDirectory(string path, ulong? systemIdentifier, bool force)
    {
        if (Path.GetPathRoot(path) == path)
        {
            throw new WalRusException(
                ErrorCode.DestinationInvalid, $"'{path}' is the root of a file system, not a data directory.");
        }

        if (IsMissingOrEmpty(path))
        {
            return Found.Nothing;
        }

        var found = ExistingCluster.IsUnfinishedRestore(path, systemIdentifier) ? Found.Unfinished : Found.Cluster;
        if (found == Found.Cluster && !force)
        {
            throw new WalRusException(
                ErrorCode.DestinationNotEmpty,
                $"The destination '{path}' is not empty.",
                "Restore into a missing or empty directory, or force it if it holds this cluster's own, stopped data directory.");
        }

        ExistingCluster.CheckMayBeEmptied(path, systemIdentifier);
        return found;
    }

    private static bool IsMissingOrEmpty(string path)
    {
        try
        {
            return File.Exists(path)
                ? throw new WalRusException(ErrorCode.DestinationInvalid, $"'{path}' is a file, not a directory.")
                : !Directory.Exists(path) || !Directory.EnumerateFileSystemEntries(path).Any();
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failed, path);
        }
    }

    private void FindOwners()
    {
        if (OperatingSystem.IsWindows() || !Environment.IsPrivilegedProcess)
        {
            return;
        }

        var path = Layout.DataDirectory;
        if (Directory.Exists(path) && UnixFiles.OwnerOf(path) is { UserId: not UnixOwner.Root } owner)
        {
            Owner = owner;
        }

        for (var above = path; above is not null && FallbackOwner is null; above = Path.GetDirectoryName(above))
        {
            FallbackOwner = UnixFiles.OwnerOf(above) is { UserId: not UnixOwner.Root } found ? found : null;
        }
    }

    /// <summary>
    /// Claims the old data directory before anything of it goes: if this is killed or fails half-way, what is left is
    /// known as ours, and (its control file went first) no server can start on it.
    /// </summary>
    private void EmptyFirst(ulong? systemIdentifier, Found found)
    {
        // Of a killed restore its own claim, never one made anew: at no moment is what it left without.
        var isUnfinished = isHalfEmptied = found == Found.Unfinished;
        TakeClaim(systemIdentifier, isUnfinished ? FileMode.Open : FileMode.OpenOrCreate);
        if (isUnfinished && ExistingCluster.HasControlFile(Layout.DataDirectory))
        {
            throw Begun(null);
        }

        isHalfEmptied = true;
        log.RestoreEmpties(
            Layout.DataDirectory, isUnfinished ? "which an unfinished restore left" : "as asked: it holds the same cluster, stopped");
        ExistingCluster.Empty(Layout.DataDirectory, except: ClaimName);
        isHalfEmptied = false;
    }

    private void Make(ulong? systemIdentifier)
    {
        foreach (var root in Layout.Roots)
        {
            MakeFolder(root);
            if (claim is null)
            {
                // First in the data directory, before anything that a second restore could take for its own.
                TakeClaim(systemIdentifier, FileMode.CreateNew);
            }

            filled.Add(root);
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(root, RestoreModes.PrivateFolder);
            }
        }
    }

    private void MakeFolder(string path)
    {
        if (Directory.Exists(path))
        {
            return;
        }

        if (Path.GetDirectoryName(path) is { } above)
        {
            MakeFolder(above);
        }

        Directory.CreateDirectory(path);
        made.Push(path);
        if (Owner is { } owner)
        {
            UnixFiles.ChangeOwner(path, owner);
        }
    }

    private void TakeClaim(ulong? systemIdentifier, FileMode mode)
    {
        var path = Path.Combine(Layout.DataDirectory, ClaimName);
        try
        {
            claim = new FileStream(
                path, new FileStreamOptions { Mode = mode, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 0 });
        }
        catch (IOException failed) when (mode == FileMode.Open || File.Exists(path))
        {
            throw Begun(failed);
        }

        if (claim.Length == 0)
        {
            claim.Write(System.Text.Encoding.ASCII.GetBytes(
                systemIdentifier?.ToString(CultureInfo.InvariantCulture) ?? "unknown"));
            claim.Flush(flushToDisk: true);
        }
    }

    private WalRusException Begun(Exception? cause) => new(
        ErrorCode.DestinationNotEmpty,
        $"Another restore into '{Layout.DataDirectory}' has begun.",
        "Wait for it, or choose another directory.",
        cause);
}
