using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace WalRus.Streaming;

/// <summary>
/// Finds the C libraries the engine calls (lz4, zstd, lzma, sodium) by their exact file names. A library is loaded when
/// it is first needed and kept for the life of the process; the others are never looked for.
/// </summary>
/// <remarks>
/// Order: the file that the library's environment variable names ("none" hides the library); beside the engine and in its
/// <c>runtimes/RID/native</c>; the system's loader; on Windows the <c>bin</c> folders of PostgreSQL, newest first.
/// </remarks>
public static class NativeLibraries
{
    private const string NoLibrary = "none";
    private static readonly ConcurrentDictionary<string, Lazy<Outcome>> Loaded = new(StringComparer.Ordinal);

    static NativeLibraries() =>
        NativeLibrary.SetDllImportResolver(
            typeof(NativeLibraries).Assembly, static (name, _, _) => NativeLibraryDescription.Find(name) is null ? 0 : Reference(name));

    /// <summary>Whether the library can be loaded here; the answer is final for this process.</summary>
    /// <param name="name">"lz4", "zstd", "lzma" or "sodium".</param>
    public static bool IsAvailable(string name) => Load(name).Failure is null;

    /// <summary>
    /// Whether the system has no such library and the operator named none (or named "none"): only then may a managed
    /// implementation stand in for it. A named file that does not load is an error instead.
    /// </summary>
    public static bool IsAbsent(string name) => Load(name).Failure is { OverridePath: null };

    /// <summary>Makes sure that calls into the library will find it. Call before the first import of that library.</summary>
    /// <exception cref="WalRusException"><see cref="ErrorCode.NativeLibraryMissing"/>, the hint naming the package.</exception>
    public static void Require(string name)
    {
        if (Load(name).Failure is { } failure)
        {
            throw failure.ToException();
        }
    }

    /// <summary>One search without its cache.</summary>
    /// <param name="library">What to look for.</param>
    /// <param name="overridePath">The value of the library's environment variable, or null.</param>
    internal static Outcome Search(NativeLibraryDescription library, string? overridePath)
    {
        if (overridePath == NoLibrary)
        {
            return new Outcome(0, new MissingLibrary(library, null));
        }

        if (!string.IsNullOrEmpty(overridePath))
        {
            // An override that does not load is never replaced by another library behind the operator's back.
            return NativeLibrary.TryLoad(overridePath, out var chosen)
                ? new Outcome(chosen, null)
                : new Outcome(0, new MissingLibrary(library, overridePath));
        }

        foreach (var file in library.FileNames)
        {
            if (TryLoad(file, out var handle))
            {
                return new Outcome(handle, null);
            }
        }

        return new Outcome(0, new MissingLibrary(library, null));
    }

    /// <summary>
    /// A reference of the caller's own to a library. Of two threads that make the first call into a library at once, the
    /// runtime of an AOT program frees what the later one was given (InteropHelpers.FixupModuleCell): were that the handle
    /// which all share, the library would be unloaded in the middle of the other's call.
    /// </summary>
    /// <returns>0 when the library cannot be loaded.</returns>
    internal static nint Reference(string name) =>
        Load(name).Failure is null ? Search(Describe(name), Overriding(name)).Handle : 0;

    private static NativeLibraryDescription Describe(string name) => NativeLibraryDescription.Find(name)
        ?? throw new ArgumentException($"'{name}' is not a library of the engine.", nameof(name));

    private static string? Overriding(string name) => Environment.GetEnvironmentVariable(Describe(name).OverrideVariable);

    private static Outcome Load(string name) => Loaded
        .GetOrAdd(name, static name => new Lazy<Outcome>(() => Search(Describe(name), Overriding(name)))).Value;

    // A name with a folder in it goes to the loader as a full path only: a relative one would be looked up below the
    // current folder, which may be anybody's. A bare name goes to the system's loader, without that folder and PATH.
    private static bool TryLoad(string file, out nint handle) =>
        TryLoad(BesideEngine(file), out handle)
        || NativeLibrary.TryLoad(file, typeof(NativeLibraries).Assembly, DllImportSearchPath.SafeDirectories, out handle)
        || TryLoad(OfOtherPrograms(file), out handle);

    private static bool TryLoad(IEnumerable<string> paths, out nint handle)
    {
        foreach (var path in paths)
        {
            if (File.Exists(path) && NativeLibrary.TryLoad(path, out handle))
            {
                return true;
            }
        }

        handle = 0;
        return false;
    }

    private static string PortableRuntimeIdentifier =>
        (OperatingSystem.IsWindows() ? "win-" : OperatingSystem.IsMacOS() ? "osx-" : "linux-")
        + RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();

    [UnconditionalSuppressMessage("SingleFile", "IL3000", Justification = "Empty in the executable, whose folder is the base directory.")]
    private static IEnumerable<string> BesideEngine(string file)
    {
        // A module's folder is not its host's.
        string[] folders = [Path.GetDirectoryName(typeof(NativeLibraries).Assembly.Location) ?? "", AppContext.BaseDirectory];
        return folders.Where(Path.IsPathFullyQualified).Distinct(StringComparer.Ordinal)
            .SelectMany(folder => new[] { Path.Combine(folder, file), Path.Combine(folder, "runtimes", PortableRuntimeIdentifier, "native", file) });
    }

    private static IEnumerable<string> OfOtherPrograms(string file)
    {
        if (OperatingSystem.IsMacOS())
        {
            yield return Path.Combine("/opt/homebrew/lib", file);
            yield return Path.Combine("/usr/local/lib", file);
        }
        else if (OperatingSystem.IsWindows())
        {
            foreach (var folder in PostgresFolders())
            {
                yield return Path.Combine(folder, file);
            }
        }
    }

    private static IEnumerable<string> PostgresFolders()
    {
        var root = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ProgramFiles), "PostgreSQL");
        return !Directory.Exists(root)
            ? []
            : Directory.EnumerateDirectories(root)
                .OrderByDescending(folder => int.TryParse(Path.GetFileName(folder), out var major) ? major : 0)
                .Select(folder => Path.Combine(folder, "bin"));
    }

    /// <summary>What a search found: a handle, or why there is none.</summary>
    internal readonly record struct Outcome(nint Handle, MissingLibrary? Failure);

    /// <summary>Made into a fresh exception each time it is thrown.</summary>
    internal sealed record MissingLibrary(NativeLibraryDescription Library, string? OverridePath)
    {
        public WalRusException ToException() => OverridePath is null
            ? new(
                ErrorCode.NativeLibraryMissing,
                $"The library {Library.Name} was not found (looked for {string.Join(", ", Library.FileNames)}).",
                $"{Library.InstallHint}, or name the file in the environment variable {Library.OverrideVariable}.")
            : new(
                ErrorCode.NativeLibraryMissing,
                $"{Library.OverrideVariable} names '{OverridePath}', which cannot be loaded.",
                "Correct the path, or remove the variable to use the system's library.");
    }
}
