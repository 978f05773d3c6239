using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using WalRus.Streaming;

namespace WalRus.Backup;

/// <summary>
/// A data directory that is there already and that a restore wants to empty: only one that is provably the same cluster's,
/// stopped, and all on its own file system.
/// </summary>
internal static class ExistingCluster
{
    private const string MountTable = "/proc/self/mountinfo";

    /// <exception cref="WalRusException"><see cref="ErrorCode.DestinationForeign"/>, with what speaks against it.</exception>
    public static void CheckMayBeEmptied(string path, ulong? systemIdentifier)
    {
        try
        {
            if (Problem(path, systemIdentifier) is { } problem)
            {
                throw new WalRusException(
                    ErrorCode.DestinationForeign,
                    $"'{path}' will not be emptied: {problem}.",
                    "Restore into a missing or empty directory. Force works only over a stopped data directory of the same cluster.");
            }
        }
        catch (Exception failed) when (failed is IOException or UnauthorizedAccessException)
        {
            throw DurableFile.Translate(failed, path);
        }
    }

    /// <summary>
    /// Whether a restore of this cluster that was killed left all of it: its claim is there, and the control file, which
    /// comes last, is not. So no server ever ran on it.
    /// </summary>
    public static bool IsUnfinishedRestore(string path, ulong? systemIdentifier)
    {
        var claim = Path.Combine(path, RestoreDestination.ClaimName);
        try
        {
            return File.Exists(claim) && !HasControlFile(path) && ClaimProblem(claim, systemIdentifier) is null;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }

    public static bool HasControlFile(string path) => File.Exists(Path.Combine(path, "global", "pg_control"));

    /// <summary>
    /// Deletes what is in a directory; links are removed, never followed. A control file goes first, so that what a
    /// killed call leaves does not look like a data directory.
    /// </summary>
    public static void Empty(string folder, string? except = null)
    {
        var global = new DirectoryInfo(Path.Combine(folder, "global"));
        if (global is { Exists: true, LinkTarget: null })
        {
            File.Delete(Path.Combine(global.FullName, "pg_control"));
            DurableFile.SyncFolder(global.FullName);
        }

        foreach (var entry in new DirectoryInfo(folder).GetFileSystemInfos())
        {
            if (entry.Name == except)
            {
                continue;
            }

            if (entry is DirectoryInfo { LinkTarget: null } inner)
            {
                inner.Delete(recursive: true);
            }
            else
            {
                entry.Delete();
            }
        }
    }

    private static string? Problem(string path, ulong? systemIdentifier)
    {
        if (MountsBelow(path).FirstOrDefault() is { } mount)
        {
            return $"'{mount}' is a file system of its own";
        }

        // An empty claim was killed before it said for whom: the control file says more, if there is one.
        var claim = new FileInfo(Path.Combine(path, RestoreDestination.ClaimName));
        if (claim.Exists && (claim.Length > 0 || !HasControlFile(path)))
        {
            return ClaimProblem(claim.FullName, systemIdentifier) ?? RunningProblem(Path.Combine(path, "postmaster.pid"));
        }

        var control = Path.Combine(path, "global", "pg_control");
        if (!File.Exists(Path.Combine(path, "PG_VERSION")) || !HasControlFile(path))
        {
            return "it is no PostgreSQL data directory (PG_VERSION and global/pg_control are not both there)";
        }

        if (systemIdentifier is null)
        {
            return "the backup does not tell its cluster's system identifier";
        }

        var found = IdentifierIn(control);
        return found != systemIdentifier
            ? $"it belongs to another cluster (system identifier {found}, the backup's is {systemIdentifier})"
            : RunningProblem(Path.Combine(path, "postmaster.pid"));
    }

    private static string? ClaimProblem(string claim, ulong? systemIdentifier)
    {
        try
        {
            using var reader = new StreamReader(new FileStream(claim, FileMode.Open, FileAccess.Read, FileShare.None));
            var written = reader.ReadToEnd();
            if (written.Length == 0 && Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(claim)!).Count() == 1)
            {
                // There is nothing else.
                return null;
            }

            return systemIdentifier is { } expected && written == expected.ToString(CultureInfo.InvariantCulture)
                ? null
                : $"an unfinished restore of another cluster is in it (system identifier {written})";
        }
        catch (IOException)
        {
            return "another restore into it is running";
        }
    }

    /// <summary>The first eight bytes of pg_control, in the byte order of the machine it was written on: this one's.</summary>
    private static ulong IdentifierIn(string control)
    {
        Span<byte> identifier = stackalloc byte[sizeof(ulong)];
        using var handle = File.OpenHandle(control, share: FileShare.ReadWrite);
        return RandomAccess.Read(handle, identifier, 0) == identifier.Length
            ? BinaryPrimitives.ReadUInt64LittleEndian(identifier)
            : 0;
    }

    private static string? RunningProblem(string pidFile)
    {
        if (!File.Exists(pidFile))
        {
            return null;
        }

        using var reader = new StreamReader(
            new FileStream(pidFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        if (!int.TryParse(reader.ReadLine(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var pid))
        {
            return "its postmaster.pid cannot be read";
        }

        try
        {
            // A single-user server writes its number negative.
            using var process = Process.GetProcessById(Math.Abs(pid));
            return process.HasExited
                ? null
                : $"its server seems to be running (postmaster.pid names process {Math.Abs(pid)}); stop it, or remove that file if it is stale";
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    /// <summary>Mount points strictly inside a folder; Linux only. Elsewhere a folder's own links are what there is.</summary>
    private static IEnumerable<string> MountsBelow(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return new DirectoryInfo(path)
                .EnumerateDirectories("*", SearchOption.AllDirectories)
                .Where(folder => folder.Attributes.HasFlag(FileAttributes.ReparsePoint) && folder.LinkTarget is null)
                .Select(folder => folder.FullName);
        }

        if (!File.Exists(MountTable))
        {
            return [];
        }

        // The table has real paths; the kernel knows the one behind links anywhere in ours.
        using var handle = UnixFiles.OpenFolder(path);
        var real = new FileInfo(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{handle.DangerousGetHandle()}")).LinkTarget ?? path;
        return File.ReadLines(MountTable)
            .Select(line => line.Split(' '))
            .Where(fields => fields.Length > 4)
            .Select(fields => fields[4].Replace("\\040", " ", StringComparison.Ordinal))
            .Where(mount => mount.StartsWith(real + "/", StringComparison.Ordinal))
            .ToList();
    }
}
