namespace WalRus.Backup;

/// <summary>
/// The names of tar members, made safe: relative to the data directory, '/' between segments, nothing that could lead
/// out of it or mean something else on this system.
/// </summary>
internal static class RestorePath
{
    private const int MaxLength = 4096;

    /// <summary>What PostgreSQL itself puts before the name of a file of which it sends an increment.</summary>
    private const string NativeIncrement = "INCREMENTAL.";

    /// <summary>
    /// wal-g's local backups write a leading '/', its remote ones none, some writers "./"; the data directory itself
    /// comes back as "".
    /// </summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.PathEscapesDestination"/>.</exception>
    public static string Normalize(string memberName, string archiveName)
    {
        var start = memberName.StartsWith("./", StringComparison.Ordinal) ? 2 : memberName.StartsWith('/') ? 1 : 0;
        var length = memberName.Length - start - (memberName.Length > start && memberName.EndsWith('/') ? 1 : 0);
        if (length <= 0 || memberName is ".")
        {
            return memberName.Length > 0 ? "" : throw Escapes(memberName, archiveName);
        }

        var relative = memberName.Substring(start, length);
        return IsSafe(relative, OperatingSystem.IsWindows()) ? relative : throw Escapes(memberName, archiveName);
    }

    /// <summary>Takes "base/5/INCREMENTAL.1259" for an increment of "base/5/1259".</summary>
    /// <returns>False, and the name as it was, for every other.</returns>
    public static bool TryPlainName(ref string relative)
    {
        var start = relative.LastIndexOf('/') + 1;
        if (start == 0 || relative.Length == start + NativeIncrement.Length
            || !relative.AsSpan(start).StartsWith(NativeIncrement, StringComparison.Ordinal))
        {
            return false;
        }

        relative = string.Concat(relative.AsSpan(0, start), relative.AsSpan(start + NativeIncrement.Length));
        return true;
    }

    /// <summary>True for a relative path whose every segment is an ordinary file name on the system.</summary>
    internal static bool IsSafe(string relative, bool windows)
    {
        if (relative.Length > MaxLength || relative.Contains('\0', StringComparison.Ordinal))
        {
            return false;
        }

        for (var rest = relative.AsSpan(); ;)
        {
            var slash = rest.IndexOf('/');
            var segment = slash < 0 ? rest : rest[..slash];
            if (segment is "" or "." or ".." || (windows && !IsWindowsName(segment)))
            {
                return false;
            }

            if (slash < 0)
            {
                return true;
            }

            rest = rest[(slash + 1)..];
        }
    }

    /// <summary>
    /// Windows gives meaning to a colon (drives, alternate streams), a backslash, device names with any extension, and
    /// drops dots and spaces at the end.
    /// </summary>
    private static bool IsWindowsName(ReadOnlySpan<char> segment)
    {
        if (segment.IndexOfAny("<>:\"\\|?*") >= 0 || segment.IndexOfAnyInRange('\0', '\x1f') >= 0 || segment[^1] is '.' or ' ')
        {
            return false;
        }

        var dot = segment.IndexOf('.');
        var stem = (dot < 0 ? segment : segment[..dot]).TrimEnd(' ');
        return !IsDevice(stem);
    }

    private static bool IsDevice(ReadOnlySpan<char> stem)
    {
        if (stem.Length == 4 && (stem[3] is >= '0' and <= '9' or '¹' or '²' or '³'))
        {
            return stem[..3].Equals("COM", StringComparison.OrdinalIgnoreCase)
                || stem[..3].Equals("LPT", StringComparison.OrdinalIgnoreCase);
        }

        foreach (var device in (ReadOnlySpan<string>)["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"])
        {
            if (stem.Equals(device, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }

    private static WalRusException Escapes(string memberName, string archiveName) => new(
        ErrorCode.PathEscapesDestination,
        $"'{archiveName}' holds a member named '{Shown(memberName)}', which does not lie inside the data directory on this system.",
        "Do not restore this backup: no PostgreSQL backup holds such names.");

    private static string Shown(string name) => name.Length <= 200 ? name : $"{name[..200]}...";
}
