using WalRus.Postgres;
using WalRus.WalG;

namespace WalRus.Archiving;

/// <summary>
/// Finds a segment among many by what their records say, reading the beginning of as few as can be: something that is not
/// so at first and so later, such as "after noon" or "this transaction has begun".
/// </summary>
public sealed class WalBisection(Archive archive, WalPath path)
{
    /// <summary>A bulk load fills many segments with nothing that tells; longer is not looked for.</summary>
    private const ulong SegmentsAsked = 16;

    /// <summary>How many segments were opened.</summary>
    public long SegmentCount { get; private set; }

    /// <param name="first">The lowest segment number it may be.</param>
    /// <param name="last">The highest.</param>
    /// <param name="isReached">True or false for a record that tells, null for one that does not.</param>
    /// <param name="archivedBefore">
    /// A segment archived before this time says no, where its records do not tell. Null where archiving says nothing.
    /// </param>
    /// <param name="cancellationToken">Stops the reading.</param>
    /// <returns>
    /// The lowest segment whose first telling record says true, or one below it where segments tell nothing or cannot be
    /// read; <paramref name="last"/> + 1 when none does.
    /// </returns>
    public async Task<ulong> FindFirstAsync(
        ulong first,
        ulong last,
        Func<WalFact, bool?> isReached,
        DateTimeOffset? archivedBefore,
        CancellationToken cancellationToken)
    {
        var (low, high) = (first, last + 1);
        while (low < high)
        {
            var middle = low + (high - low) / 2;
            var (answer, at) = await AskAsync(
                middle, Math.Min(high - 1, middle + SegmentsAsked - 1), isReached, cancellationToken).ConfigureAwait(false);
            if (answer is null && archivedBefore is { } time && await IsArchivedBeforeAsync(middle, time, cancellationToken).ConfigureAwait(false))
            {
                (answer, at) = (false, middle);
            }

            if (answer == false)
            {
                low = at + 1;
            }
            else
            {
                high = middle;
            }
        }

        return high;
    }

    private async Task<bool> IsArchivedBeforeAsync(ulong number, DateTimeOffset time, CancellationToken cancellationToken)
    {
        var key = WalGLayout.Wal(path.SegmentAt(number).ToString());
        return await archive.FindAsync(key, cancellationToken).ConfigureAwait(false) is { } found && found.LastModified < time;
    }

    /// <summary>What the first telling record from a segment on says, and in which segment it stands.</summary>
    private async Task<(bool? Answer, ulong At)> AskAsync(
        ulong from, ulong last, Func<WalFact, bool?> isReached, CancellationToken cancellationToken)
    {
        var scan = new WalScan(archive, path);
        try
        {
            await foreach (var step in scan.ReadAsync(from, last, cancellationToken).ConfigureAwait(false))
            {
                if (step.Fact is { } fact && isReached(fact) is { } answer)
                {
                    return (answer, path.Size.SegmentNumber(fact.Lsn));
                }
            }

            return (null, last);
        }
        finally
        {
            SegmentCount += scan.SegmentCount;
        }
    }
}
