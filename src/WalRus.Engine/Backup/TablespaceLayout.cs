using System.Text;
using WalRus.WalG;

namespace WalRus.Backup;

/// <summary>
/// Where everything of a restored cluster goes: the data directory, and its tablespaces, each in a directory of its own
/// outside that pg_tblspc links to. Tablespaces without a specification ("in place") are ordinary folders inside.
/// </summary>
internal sealed class TablespaceLayout
{
    public const string LinkFolder = "pg_tblspc";

    private TablespaceLayout(string dataDirectory, IReadOnlyList<TablespaceTarget> tablespaces)
    {
        DataDirectory = dataDirectory;
        Tablespaces = tablespaces;
    }

    /// <summary>Absolute.</summary>
    public string DataDirectory { get; }

    /// <summary>Every tablespace that is not in place, with the absolute directory it is restored into.</summary>
    public IReadOnlyList<TablespaceTarget> Tablespaces { get; }

    /// <summary>All directories that the restore fills: the data directory first.</summary>
    public IEnumerable<string> Roots => Tablespaces.Select(tablespace => tablespace.Location).Prepend(DataDirectory);

    /// <summary>Decides where each tablespace goes.</summary>
    /// <param name="dataDirectory">Absolute.</param>
    /// <param name="spec">Where they were; null when there were none.</param>
    /// <param name="asked">Those that go elsewhere.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.TablespaceMappingInvalid"/>.</exception>
    public static TablespaceLayout Create(
        string dataDirectory, TablespaceSpec? spec, IReadOnlyList<TablespaceTarget> asked)
    {
        var entries = spec?.Entries ?? [];
        foreach (var target in asked)
        {
            if (!entries.Any(entry => entry.Name == target.Oid))
            {
                throw Invalid(
                    $"The backup has no tablespace '{target.Oid}'.",
                    entries.Count == 0 ? "It has none at all." : $"It has: {Describe(entries)}.");
            }
        }

        if (asked.GroupBy(target => target.Oid).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            throw Invalid($"Tablespace {twice.Key} is mapped more than once.", null);
        }

        var targets = entries.Select(entry => Target(entry, asked)).ToList();
        CheckApart(targets.Select(target => target.Location).Prepend(dataDirectory).ToList());
        return new TablespaceLayout(dataDirectory, targets);
    }

    /// <summary>The local path of a member, by its safe relative name ("" for the data directory).</summary>
    public string PathOf(string relative)
    {
        if (relative.StartsWith(LinkFolder + "/", StringComparison.Ordinal))
        {
            var name = relative.AsSpan(LinkFolder.Length + 1);
            var slash = name.IndexOf('/');
            var oid = slash < 0 ? name : name[..slash];
            foreach (var tablespace in Tablespaces)
            {
                if (oid.SequenceEqual(tablespace.Oid))
                {
                    return slash < 0 ? tablespace.Location : Join(tablespace.Location, name[(slash + 1)..]);
                }
            }
        }

        return relative.Length == 0 ? DataDirectory : Join(DataDirectory, relative);
    }

    /// <summary>
    /// tablespace_map for the new places. PostgreSQL reads it when recovery from a backup starts and makes its links
    /// anew from it, so the old one would lead back to the original cluster's directories.
    /// </summary>
    public byte[] MapFile()
    {
        var map = new StringBuilder();
        foreach (var (oid, location) in Tablespaces)
        {
            map.Append(oid).Append(' ');
            foreach (var character in location)
            {
                // PostgreSQL's reader takes a backslash before these as part of the name.
                if (character is '\\' or '\n' or '\r')
                {
                    map.Append('\\');
                }

                map.Append(character);
            }

            map.Append('\n');
        }

        return Encoding.UTF8.GetBytes(map.ToString());
    }

    public static string Describe(IEnumerable<TablespaceSpecEntry> entries) =>
        string.Join(", ", entries.Select(entry => $"{entry.Name} ({entry.Location})"));

    private static TablespaceTarget Target(TablespaceSpecEntry entry, IReadOnlyList<TablespaceTarget> asked)
    {
        if (entry.Name.Length is 0 or > 10 || entry.Name.AsSpan().IndexOfAnyExceptInRange('0', '9') >= 0
            || entry.Link != $"{LinkFolder}/{entry.Name}")
        {
            throw Invalid(
                $"The backup describes a tablespace '{entry.Name}' with the link '{entry.Link}', which PostgreSQL would not make.",
                "The backup's sentinel is damaged or forged.");
        }

        var mapped = asked.FirstOrDefault(target => target.Oid == entry.Name);
        var location = mapped?.Location ?? entry.Location;
        if (!Path.IsPathFullyQualified(location) || location.Contains('\0', StringComparison.Ordinal))
        {
            throw Invalid(
                mapped is null
                    ? $"Tablespace {entry.Name} was in '{location}', which is no path on this system."
                    : $"Tablespace {entry.Name} is mapped to '{location}', which is not an absolute path.",
                $"Map it to an absolute path of a missing or empty directory, for example {Example(entry.Name)}.");
        }

        return new TablespaceTarget(entry.Name, Path.TrimEndingDirectorySeparator(Path.GetFullPath(location)));
    }

    /// <summary>What to pass for a tablespace, in the form both faces take.</summary>
    public static string Example(string oid) =>
        OperatingSystem.IsWindows() ? $@"{oid}=D:\restored\{oid}" : $"{oid}=/mnt/restored/{oid}";

    private static void CheckApart(IReadOnlyList<string> roots)
    {
        foreach (var outer in roots)
        {
            foreach (var inner in roots.Where(root => !ReferenceEquals(root, outer)))
            {
                if (IsInside(inner, outer))
                {
                    throw Invalid(
                        $"'{inner}' lies inside '{outer}': the data directory and each tablespace need a directory of their own.",
                        "Map the tablespace to a directory beside, not inside.");
                }
            }
        }
    }

    /// <summary>True for the same path too.</summary>
    private static bool IsInside(string inner, string outer)
    {
        var comparison = OperatingSystem.IsWindows() || OperatingSystem.IsMacOS()
            ? StringComparison.OrdinalIgnoreCase
            : StringComparison.Ordinal;
        return inner.Equals(outer, comparison)
            || inner.StartsWith(Path.EndsInDirectorySeparator(outer) ? outer : outer + Path.DirectorySeparatorChar, comparison);
    }

    private static string Join(string folder, ReadOnlySpan<char> relative)
    {
        var path = string.Concat(folder, "/", relative);
        return OperatingSystem.IsWindows() ? path.Replace('/', '\\') : path;
    }

    private static WalRusException Invalid(string message, string? hint) =>
        new(ErrorCode.TablespaceMappingInvalid, message, hint);
}
