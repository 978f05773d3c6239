using System.IO.Enumeration;

namespace WalRus.Storage.FileSystem;

/// <summary>
/// Walks the files below a folder, depth first, one open folder a level: memory follows the depth, not the number of
/// files. Temporary files are hidden, and so are folders in which nothing is visible, since an object store has none.
/// </summary>
/// <param name="root">The store's root.</param>
/// <param name="request">What to list.</param>
/// <param name="sawTemporary">Told each temporary file's path and when its write began.</param>
internal sealed class FolderListing(string root, ListRequest request, Action<string, DateTimeOffset> sawTemporary)
{
    private static readonly EnumerationOptions Everything = new()
    {
        // What cannot be read must be an error: a backup that is silently not listed could be taken for one that is gone.
        IgnoreInaccessible = false,
        AttributesToSkip = 0,
        ReturnSpecialDirectories = false,
    };

    public IEnumerable<ListEntry> Entries()
    {
        var folder = request.Folder.Trim('/');
        if (folder.Length > 0 && !ObjectKey.TryParse(folder, out _))
        {
            yield break;
        }

        foreach (var found in Walk(folder, request.NamePrefix ?? "", request.Recursive))
        {
            if (request.StartAfter is not { } after || found.Key.CompareTo(after) > 0)
            {
                yield return found;
            }
        }
    }

    private IEnumerable<ListEntry> Walk(string folder, string namePrefix, bool recursive)
    {
        var files = Open(folder);
        if (files is null)
        {
            yield break;
        }

        foreach (var file in files)
        {
            var name = folder.Length == 0 ? file.Name : $"{folder}/{file.Name}";
            if (!file.Name.StartsWith(namePrefix, StringComparison.Ordinal)
                || IsHidden(folder, file) || !ObjectKey.TryParse(name, out var key))
            {
                continue;
            }

            if (!file.IsFolder)
            {
                if (ToObject(key, file) is { } entry)
                {
                    yield return entry;
                }
            }
            else if (recursive && !IsAllBefore(name))
            {
                foreach (var below in Walk(name, "", recursive: true))
                {
                    yield return below;
                }
            }
            else if (!recursive && Walk(name, "", recursive: true).Any())
            {
                yield return new ListEntry(key, IsFolder: true, 0, default);
            }
        }
    }

    private bool IsHidden(string folder, in Found file)
    {
        if (file.IsFolder)
        {
            // What fsck keeps for itself at the top of a disk, unreadable to most.
            return folder.Length == 0 && file.Name == "lost+found";
        }

        if (!TemporaryName.TryParse(file.Name, out var started))
        {
            return false;
        }

        sawTemporary(Path.Join(root, folder, file.Name), started);
        return true;
    }

    /// <summary>True when every key in the folder comes before <see cref="ListRequest.StartAfter"/>.</summary>
    private bool IsAllBefore(string folder)
    {
        if (request.StartAfter is not { } after)
        {
            return false;
        }

        var prefix = folder + "/";
        var text = after.ToString();
        return string.CompareOrdinal(prefix, text) < 0 && !text.StartsWith(prefix, StringComparison.Ordinal);
    }

    private ListEntry? ToObject(ObjectKey key, in Found file)
    {
        var target = file.IsReparsePoint
            ? new FileInfo(Path.Join(root, key.ToString())).ResolveLinkTarget(returnFinalTarget: true)
            : null;
        if (target is not null)
        {
            return target is FileInfo { Exists: true } linked
                ? new ListEntry(key, false, linked.Length, new DateTimeOffset(linked.LastWriteTimeUtc))
                : null;
        }

        // A file deleted since its name was read has no time.
        return file.LastModified.Year < 1700 ? null : new ListEntry(key, false, file.SizeBytes, file.LastModified);
    }

    private FileSystemEnumerable<Found>? Open(string folder)
    {
        var path = folder.Length == 0 ? root : Path.Join(root, folder);
        try
        {
            return new FileSystemEnumerable<Found>(path, static (ref FileSystemEntry entry) => new Found(ref entry), Everything);
        }
        catch (IOException) when (!Directory.Exists(path))
        {
            return null;
        }
    }

    private readonly struct Found(ref FileSystemEntry entry)
    {
        public string Name { get; } = entry.FileName.ToString();

        public bool IsFolder { get; } = entry.IsDirectory;

        /// <summary>A link; on Windows also a file that a filter keeps elsewhere.</summary>
        public bool IsReparsePoint { get; } = (entry.Attributes & FileAttributes.ReparsePoint) != 0;

        public long SizeBytes { get; } = entry.IsDirectory ? 0 : entry.Length;

        public DateTimeOffset LastModified { get; } = entry.LastWriteTimeUtc;
    }
}
