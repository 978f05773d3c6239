using System.Text;
using WalRus.Storage;
using WalRus.Streaming;

namespace WalRus.Transfer;

/// <summary>
/// Sorts any number of a listing's entries by key in bounded memory: as many as are held make a sorted run in a temporary
/// file, runs are merged when there are many, and the rest while they are read.
/// </summary>
/// <param name="held">Entries held at once.</param>
internal sealed class EntrySort(int held) : IDisposable
{
    /// <summary>Runs of one level, each an open file with a buffer, before they become one of the next.</summary>
    private const int MostRuns = 32;

    private const int BufferBytes = 16 * 1024;

    private readonly List<ListEntry> entries = [];
    private readonly List<List<FileStream>> levels = [];

    public void Add(ListEntry entry)
    {
        if (entries.Count == held)
        {
            SortHeld();
            Write(0, entries);
            entries.Clear();
        }

        entries.Add(entry);
    }

    /// <summary>All that was added, lowest key first. Once, and nothing is added after.</summary>
    public IEnumerable<ListEntry> Read()
    {
        SortHeld();
        return levels.Count == 0 ? entries : Merge([entries, .. levels.SelectMany(level => level).Select(ReadRun)]);
    }

    public void Dispose() => levels.ForEach(Close);

    private static void Close(List<FileStream> runs)
    {
        runs.ForEach(run => run.Dispose());
        runs.Clear();
    }

    private static IEnumerable<ListEntry> Merge(IEnumerable<IEnumerable<ListEntry>> runs)
    {
        var next = new PriorityQueue<IEnumerator<ListEntry>, ObjectKey>();
        foreach (var run in runs.Select(run => run.GetEnumerator()).Where(run => run.MoveNext()))
        {
            next.Enqueue(run, run.Current.Key);
        }

        while (next.TryPeek(out var lowest, out _))
        {
            yield return lowest.Current;
            if (lowest.MoveNext())
            {
                next.DequeueEnqueue(lowest, lowest.Current.Key);
            }
            else
            {
                next.Dequeue();
            }
        }
    }

    private static IEnumerable<ListEntry> ReadRun(FileStream file)
    {
        var length = file.Length;
        file.Position = 0;
        using var reader = new BinaryReader(file, Encoding.UTF8, leaveOpen: true);
        while (file.Position < length)
        {
            var key = ObjectKey.Parse(reader.ReadString());
            yield return new ListEntry(
                key, reader.ReadBoolean(), reader.Read7BitEncodedInt64(), new DateTimeOffset(reader.ReadInt64(), TimeSpan.Zero));
        }
    }

    private static void Write(FileStream file, IEnumerable<ListEntry> sorted)
    {
        using var writer = new BinaryWriter(file, Encoding.UTF8, leaveOpen: true);
        foreach (var entry in sorted)
        {
            writer.Write(entry.Key.ToString());
            writer.Write(entry.IsFolder);
            writer.Write7BitEncodedInt64(entry.SizeBytes);
            writer.Write(entry.LastModified.UtcTicks);
        }
    }

    private void SortHeld() => entries.Sort((left, right) => left.Key.CompareTo(right.Key));

    private void Write(int level, IEnumerable<ListEntry> sorted)
    {
        if (levels.Count == level)
        {
            levels.Add([]);
        }

        var file = TemporaryFile.Create(bufferBytes: BufferBytes);
        levels[level].Add(file);
        try
        {
            Write(file, sorted);
        }
        catch (IOException full)
        {
            throw DurableFile.Translate(full, file.Name);
        }

        if (levels[level].Count == MostRuns)
        {
            Write(level + 1, Merge(levels[level].Select(ReadRun)));
            Close(levels[level]);
        }
    }
}
