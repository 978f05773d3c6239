using WalRus.Postgres;

namespace WalRus.Delta;

/// <summary>What a page's own header says about its change since the parent's start.</summary>
public enum PageState
{
    /// <summary>It was last changed before.</summary>
    Unchanged,

    /// <summary>It was changed since, or was never written and so has no LSN that could tell.</summary>
    Changed,

    /// <summary>No page that PostgreSQL writes: torn by a write under way, damaged, or without LSN (an unlogged relation's).</summary>
    Unreadable,
}

/// <summary>The rule that decides whether a page is in a delta, whatever proposed it. Source: wal-g's page scan.</summary>
public static class PageChange
{
    /// <param name="page">One whole page.</param>
    /// <param name="since">The parent's start LSN. An LSN on a page is the end of the record that changed it.</param>
    public static PageState Of(ReadOnlySpan<byte> page, Lsn since)
    {
        var header = PageHeader.Read(page);
        if (header.IsNew)
        {
            return PageState.Changed;
        }

        if (!header.IsValid(page.Length))
        {
            return PageState.Unreadable;
        }

        return header.Lsn >= since ? PageState.Changed : PageState.Unchanged;
    }
}
