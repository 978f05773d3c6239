using System.Buffers.Binary;
using WalRus.Postgres;

namespace WalRus.Verification;

/// <summary>
/// The page headers of one segment, more strictly than replay looks at them: what PostgreSQL never writes was changed
/// later. Source: PostgreSQL's xlog_internal.h and xlog.c (AdvanceXLInsertBuffer).
/// </summary>
/// <param name="history">The past of the timeline in the segment's name; null where that is not known.</param>
internal sealed class SegmentPages(TimelineHistory? history)
{
    public const int PageBytes = 8192;

    private const ushort IsContinuation = 0x0001;
    private const ushort KnownFlags = 0x000F;
    private const int ReservedOffset = 20;

    private ushort magic;

    /// <summary>What is wrong with a page's header, or null.</summary>
    /// <param name="page">The whole page.</param>
    /// <param name="address">Where it must be.</param>
    public string? ProblemOf(ReadOnlySpan<byte> page, Lsn address)
    {
        if (!WalPageHeader.TryParse(page, out var header) || header.PageAddress != address)
        {
            return $"there is no WAL page at {address}";
        }

        magic = magic == 0 ? header.Magic : magic;
        var isContinuation = (header.Info & IsContinuation) != 0;
        return header.Magic != magic ? $"the page at {address} is of another version of PostgreSQL than the first"
            : (header.Info & ~KnownFlags) != 0 || isContinuation != header.RemainingLength > 0
                || BinaryPrimitives.ReadUInt32LittleEndian(page[ReservedOffset..]) != 0 ? $"the header of the page at {address} is not one that PostgreSQL writes"
            : history is not null && header.Timeline != history.TimelineAt(address)
                ? $"the page at {address} is of timeline {header.Timeline}, where timeline {history.TimelineAt(address)} was written"
            : null;
    }
}
