using System.Globalization;
using WalRus.Delta;
using WalRus.Postgres;

namespace WalRus.Verification;

/// <summary>The pages of one file of a relation's main fork, or of an increment of it, as their bytes come.</summary>
internal sealed class PageExamination
{
    private const int PageBytes = 8192;
    private const uint BlocksOfFile = 131_072;

    /// <summary>No backup sees this much WAL pass: a page LSN further on is garbage, not a recent change.</summary>
    private const ulong FarAheadBytes = 1UL << 44;

    private readonly uint firstBlock;
    private readonly Lsn start;
    private readonly byte[] carry;
    private IncrementReader? increment;
    private int carried;
    private int next;

    private PageExamination(uint firstBlock, Lsn start, byte[] carry)
    {
        this.firstBlock = firstBlock;
        this.start = start;
        this.carry = carry;
    }

    public long WrongCount { get; private set; }

    /// <summary>Within the file.</summary>
    public uint FirstWrong { get; private set; }

    /// <param name="relative">The file's name.</param>
    /// <param name="start">The backup's start: a page with a newer LSN is written again by replay.</param>
    /// <param name="carry">A page's room, lent.</param>
    /// <returns>Null when the name is not that of a main fork's file.</returns>
    public static PageExamination? Of(string relative, Lsn start, byte[] carry)
    {
        if (!relative.StartsWith("base/", StringComparison.Ordinal) && !relative.StartsWith("global/", StringComparison.Ordinal)
            && !relative.StartsWith("pg_tblspc/", StringComparison.Ordinal))
        {
            return null;
        }

        var last = relative.AsSpan(relative.LastIndexOf('/') + 1);
        last = last.StartsWith("INCREMENTAL.", StringComparison.Ordinal) ? last["INCREMENTAL.".Length..] : last;
        var dot = last.IndexOf('.');
        uint segment = 0;
        var isRelation = uint.TryParse(dot < 0 ? last : last[..dot], NumberStyles.None, CultureInfo.InvariantCulture, out _)
            && (dot < 0 || uint.TryParse(last[(dot + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out segment));
        return isRelation ? new PageExamination(unchecked(segment * BlocksOfFile), start, carry) : null;
    }

    /// <summary>What comes are the pages that an increment's header names.</summary>
    public void TakeIncrement(IncrementReader header) => increment = header;

    public void Take(ReadOnlySpan<byte> content)
    {
        if (increment is { PageBytes: not PageBytes })
        {
            return;
        }

        while (!content.IsEmpty)
        {
            if (carried == 0 && content.Length >= PageBytes)
            {
                Check(content[..PageBytes]);
                content = content[PageBytes..];
                continue;
            }

            var count = Math.Min(PageBytes - carried, content.Length);
            content[..count].CopyTo(carry.AsSpan(carried));
            carried += count;
            content = content[count..];
            if (carried == PageBytes)
            {
                carried = 0;
                Check(carry);
            }
        }
    }

    private void Check(ReadOnlySpan<byte> page)
    {
        var block = increment is null ? (uint)next : increment.Block(next);
        next++;
        if (!IsGood(page, firstBlock + block))
        {
            FirstWrong = WrongCount == 0 ? block : FirstWrong;
            WrongCount++;
        }
    }

    private bool IsGood(ReadOnlySpan<byte> page, uint block)
    {
        var header = PageHeader.Read(page);
        return header.IsNew
            ? !page.ContainsAnyExcept((byte)0)
            : header.Checksum == PageChecksum.Compute(page, block) || (header.Lsn >= start && header.Lsn.Value - start.Value < FarAheadBytes);
    }
}
