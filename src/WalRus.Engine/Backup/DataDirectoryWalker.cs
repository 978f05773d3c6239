using System.IO.Enumeration;
using WalRus.Streaming;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>One thing found in a data directory that has a place in the backup.</summary>
/// <param name="Path">Where it is on disk.</param>
/// <param name="Name">Its tar member's name, as wal-g's local backups have it: "/" and the path below the data directory.</param>
/// <param name="Facts">As they were when it was found; a file's may have changed when it is opened.</param>
/// <param name="LinkTarget">For a symbolic link where it points, else empty.</param>
internal readonly record struct WalkedFile(string Path, string Name, FileFacts Facts, string LinkTarget);

/// <summary>
/// Streams a data directory with its tablespaces: depth first, each directory before what is in it, in the order the file
/// system gives (a directory may hold a million files: none is kept to sort it). Leaves out what wal-g leaves out.
/// <c>global/pg_control</c> is not among the results: it is read last, by itself.
/// </summary>
internal sealed class DataDirectoryWalker
{
    public const string ControlFileName = "/global/pg_control";

    private const string TablespaceFolder = "/pg_tblspc";

    /// <summary>Wherever they are, by their last part; a directory among them is kept, but empty.</summary>
    private static readonly HashSet<string> Excluded = new(StringComparer.Ordinal)
    {
        "log", "pg_log", "pg_xlog", "pg_wal", "pgsql_tmp", "postgresql.auto.conf.tmp", "postmaster.pid", "postmaster.opts",
        "recovery.conf", "pg_dynshmem", "pg_notify", "pg_replslot", "pg_serial", "pg_stat_tmp", "pg_snapshots", "pg_subtrans",
        "standby.signal",
    };

    private static readonly EnumerationOptions AllEntries = new()
    {
        AttributesToSkip = 0,
        IgnoreInaccessible = false,
        RecurseSubdirectories = false,
        ReturnSpecialDirectories = false,
    };

    private readonly string root;
    private readonly BackupWarnings warnings;
    private readonly List<TablespaceSpecEntry> tablespaces = [];

    /// <param name="root">The data directory, links resolved.</param>
    public DataDirectoryWalker(string root, BackupWarnings warnings)
    {
        this.root = root;
        this.warnings = warnings;
    }

    /// <summary>Bytes on disk of everything seen so far, directories and what is left out included (wal-g's DataCatalogSize).</summary>
    public long CatalogBytes { get; private set; }

    /// <summary>Files that were gone between the directory's listing and the look at them.</summary>
    public long VanishedCount { get; private set; }

    /// <summary>The tablespaces met so far: links below pg_tblspc.</summary>
    public IReadOnlyList<TablespaceSpecEntry> Tablespaces => tablespaces;

    /// <summary>Walks once. Not thread-safe.</summary>
    /// <exception cref="WalRusException">
    /// <see cref="ErrorCode.FileAccessDenied"/>, <see cref="ErrorCode.FileFailed"/>, <see cref="ErrorCode.DataDirectoryInvalid"/>.
    /// </exception>
    public IEnumerable<WalkedFile> Walk()
    {
        if (!TryLook(root, out var facts))
        {
            throw new WalRusException(ErrorCode.DataDirectoryInvalid, $"The data directory '{root}' is gone.");
        }

        yield return new WalkedFile(root, "/", facts, "");
        foreach (var file in WalkDirectory(root, ""))
        {
            yield return file;
        }
    }

    private IEnumerable<WalkedFile> WalkDirectory(string path, string name)
    {
        using var names = OpenDirectory(path);
        while (names is not null && MoveNext(names, path))
        {
            var child = Path.Join(path, names.Current);
            var childName = $"{name}/{names.Current}";
            if (!TryLook(child, out var facts))
            {
                continue;
            }

            foreach (var file in WalkChild(child, childName, names.Current, facts))
            {
                yield return file;
            }
        }
    }

