using WalRus.Postgres;

namespace WalRus.Reporting;

/// <summary>
/// When a WAL position was written, about: between positions whose time is known it is interpolated. Positions of backups
/// are trusted; times of stored objects are taken only where they fit between those (an archive may have been copied).
/// </summary>
internal sealed class WalClock
{
    private readonly SortedList<ulong, DateTimeOffset> known = [];

    public bool IsEmpty => known.Count == 0;

    /// <summary>Adds a position unless it would make time run backwards.</summary>
    public void Add(Lsn position, DateTimeOffset time)
    {
        var index = IndexAtOrAfter(position.Value);
        var fits = (index == 0 || known.Values[index - 1] <= time) && (index == known.Count || known.Values[index] >= time);
        if (fits)
        {
            known[position.Value] = time;
        }
    }

    /// <summary>Before the first and after the last known position that one's time is given.</summary>
    public DateTimeOffset At(Lsn position)
    {
        var index = IndexAtOrAfter(position.Value);
        if (index == 0 || index == known.Count)
        {
            return known.Values[index == 0 ? 0 : known.Count - 1];
        }

        var (from, to) = (known.Keys[index - 1], known.Keys[index]);
        var part = (double)(position.Value - from) / (to - from);
        return known.Values[index - 1] + ((known.Values[index] - known.Values[index - 1]) * part);
    }

    private int IndexAtOrAfter(ulong position)
    {
        var (low, high) = (0, known.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = known.Keys[middle] < position ? (middle + 1, high) : (low, middle);
        }

        return low;
    }
}
