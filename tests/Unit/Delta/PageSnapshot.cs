using WalRus.Delta;
using WalRus.Postgres;

namespace WalRus.Tests.Delta;

/// <summary>The headers of all pages of a stopped cluster's relations: two pages with the same LSN are the same but for hints.</summary>
internal sealed class PageSnapshot
{
    private const int PageBytes = 8192;

    private PageSnapshot(ControlFile control, Dictionary<RelationSegment, byte[][]> files)
    {
        Control = control;
        Files = files;
    }

    public ControlFile Control { get; }

    /// <summary>Each page's first 24 bytes.</summary>
    public IReadOnlyDictionary<RelationSegment, byte[][]> Files { get; }

    public static PageSnapshot Take(string dataDirectory)
    {
        var control = ControlFile.Parse(File.ReadAllBytes(Path.Combine(dataDirectory, "global", "pg_control")));
        var files = new Dictionary<RelationSegment, byte[][]>();

        // The links of tablespaces are followed by hand: the framework does not go through them.
        var folders = new List<(string Folder, string Name)> { (Path.Combine(dataDirectory, "base"), "base") };
        foreach (var link in new DirectoryInfo(Path.Combine(dataDirectory, "pg_tblspc")).EnumerateDirectories())
        {
            folders.Add((link.ResolveLinkTarget(true)!.FullName, $"pg_tblspc/{link.Name}"));
        }

        foreach (var (folder, name) in folders)
        {
            foreach (var path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
            {
                var relative = $"{name}/{Path.GetRelativePath(folder, path).Replace('\\', '/')}";
                if (RelationSegment.TryParse(relative, out var segment) && !path.EndsWith("PG_VERSION", StringComparison.Ordinal))
                {
                    files[segment] = Headers(File.ReadAllBytes(path));
                }
            }
        }

        return new PageSnapshot(control, files);
    }

    /// <summary>
    /// Applies what a source says to this snapshot, as restoring a delta does, and returns where the result is not the later one.
    /// </summary>
    public async Task<(List<string> Wrong, int FilesRead, List<RelationSegment> Unread)> ApplyAsync(IChangedBlockSource source, PageSnapshot later, Lsn since)
    {
        var (wrong, filesRead, unread) = (new List<string>(), 0, new List<RelationSegment>());
        foreach (var (segment, pages) in later.Files)
        {
            if (!Files.TryGetValue(segment, out var before))
            {
                continue;
            }

            var candidates = new BlockSet(131072);
            var answer = await source.FindAsync(segment, candidates, TestContext.Current.CancellationToken);
            Assert.NotEqual(ChangedBlocks.Unknown, answer);
            if (answer == ChangedBlocks.Replaced)
            {
                continue;
            }

            var isRead = candidates.Next(0) is >= 0 and var first && first < pages.Length;
            filesRead += isRead ? 1 : 0;
            if (!isRead)
            {
                unread.Add(segment);
            }

            for (var block = 0; block < pages.Length; block++)
            {
                var isTaken = candidates.Contains(block) && Of(pages[block], since) != PageState.Unchanged;
                var result = isTaken ? pages[block] : block < before.Length ? before[block] : new byte[PageHeader.Length];
                if (!IsSame(result, pages[block]))
                {
                    wrong.Add($"{segment} {block}: {PageHeader.Read(result)} instead of {PageHeader.Read(pages[block])}");
                }
            }
        }

        return (wrong, filesRead, unread);
    }

    private static PageState Of(byte[] header, Lsn since)
    {
        var page = new byte[PageBytes];
        header.CopyTo(page, 0);
        return PageChange.Of(page, since);
    }

    private static bool IsSame(byte[] left, byte[] right)
    {
        var (one, other) = (PageHeader.Read(left), PageHeader.Read(right));
        return (one.Lsn, one.Lower, one.Upper, one.Special) == (other.Lsn, other.Lower, other.Upper, other.Special);
    }

    private static byte[][] Headers(byte[] file) =>
        [.. Enumerable.Range(0, file.Length / PageBytes).Select(block => file.AsSpan(block * PageBytes, PageHeader.Length).ToArray())];
}
