namespace WalRus.Daemon;

/// <summary>Remembers the last so many paths.</summary>
internal sealed class RecentPaths(int capacity)
{
    private readonly Queue<string> order = new(capacity);
    private readonly HashSet<string> held = new(capacity, StringComparer.Ordinal);

    public bool Contains(string path) => held.Contains(path);

    public void Add(string path)
    {
        if (!held.Add(path))
        {
            return;
        }

        order.Enqueue(path);
        if (order.Count > capacity)
        {
            held.Remove(order.Dequeue());
        }
    }
}
