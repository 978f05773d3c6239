using WalRus.Postgres;
using WalRus.Wal;

namespace WalRus.Daemon;

/// <summary>The segments to have ready, and where.</summary>
internal sealed record FetchWindow(WalFileName First, int Count, WalSegmentSize Size, string Folder)
{
    private readonly PrefetchFolder prefetched = new(Folder);

    public bool Holds(WalFileName segment)
    {
        if (segment.Timeline != First.Timeline || segment < First || !segment.IsValidFor(Size))
        {
            return false;
        }

        return segment.SegmentNumber(Size) - First.SegmentNumber(Size) < (ulong)Count;
    }

    public IEnumerable<WalFileName> Segments()
    {
        for (var i = 0; i < Count; i++)
        {
            yield return First.Next(Size, (ulong)i);
        }
    }

    public bool HasReady(WalFileName segment) => File.Exists(prefetched.ReadyPath(segment.ToString()));

    public PrefetchFolder Create()
    {
        prefetched.Create();
        return prefetched;
    }

    public void RemoveOutside(IEventLog log) => RemoveWhere(segment => !Holds(segment), log);

    public void RemoveFolders(IEventLog log) => Remove(prefetched.RemoveIfEmpty, log);

    public void RemoveAll(IEventLog log) => RemoveWhere(_ => true, log);

    public void Remove(WalFileName one, IEventLog log) => RemoveWhere(segment => segment == one, log);

    private void RemoveWhere(Func<WalFileName, bool> condition, IEventLog log) =>
        Remove(() => prefetched.RemoveWhere(condition), log);

    /// <summary>What cannot be removed costs disk only, and is tried again when the window moves.</summary>
    private void Remove(Action removal, IEventLog log)
    {
        try
        {
            removal();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            log.PrefetchFailed(First.ToString(), failure.Message);
        }
    }
}
