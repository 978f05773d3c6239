using WalRus.Postgres;

namespace WalRus.Archiving;

/// <summary>
/// Finds a segment among many by what their records say, reading the beginning of as few as can be: something that is not
/// so at first and so later, such as "after noon" or "this transaction has begun".
/// </summary>
public sealed class WalBisection(Archive archive, WalPath path)
{
    /// <summary>How many segments were opened.</summary>
    public long SegmentCount { get; private set; }

    /// <param name="first">The lowest segment number it may be.</param>
    /// <param name="last">The highest.</param>
    /// <param name="isReached">True or false for a record that tells, null for one that does not.</param>
    /// <returns>
    /// The lowest segment whose first telling record says true, or one below it where segments tell nothing or cannot be
    /// read; <paramref name="last"/> + 1 when none does.
    /// </returns>
    public async Task<ulong> FindFirstAsync(
        ulong first, ulong last, Func<WalFact, bool?> isReached, CancellationToken cancellationToken)
    {
        var (low, high) = (first, last + 1);
        while (low < high)
        {
            var middle = low + (high - low) / 2;
            var (answer, at) = await AskAsync(middle, high - 1, isReached, cancellationToken).ConfigureAwait(false);
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
