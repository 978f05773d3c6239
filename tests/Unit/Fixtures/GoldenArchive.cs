using System.Formats.Tar;
using System.IO.Compression;

namespace WalRus.Tests;

/// <summary>An archive written by a real wal-g or WAL-RUS, read straight from its packed form.</summary>
internal sealed record GoldenArchive(string Name, string Folder)
{
    public bool IsWalG => Name.StartsWith("walg-", StringComparison.Ordinal);

    /// <summary>All of them; skips the test when this machine has none (<c>WALRUS_GOLDEN</c> or a folder beside the checkout).</summary>
    public static IReadOnlyList<GoldenArchive> All()
    {
        var root = FindRoot();
        Assert.SkipWhen(root is null, "The golden archives are not on this machine (WALRUS_GOLDEN, or ../shared/golden).");
        return [.. Directory.EnumerateDirectories(root!)
            .Where(folder => File.Exists(Path.Combine(folder, "archive.tar.gz")))
            .Order(StringComparer.Ordinal)
            .Select(folder => new GoldenArchive(Path.GetFileName(folder), folder))];
    }

    public static GoldenArchive Open(string name) => All().Single(archive => archive.Name == name);

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

    /// <summary>The objects that end in <paramref name="suffix"/>, whole.</summary>
    public IEnumerable<(string Key, byte[] Content)> Documents(string suffix) =>
        Objects(key => key.EndsWith(suffix, StringComparison.Ordinal)).Select(found => (found.Key, ReadAll(found.Content)));

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
}
