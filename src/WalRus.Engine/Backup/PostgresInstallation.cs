using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace WalRus.Backup;

/// <summary>PostgreSQL's programs on this machine: a bin folder with initdb, pg_ctl and postgres of one major version.</summary>
/// <param name="BinFolder">Absolute path of the folder that holds the programs.</param>
public sealed record PostgresInstallation(string BinFolder)
{
    /// <summary>Full path of one of the programs, with this system's extension.</summary>
    public string Program(string name) =>
        Path.Combine(BinFolder, OperatingSystem.IsWindows() ? $"{name}.exe" : name);

    /// <summary>True when the program is installed (amcheck's and others' clients may not be).</summary>
    public bool Has(string name) => File.Exists(Program(name));

    /// <summary>
    /// Looks where packages put PostgreSQL, newest major first, then along <paramref name="searchPath"/>.
    /// </summary>
    /// <param name="major">Only this major version; null for the newest.</param>
    /// <param name="searchPath">The PATH variable's value; the engine does not read the environment.</param>
    /// <exception cref="WalRusException"><see cref="ErrorCode.FileNotFound"/> when there is none.</exception>
    public static PostgresInstallation Find(int? major, string? searchPath) =>
        TryFind(major, searchPath, out var found)
            ? found
            : throw new WalRusException(
                ErrorCode.FileNotFound,
                major is null
                    ? "No PostgreSQL server was found on this machine."
                    : $"No PostgreSQL {major} server was found on this machine.",
                "Install it (Debian: apt install postgresql), or name its bin folder.");

    public static bool TryFind(int? major, string? searchPath, [NotNullWhen(true)] out PostgresInstallation? found)
    {
        found = PackageFolders(major)
            .Concat(major is null ? (searchPath ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries) : [])
            .Select(folder => new PostgresInstallation(folder))
            .FirstOrDefault(candidate => candidate.Has("postgres") && candidate.Has("initdb") && candidate.Has("pg_ctl"));
        return found is not null;
    }

    private static IEnumerable<string> PackageFolders(int? major)
    {
        string[] roots = OperatingSystem.IsWindows()
            ? [Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFiles), "PostgreSQL")]
            : ["/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt", "/usr/local/opt", "/usr"];
        return
            from root in roots
            where Directory.Exists(root)
            from folder in Directory.EnumerateDirectories(root)
            let version = MajorOf(Path.GetFileName(folder))
            where version is not null && (major is null || version == major)
            orderby version descending
            select Path.Combine(folder, "bin");
    }

    /// <summary>"17" (Debian, Windows), "pgsql-17" (RPM), "postgresql@17" (Homebrew).</summary>
    private static int? MajorOf(string folderName)
    {
        var digits = folderName.AsSpan(folderName.LastIndexOfAny(['-', '@']) + 1);
        var named = folderName.StartsWith("pgsql-", StringComparison.Ordinal)
            || folderName.StartsWith("postgresql@", StringComparison.Ordinal)
            || digits.Length == folderName.Length;
        return named && int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var version)
            ? version
            : null;
    }
}
