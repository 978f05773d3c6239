namespace WalRus.Backup;

/// <summary>Comparing paths of directories as the file system sees them.</summary>
internal static class DirectoryPath
{
    private const int MaxLinks = 40;

    /// <summary>The absolute path with every symbolic link in it resolved, no trailing separator.</summary>
    /// <exception cref="IOException">More links than a file system would follow.</exception>
    public static string Resolve(string path)
    {
        var links = 0;
        var pending = new Stack<string>();
        var full = Path.GetFullPath(path);
        var resolved = Path.GetPathRoot(full)!;
        Push(pending, full[resolved.Length..]);
        while (pending.TryPop(out var part))
        {
            var next = Path.Combine(resolved, part);
            if (new FileInfo(next).LinkTarget is not { } target)
            {
                resolved = next;
                continue;
            }

            if (++links > MaxLinks)
            {
                throw new IOException($"'{path}' leads through too many symbolic links.");
            }

            // The target may itself hold links and "..": it is walked part by part from where the link stands.
            var aim = Path.GetFullPath(target, resolved);
            resolved = Path.GetPathRoot(aim)!;
            Push(pending, aim[resolved.Length..]);
        }

        return resolved;
    }

    /// <summary>True when both are the same place, given that links are resolved.</summary>
    public static bool AreSame(string left, string right) => string.Equals(
        Path.TrimEndingDirectorySeparator(left),
        Path.TrimEndingDirectorySeparator(right),
        OperatingSystem.IsWindows() ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal);

    private static void Push(Stack<string> pending, string relative)
    {
        var parts = relative.Split([Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar], StringSplitOptions.RemoveEmptyEntries);
        for (var i = parts.Length - 1; i >= 0; i--)
        {
            pending.Push(parts[i]);
        }
    }
}
