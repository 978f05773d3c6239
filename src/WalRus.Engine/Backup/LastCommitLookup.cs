using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>
/// Where recovery to a time stops: behind the last transaction that ended by then. Bisection finds the segment, so a few
/// segments are read whatever their number.
/// </summary>
internal sealed class LastCommitLookup(Archive archive, WalPath path)
{
    /// <summary>Commits are written in the order of their times only nearly.</summary>
    public static readonly TimeSpan Disorder = TimeSpan.FromSeconds(10);

    /// <summary>The last commit or abort before the stop, or null when there is none or the WAL cannot be read.</summary>
    public WalFact? Last { get; private set; }

    /// <summary>The first one behind it: PostgreSQL needs one to know that it has reached the time. Null when the archived WAL has none.</summary>
    public WalFact? Next { get; private set; }

    /// <param name="time">The target.</param>
    /// <param name="inclusive">What ended just then is still wanted.</param>
    /// <param name="first">The lowest segment number to look at.</param>
    /// <param name="last">The highest.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    public async Task FindAsync(
        DateTimeOffset time, bool inclusive, ulong first, ulong last, CancellationToken cancellationToken)
    {
        var near = await new WalBisection(archive, path).FindFirstAsync(
            first, last, fact => IsReached(fact, time - Disorder), time - Disorder, cancellationToken).ConfigureAwait(false);
        var scan = new WalScan(archive, path);
        var from = Math.Max(first, near == 0 ? 0 : near - 1);
        await foreach (var step in scan.ReadAsync(from, last, cancellationToken).ConfigureAwait(false))
        {
            if (step.Fact is not { IsTransactionEnd: true, Time: { } ended } fact)
            {
                continue;
            }

            if (inclusive ? ended > time : ended >= time)
            {
                Next = fact;
                return;
            }

            Last = fact;
        }
    }

    /// <summary>
    /// Whether a record comes later than a time. A checkpoint is dated by its beginning: it can only say yes.
    /// </summary>
    public static bool? IsReached(WalFact fact, DateTimeOffset time) => fact switch
    {
        { Time: not { } } => null,
        { IsTransactionEnd: true } or { Kind: WalFactKind.RestorePoint } => fact.Time >= time,
        { Kind: WalFactKind.CheckpointOnline or WalFactKind.CheckpointShutdown } when fact.Time >= time => true,
        _ => null,
    };
}
