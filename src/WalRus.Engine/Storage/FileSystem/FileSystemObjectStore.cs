using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Microsoft.Win32.SafeHandles;
using WalRus.Streaming;

namespace WalRus.Storage.FileSystem;

/// <summary>
/// Objects as files below a folder, as wal-g's folder storage keeps them (wal-g's layout, section 10): a write goes to a
/// temporary name beside its target, is synced, renamed, and the folders are synced. Deleting removes folders that are
/// empty then. <see cref="WriteCondition.IfAbsent"/> is atomic (<see cref="FilePublication"/>).
/// <para>Temporary files of writers that died are removed by the first delete that follows a listing which met them,
/// once they are a day old by name and by last change: a listing alone changes nothing.</para>
/// <para>Data is read and written on the caller's thread; opening, syncing, listing and deleting have
/// <see cref="CallLimit"/> as their deadline.</para>
/// </summary>
public sealed class FileSystemObjectStore : IObjectStore
{
    private const int ListBatchSize = 256;
    private const int MaxRememberedStale = 256;
    private const UnixFileMode FileMode640 =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead;

    private const UnixFileMode FolderMode750 = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute;

    private static readonly TimeSpan StaleAge = TimeSpan.FromDays(1);

    private readonly string root;
    private readonly TimeProvider time;
    private readonly ConcurrentQueue<string> stale = new();

