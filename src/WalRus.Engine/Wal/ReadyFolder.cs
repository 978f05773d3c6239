using System.IO.Enumeration;

namespace WalRus.Wal;

/// <summary>
/// PostgreSQL's <c>archive_status</c>: NAME.ready for each file that waits to be archived. PostgreSQL itself renames it to
/// NAME.done once archive_command has succeeded. Reading it never holds more names than asked for, however many there are.
/// </summary>
/// <param name="walFolder">pg_wal.</param>
internal sealed class ReadyFolder(string walFolder)
{
    private const string Suffix = ".ready";

    /// <summary>PostgreSQL names no longer file (pgarch.h, MAX_XFN_CHARS); a foreign one is passed over.</summary>
    private const int LongestName = 40;

    private readonly string folder = Path.Combine(walFolder, "archive_status");

    public bool Exists => Directory.Exists(folder);

    public bool IsReady(string name) => File.Exists(PathOf(name));

    /// <summary>Every ready name, in the directory's own order.</summary>
    public IEnumerable<string> Names() => new FileSystemEnumerable<string>(
        folder, (ref FileSystemEntry entry) => entry.FileName[..^Suffix.Length].ToString(), Options)
    {
        ShouldIncludePredicate = (ref FileSystemEntry entry) => IsReadyName(entry.FileName),
    };

    /// <summary>How many are ready, counted to <paramref name="limit"/> at most.</summary>
    public int Count(int limit)
    {
        if (!Exists)
        {
            return 0;
        }

        var entries = new FileSystemEnumerable<byte>(folder, (ref FileSystemEntry _) => 0, Options)
        {
            ShouldIncludePredicate = (ref FileSystemEntry entry) => IsReadyName(entry.FileName),
        };
        return entries.Take(limit).Count();
    }

    /// <summary>
    /// The ready names PostgreSQL will ask for first: timeline history files, then all others by name (pgarch.c,
    /// ready_file_comparator).
    /// </summary>
    /// <param name="count">How many at most.</param>
    /// <param name="isWanted">Names it refuses are left out.</param>
    public IReadOnlyList<string> First(int count, Func<string, bool> isWanted)
    {
        // The largest of those kept is on top, and gives way to a smaller one.
        var kept = new PriorityQueue<string, string>(LargestFirst);
        var entries = new FileSystemEnumerable<string?>(folder, Take, Options)
        {
            ShouldIncludePredicate = (ref FileSystemEntry entry) => IsReadyName(entry.FileName),
        };
        foreach (var name in entries)
        {
            if (name is not null && isWanted(name))
            {
                if (kept.Count == count)
                {
                    kept.Dequeue();
                }

                kept.Enqueue(name, name);
            }
        }

        var names = new string[kept.Count];
        for (var i = names.Length - 1; i >= 0; i--)
        {
            names[i] = kept.Dequeue();
        }

        return names;

        // A name that is too large to be kept is not even made a string: there may be a hundred thousand of them.
        string? Take(ref FileSystemEntry entry)
        {
            var name = entry.FileName[..^Suffix.Length];
            return kept.Count < count || Compare(name, kept.Peek()) < 0 ? name.ToString() : null;
        }
    }

    /// <summary>Says that a file is archived, as PostgreSQL does; nothing happens when it is not ready (any more).</summary>
    public void MarkDone(string name)
    {
        var ready = PathOf(name);
        if (File.Exists(ready))
        {
            File.Move(ready, Path.Combine(folder, name + ".done"), overwrite: true);
        }
    }

    /// <summary>The order in which PostgreSQL asks.</summary>
    internal static int Compare(ReadOnlySpan<char> left, ReadOnlySpan<char> right)
    {
        var (leftIsHistory, rightIsHistory) = (IsHistory(left), IsHistory(right));
        return leftIsHistory == rightIsHistory ? left.SequenceCompareTo(right) : leftIsHistory ? -1 : 1;
    }

    private static EnumerationOptions Options { get; } = new() { AttributesToSkip = 0, IgnoreInaccessible = false };

    private static Comparer<string> LargestFirst { get; } = Comparer<string>.Create((left, right) => Compare(right, left));

    private static bool IsReadyName(ReadOnlySpan<char> fileName) =>
        fileName.Length > Suffix.Length && fileName.Length <= LongestName + Suffix.Length
        && fileName.EndsWith(Suffix, StringComparison.Ordinal);

    private static bool IsHistory(ReadOnlySpan<char> name) => name.EndsWith(".history", StringComparison.Ordinal);

    private string PathOf(string name) => Path.Combine(folder, name + Suffix);
}