    private IEnumerable<WalkedFile> WalkChild(string path, string name, string lastPart, FileFacts facts)
    {
        if (Excluded.Contains(lastPart))
        {
            return ExcludedDirectory(path, name, facts);
        }

        switch (facts.Kind)
        {
            case FileKind.Directory:
                return WalkDirectory(path, name).Prepend(new WalkedFile(path, name, facts, ""));
            case FileKind.File:
                return name == ControlFileName ? [] : [new WalkedFile(path, name, facts, "")];
            case FileKind.SymbolicLink when name.LastIndexOf('/') == TablespaceFolder.Length
                && name.StartsWith(TablespaceFolder, StringComparison.Ordinal):
                return WalkTablespace(path, name, lastPart);
            case FileKind.SymbolicLink:
                return Link(path, name, facts);
            default:
                warnings.Add($"'{path}' is a socket, a pipe or a device and is not in the backup.");
                return [];
        }
    }

    /// <summary>
    /// Kept as an empty directory. A link to one too (a pg_wal on another disk): the restored server needs a directory
    /// of that name, which wal-g's backups lack then.
    /// </summary>
    private static WalkedFile[] ExcludedDirectory(string path, string name, FileFacts facts)
    {
        if (facts.Kind == FileKind.SymbolicLink && Directory.Exists(path)
            && FileFacts.TryOfPath(DirectoryPath.Resolve(path), out var target) && target.Kind == FileKind.Directory)
        {
            return [new WalkedFile(path, name, target, "")];
        }

        return facts.Kind == FileKind.Directory ? [new WalkedFile(path, name, facts, "")] : [];
    }

    /// <summary>Neither the link nor the tablespace's own directory has an entry: the sentinel's Spec says where it was.</summary>
    private IEnumerable<WalkedFile> WalkTablespace(string path, string name, string oid)
    {
        if (TargetOf(path) is not { } target)
        {
            return [];
        }

        var location = Path.GetFullPath(target, Path.GetDirectoryName(path)!);
        tablespaces.Add(new TablespaceSpecEntry(oid, location, name[1..]));
        var walked = DirectoryPath.Resolve(location);
        if (TryLook(walked, out _))
        {
            return WalkDirectory(walked, name);
        }

        if (TargetOf(path) is null)
        {
            // Dropped meanwhile, link and all.
            tablespaces.RemoveAt(tablespaces.Count - 1);
            return [];
        }

        throw new WalRusException(
            ErrorCode.DataDirectoryInvalid,
            $"The tablespace {oid} should be in '{location}', which does not exist.",
            "Mount its disk, or remove the link in pg_tblspc if the tablespace is no more; a backup without it would be incomplete.");
    }

    private WalkedFile[] Link(string path, string name, FileFacts facts)
    {
        if (TargetOf(path) is not { } target)
        {
            return [];
        }

        warnings.Add($"'{path}' is a symbolic link to '{target}': the link is in the backup, what it points to is not.");
        return [new WalkedFile(path, name, facts, target)];
    }

    private string? TargetOf(string link)
    {
        try
        {
            var target = new FileInfo(link).LinkTarget;
            VanishedCount += target is null ? 1 : 0;
            return target;
        }
        catch (Exception gone) when (gone is FileNotFoundException or DirectoryNotFoundException)
        {
            VanishedCount++;
            return null;
        }
    }

    private bool TryLook(string path, out FileFacts facts)
    {
        try
        {
            if (FileFacts.TryOfPath(path, out facts))
            {
                CatalogBytes += facts.SizeBytes;
                return true;
            }
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DataFile.Translate(failure, path);
        }

        VanishedCount++;
        if (path.Contains('\uFFFD', StringComparison.Ordinal))
        {
            warnings.Add($"'{path}' has a name that is not valid UTF-8 and is not in the backup.");
        }

        return false;
    }

    /// <summary>Null when the directory is gone.</summary>
    private FileSystemEnumerator<string>? OpenDirectory(string path)
    {
        try
        {
            return new NameEnumerator(path, AllEntries);
        }
        catch (DirectoryNotFoundException)
        {
            VanishedCount++;
            return null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DataFile.Translate(failure, path);
        }
    }

    private static bool MoveNext(FileSystemEnumerator<string> names, string path)
    {
        try
        {
            return names.MoveNext();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw DataFile.Translate(failure, path);
        }
    }

    private sealed class NameEnumerator(string folder, EnumerationOptions options)
        : FileSystemEnumerator<string>(folder, options)
    {
        protected override string TransformEntry(ref FileSystemEntry entry) => entry.FileName.ToString();
    }
}