    /// <param name="root">The folder; it must exist when the store is used, a link to one will do.</param>
    /// <param name="name">wal-g's storage name.</param>
    /// <param name="time">The clock for temporary names; null for the system's.</param>
    public FileSystemObjectStore(string root, string name = "default", TimeProvider? time = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(root);
        this.root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(root));
        this.time = time ?? TimeProvider.System;
        Name = name;
        var shown = this.root.Replace('\\', '/');
        Location = shown.StartsWith('/') ? $"file://{shown}" : $"file:///{shown}";
    }

    public string Name { get; }

    public string Location { get; }

    public StoreFeatures Features => StoreFeatures.AtomicPutIfAbsent;

    /// <summary>How long one call into the file system may take; the sync of a large file is one.</summary>
    public TimeSpan CallLimit { get; init; } = TimeSpan.FromMinutes(5);

    internal DiskCall Disk => new(CallLimit);

    public async ValueTask<OutputStream> OpenWriteAsync(
        ObjectKey key, WriteCondition condition, CancellationToken cancellationToken)
    {
        var path = WritablePathOf(key);
        return await Disk.RunAsync<OutputStream>(
            () => Create(path, condition), static late => late.Dispose(), $"Creating '{path}'", cancellationToken)
            .ConfigureAwait(false);
    }

    public async ValueTask<Stream> OpenReadAsync(ObjectKey key, ByteRange? range, CancellationToken cancellationToken)
    {
        var wanted = range ?? new ByteRange(0, null);
        ArgumentOutOfRangeException.ThrowIfNegative(wanted.Offset, nameof(range));
        ArgumentOutOfRangeException.ThrowIfNegative(wanted.Length ?? 0, nameof(range));
        var path = PathOf(key);
        var handle = await Disk.RunAsync(
            () => Open(key, path), static late => late.Dispose(), $"Opening '{path}'", cancellationToken)
            .ConfigureAwait(false);
        return new FileReadStream(handle, path, wanted);
    }

    public async ValueTask<ObjectInfo?> HeadAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        var path = PathOf(key);
        return await Disk.RunAsync(() => Head(key, path), null, $"Looking for '{path}'", cancellationToken)
            .ConfigureAwait(false);
    }

    public async IAsyncEnumerable<ListEntry> ListAsync(
        ListRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        RequireRoot();
        var entries = new FolderListing(root, request, RememberStale).Entries().GetEnumerator();
        var batch = new ListEntry[ListBatchSize];
        var filling = false;
        try
        {
            int count;
            do
            {
                filling = true;
                count = await Disk.RunAsync(() => Fill(batch, entries), null, $"Listing '{root}'", cancellationToken)
                    .ConfigureAwait(false);
                filling = false;
                for (var index = 0; index < count; index++)
                {
                    yield return batch[index];
                }
            }
            while (count == batch.Length);
        }
        finally
        {
            // A call that was left behind still uses the enumerator: then it is the garbage collector's.
            if (!filling)
            {
                entries.Dispose();
            }
        }
    }

    public async ValueTask<DeleteResult> DeleteAsync(
        IReadOnlyCollection<ObjectKey> keys, CancellationToken cancellationToken)
    {
        RequireRoot();
        var failed = new List<(ObjectKey, string)>();
        string? last = null;
        foreach (var key in keys)
        {
            var path = PathOf(key);
            var left = Path.GetDirectoryName(last) == Path.GetDirectoryName(path) ? null : last;
            last = path;
            var reason = await Disk.RunAsync(() => Delete(path, left), null, $"Deleting '{path}'", cancellationToken)
                .ConfigureAwait(false);
            if (reason is not null)
            {
                failed.Add((key, reason));
            }
        }

        await Disk.RunAsync(() => EndDelete(last), null, $"Deleting in '{root}'", cancellationToken)
            .ConfigureAwait(false);
        return new DeleteResult(keys.Count - failed.Count, failed);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Makes the name of a file durable, and those of its folders: any of them may be new.</summary>
    internal void SyncFoldersOf(string path)
    {
        for (var folder = Path.GetDirectoryName(path)!; ; folder = Path.GetDirectoryName(folder)!)
        {
            try
            {
                DurableFile.SyncFolder(folder);
            }
            catch (DirectoryNotFoundException)
            {
                // Somebody deleted the object and with it the folder; what is gone needs no sync.
            }

            if (folder.Length <= root.Length)
            {
                return;
            }
        }
    }

    /// <summary>
    /// Removes the folders above a file that are empty now. Safe against a writer in one of them: a folder with a file
    /// in it cannot be removed, and a writer whose folder goes makes it again.
    /// </summary>
    internal void RemoveEmptyFoldersOf(string path)
    {
        for (var folder = Path.GetDirectoryName(path)!; folder.Length > root.Length; folder = Path.GetDirectoryName(folder)!)
        {
            try
            {
                // A link to a folder is somebody's arrangement and stays.
                if (new DirectoryInfo(folder).LinkTarget is not null)
                {
                    return;
                }

                Directory.Delete(folder, recursive: false);
            }
            catch (DirectoryNotFoundException)
            {
                // Removed by another; the folder above may be empty all the same.
            }
            catch (Exception kept) when (kept is IOException or UnauthorizedAccessException)
            {
                return;
            }
        }
    }

    private static int Fill(ListEntry[] batch, IEnumerator<ListEntry> entries)
    {
        try
        {
            var count = 0;
            while (count < batch.Length && entries.MoveNext())
            {
                batch[count++] = entries.Current;
            }

            return count;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failure, "the archive's folder");
        }
    }

    /// <summary>
    /// What root writes belongs to the account that owns the archive, else a backup by root would shut the server's own
    /// archive_command out of the folders it made.
    /// </summary>
    private void GiveToOwner(string path)
    {
        if (!OperatingSystem.IsWindows() && Environment.IsPrivilegedProcess
            && UnixFiles.OwnerOf(root) is { UserId: not UnixOwner.Root } owner)
        {
            UnixFiles.ChangeOwner(path, owner);
        }
    }

    private SafeFileHandle CreateFile(string path)
    {
        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            Share = FileShare.Read | FileShare.Delete,
            BufferSize = 0,
        };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = FileMode640;
        }

        // The stream is only how .NET takes a mode; with no buffer it holds nothing beside the handle.
        var handle = new FileStream(path, options).SafeFileHandle;
        GiveToOwner(path);
        return handle;
    }

    private FileWriteStream Create(string path, WriteCondition condition)
    {
        RequireRoot();
        if (condition == WriteCondition.IfAbsent && File.Exists(path))
        {
            throw new WalRusException(ErrorCode.ObjectExists, $"'{path}' already exists.");
        }

        var folder = Path.GetDirectoryName(path)!;
        var temporary = Path.Combine(folder, TemporaryName.For(Path.GetFileName(path), time.GetUtcNow()));
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                CreateFolders(folder);
                return new FileWriteStream(this, CreateFile(temporary), temporary, (path, condition));
            }
            catch (DirectoryNotFoundException) when (attempt < 100)
            {
                // A delete removed the folder while it was empty: make it again.
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                throw DurableFile.Translate(failure, path);
            }
        }
    }

    /// <summary>
    /// Level by level: .NET gives the mode only to the last folder it makes, and the root itself is never made.
    /// </summary>
    private void CreateFolders(string folder)
    {
        if (Directory.Exists(folder))
        {
            return;
        }

        if (folder.Length <= root.Length)
        {
            RequireRoot();
            return;
        }

        CreateFolders(Path.GetDirectoryName(folder)!);
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(folder);
        }
        else
        {
            Directory.CreateDirectory(folder, FolderMode750);
            GiveToOwner(folder);
        }
    }

    private SafeFileHandle Open(ObjectKey key, string path)
    {
        try
        {
            return File.OpenHandle(
                path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, FileOptions.SequentialScan);
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException
            || Directory.Exists(path))
        {
            RequireRoot();
            throw new WalRusException(ErrorCode.ObjectNotFound, $"There is no '{key}' in {Location}.", null, missing);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failure, path);
        }
    }

    private ObjectInfo? Head(ObjectKey key, string path)
    {
        var file = new FileInfo(path);
        try
        {
            if (file.Exists)
            {
                return new ObjectInfo(key, file.Length, new DateTimeOffset(file.LastWriteTimeUtc));
            }
        }
        catch (FileNotFoundException)
        {
            // Deleted between the two questions.
        }

        RequireRoot();
        return null;
    }

    /// <param name="path">What to delete.</param>
    /// <param name="left">The last one deleted, when it was in another folder: what is left to do there is done.</param>
    /// <returns>Why it is still there, or null.</returns>
    private string? Delete(string path, string? left)
    {
        try
        {
            EndFolderOf(left);
            File.Delete(path);
            return null;
        }
        catch (DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception) when (Directory.Exists(path))
        {
            // A folder is no object: there was nothing to delete.
            return null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return DurableFile.Translate(failure, path).Message;
        }
    }

    private bool EndDelete(string? last)
    {
        while (stale.TryDequeue(out var temporary))
        {
            RemoveStale(temporary);
        }

        try
        {
            EndFolderOf(last);
            return true;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failure, root);
        }
    }

    /// <summary>
    /// Once for the objects of one folder: to ask of each whether the folder is empty now reads all that was deleted before.
    /// <para>Makes the removal of names durable: a sentinel that came back after a crash would name a backup whose parts,
    /// deleted after it, are gone. The nearest folder that is still there holds the last change.</para>
    /// </summary>
    private void EndFolderOf(string? deleted)
    {
        if (deleted is not null)
        {
            RemoveEmptyFoldersOf(deleted);
        }

        for (var folder = Path.GetDirectoryName(deleted); folder is not null && folder.Length >= root.Length;)
        {
            try
            {
                DurableFile.SyncFolder(folder);
                return;
            }
            catch (DirectoryNotFoundException)
            {
                folder = Path.GetDirectoryName(folder);
            }
        }
    }

    private void RememberStale(string path, DateTimeOffset started)
    {
        if (started < time.GetUtcNow() - StaleAge && stale.Count < MaxRememberedStale)
        {
            stale.Enqueue(path);
        }
    }

    private void RemoveStale(string temporary)
    {
        try
        {
            if (File.GetLastWriteTimeUtc(temporary) < time.GetUtcNow().UtcDateTime - StaleAge)
            {
                File.Delete(temporary);
                RemoveEmptyFoldersOf(temporary);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // Not ours to remove, or somebody else did: it is hidden either way.
        }
    }

    private void RequireRoot()
    {
        if (!Directory.Exists(root))
        {
            throw new WalRusException(
                ErrorCode.StoreNotFound,
                $"The archive's folder '{root}' does not exist.",
                "Create it, or mount the disk it is on; WalRus never creates it, so that an unmounted disk is noticed.");
        }
    }

    private string WritablePathOf(ObjectKey key) => TemporaryName.Is(key.Name)
        ? throw new WalRusException(ErrorCode.InvalidArgument, $"'{key}' has the form of a temporary name.")
        : PathOf(key);

    private string PathOf(ObjectKey key)
    {
        var text = key.ToString();
        if (OperatingSystem.IsWindows())
        {
            text = WindowsNames.Checked(text).Replace('/', Path.DirectorySeparatorChar);
        }

        return Path.Join(root, text);
    }
}
