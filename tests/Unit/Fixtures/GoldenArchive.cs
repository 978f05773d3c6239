using System.Collections.Concurrent;
using System.Formats.Tar;
using System.IO.Compression;
using System.Text.Json;

namespace WalRus.Tests;

/// <summary>An archive written by a real wal-g or WAL-RUS, read straight from its packed form.</summary>
internal sealed record GoldenArchive(string Name, string Folder)
{
    private static readonly ConcurrentDictionary<string, Lazy<ArchiveContents>> Read = new();

    public bool IsWalG => Name.StartsWith("walg-", StringComparison.Ordinal);

    /// <summary>
    /// All that this machine has: those of <c>WALRUS_GOLDEN</c> or of a folder beside the checkout, else those in the
    /// repository.
    /// </summary>
    public static IReadOnlyList<GoldenArchive> All() => In(FindRoot() ?? RepositoryFolder);

    /// <summary>The few that every checkout has.</summary>
    public static IReadOnlyList<GoldenArchive> InRepository() => In(RepositoryFolder);

    /// <summary>One of them; skips the test when this machine does not have it.</summary>
    public static GoldenArchive Open(string name)
    {
        var found = All().FirstOrDefault(archive => archive.Name == name);
        Assert.SkipWhen(found is null, $"The golden archive {name} is not on this machine (WALRUS_GOLDEN, or ../shared/golden).");
        return found!;
    }

    /// <summary>Unpacks the whole bucket, modification times included, into a folder.</summary>
    /// <returns>The bucket's root.</returns>
    public async Task<string> UnpackAsync(string folder, CancellationToken cancellationToken)
    {
        await using var packed = new GZipStream(File.OpenRead(Path.Combine(Folder, "archive.tar.gz")), CompressionMode.Decompress);
        await TarFile.ExtractToDirectoryAsync(packed, folder, overwriteFiles: false, cancellationToken);
        return Path.Combine(folder, "archive");
    }

    /// <summary>The objects whose key <paramref name="wanted"/> takes, one at a time; the stream lives until the next.</summary>
    public IEnumerable<(string Key, Stream Content, DateTimeOffset Modified)> Objects(Func<string, bool> wanted)
    {
        using var packed = new GZipStream(File.OpenRead(Path.Combine(Folder, "archive.tar.gz")), CompressionMode.Decompress);
        using var tar = new TarReader(packed);
        while (tar.GetNextEntry() is { } entry)
        {
            var key = entry.Name["archive/".Length..];
            if (entry.EntryType is TarEntryType.RegularFile or TarEntryType.V7RegularFile && wanted(key))
            {
                yield return (key, entry.DataStream ?? Stream.Null, entry.ModificationTime);
            }
        }
    }

    /// <summary>Every key.</summary>
    public IReadOnlyList<string> Keys => Contents().Keys;

    /// <summary>golden.json: what was written, and the points with a known answer.</summary>
    public JsonElement Facts => Json("golden.json");

    /// <summary>The JSON documents that end in <paramref name="suffix"/>, whole.</summary>
    public IEnumerable<(string Key, byte[] Content)> Documents(string suffix) =>
        Contents().Documents.Where(found => found.Key.EndsWith(suffix, StringComparison.Ordinal));

    /// <summary>What the writer's own command printed on this archive.</summary>
    public string OutputOf(params string[] arguments) =>
        Json("outputs.json").GetProperty("runs").EnumerateArray().First(run =>
            run.GetProperty("args").EnumerateArray().Select(argument => argument.GetString()).SequenceEqual(arguments)
            && run.GetProperty("exit").GetInt32() == 0).GetProperty("stdout").GetString()!;

    /// <summary>Puts the archive into a folder store's folder, modification times included.</summary>
    public void Unpack(string folder, Func<string, bool>? wanted = null)
    {
        foreach (var (key, content, modified) in Objects(wanted ?? (_ => true)))
        {
            var path = Path.Combine(folder, key.Replace('/', Path.DirectorySeparatorChar));
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            using (var file = File.Create(path))
            {
                content.CopyTo(file);
            }

            File.SetLastWriteTimeUtc(path, modified.UtcDateTime);
        }
    }

    private ArchiveContents Contents() => Read.GetOrAdd(Folder, _ => new Lazy<ArchiveContents>(() =>
    {
        var keys = new List<string>();
        var documents = new List<(string, byte[])>();
        foreach (var (key, content, _) in Objects(_ => true))
        {
            keys.Add(key);
            if (key.EndsWith(".json", StringComparison.Ordinal))
            {
                documents.Add((key, ReadAll(content)));
            }
        }

        return new ArchiveContents(keys, documents);
    })).Value;

    private JsonElement Json(string file)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, file)));
        return document.RootElement.Clone();
    }

    private static string RepositoryFolder => Path.Combine(Repository.Root, "tests", "Unit", "Golden", "archives");

    private static List<GoldenArchive> In(string root) =>
    [
        .. Directory.EnumerateDirectories(root)
            .Where(folder => File.Exists(Path.Combine(folder, "archive.tar.gz")))
            .Order(StringComparer.Ordinal)
            .Select(folder => new GoldenArchive(Path.GetFileName(folder), folder)),
    ];

    private static byte[] ReadAll(Stream stream)
    {
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }

    private static string? FindRoot()
    {
        var told = Environment.GetEnvironmentVariable("WALRUS_GOLDEN");
        if (!string.IsNullOrEmpty(told))
        {
            return told;
        }

        for (var folder = new DirectoryInfo(Repository.Root).Parent; folder is not null; folder = folder.Parent)
        {
            var candidate = Path.Combine(folder.FullName, "shared", "golden");
            if (Directory.Exists(candidate))
            {
                return candidate;
            }
        }

        return null;
    }

    private sealed record ArchiveContents(IReadOnlyList<string> Keys, IReadOnlyList<(string Key, byte[] Content)> Documents);
}
