using WalRus.Postgres;
using WalRus.Streaming;

namespace WalRus.Wal;

/// <summary>
/// The local folder of what is received: SEGMENT.partial while it is written, SEGMENT once whole and synced, gone once durable
/// in the store. A file is never emptied, so that what was received stays readable whatever happens. One process at a time.
/// </summary>
internal sealed class ReceiveFolder : IDisposable
{
    private const string LockName = ".wal-receive.lock";
    private const string PartialSuffix = ".partial";

    private readonly FileStream claim;

    private ReceiveFolder(string path, FileStream claim)
    {
        FullName = path;
        this.claim = claim;
    }

    public string FullName { get; }

    /// <summary>Makes the folder if it is not there and claims it.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.DaemonAlreadyRunning"/>: another process has it.</exception>
    public static ReceiveFolder Open(string path)
    {
        var folder = Path.GetFullPath(path);
        try
        {
            if (OperatingSystem.IsWindows())
            {
                Directory.CreateDirectory(folder);
            }
            else
            {
                Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failure, folder);
        }

        var file = Path.Combine(folder, LockName);
        try
        {
            return new ReceiveFolder(folder, new FileStream(file, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None));
        }
        catch (UnauthorizedAccessException denied)
        {
            throw DurableFile.Translate(denied, file);
        }
        catch (IOException taken)
        {
            throw new WalRusException(
                ErrorCode.DaemonAlreadyRunning,
                $"Another process receives into '{folder}': {taken.Message}",
                "Give each receiver a folder of its own (WALRUS_RECEIVE_FOLDER).",
                taken);
        }
    }

    /// <summary>Whole files that an earlier run left, oldest first: they wait for the store only.</summary>
    public IEnumerable<string> Finished() => Files()
        .Where(name => WalFile.TryParse(name, out var file) && file.Kind is WalFileKind.Segment or WalFileKind.TimelineHistory)
        .OrderBy(name => name.EndsWith(".history", StringComparison.Ordinal) ? 0 : 1)
        .ThenBy(name => name, StringComparer.Ordinal);

    /// <summary>Segments that an earlier run did not finish, oldest first.</summary>
    public IEnumerable<WalFileName> Unfinished() => Files()
        .Where(name => WalFile.TryParse(name, out var file) && file.Kind == WalFileKind.PartialSegment)
        .Select(name => WalFileName.Parse(name[..WalFileName.Length]))
        .Order();

    public string PathOf(string name) => Path.Combine(FullName, name);

    public string PartialPathOf(WalFileName segment) => PathOf(segment + PartialSuffix);

    /// <summary>Opens a segment to write it, as long as it will be; what is in it from before stays until it is written over.</summary>
    public FileStream OpenPartial(WalFileName segment, WalSegmentSize size)
    {
        var path = PartialPathOf(segment);
        FileStream? file = null;
        try
        {
            var options = new FileStreamOptions
            {
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.Write,
                Share = FileShare.ReadWrite | FileShare.Delete,
                BufferSize = 0,
            };
            if (!OperatingSystem.IsWindows())
            {
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            file = new FileStream(path, options);
            file.SetLength(size.Bytes);
            return file;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            file?.Dispose();
            throw DurableFile.Translate(failure, path);
        }
    }

    /// <summary>
    /// Leaves an empty file for a segment that is going to be received, where there is none: a receiver that ends before the
    /// first byte begins there again, and not where the server is by then.
    /// </summary>
    public void Remember(WalFileName segment)
    {
        var path = PartialPathOf(segment);
        try
        {
            if (!File.Exists(path))
            {
                DurableFile.Create(path).Dispose();
                DurableFile.SyncFolder(FullName);
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failure, path);
        }
    }

    /// <summary>True for a segment of which something was received.</summary>
    public bool HasBegun(WalFileName segment) => new FileInfo(PartialPathOf(segment)) is { Exists: true, Length: > 0 };

    /// <summary>Gives a whole segment its own name; it is synced then, and so is the name.</summary>
    public string Finish(WalFileName segment, FileStream file)
    {
        var (from, to) = (PartialPathOf(segment), PathOf(segment.ToString()));
        try
        {
            using (file)
            {
                file.Flush(flushToDisk: true);
            }

            File.Move(from, to, overwrite: true);
            DurableFile.SyncFolder(FullName);
            return to;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failure, to);
        }
    }

    /// <summary>Writes a whole small file, synced.</summary>
    public string Write(string name, ReadOnlySpan<byte> content)
    {
        var path = PathOf(name);
        var temporary = path + ".tmp";
        try
        {
            File.Delete(temporary);
            using (var file = DurableFile.Create(temporary))
            {
                file.Write(content);
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
            DurableFile.SyncFolder(FullName);
            return path;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failure, path);
        }
    }

    /// <summary>Removes what is durable in the store.</summary>
    public static void Remove(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failure, path);
        }
    }

    public void Dispose() => claim.Dispose();

    private IEnumerable<string> Files() => Directory.EnumerateFiles(FullName).Select(path => Path.GetFileName(path)).ToList();
}
