using WalRus.Archiving;
using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>A backup, and the record at which recovery from it stops.</summary>
internal sealed record FoundTarget(BackupDetail Backup, WalFact Record);

/// <summary>
/// Finds a restore point or the end of a transaction in archived WAL: from the newest backup to the end of the archive,
/// then from the one before it up to there, and so on: a recent target is found soon, and the first backup that reaches it
/// is the newest. Each segment is read once at most; a transaction's place is found by bisection.
/// </summary>
/// <remarks>PostgreSQL stops at the first record of the name or transaction that it comes by, and only counts it when the
/// backup was consistent by then.</remarks>
internal sealed class RecoveryTargetLookup(Archive archive, WalPath path, RecoveryTarget target, IEventLog log)
{
    private readonly uint xid = unchecked((uint)(target.Xid ?? 0));

    /// <summary>What comes near the target, for the error message.</summary>
    public NearbyTargets Nearby { get; } = new(target);

    /// <summary>Why WAL on the way was not read; null when all of it was.</summary>
    public WalScanStop? Obstacle { get; private set; }

    /// <summary>The target, where it was found but no backup reaches it.</summary>
    public WalFact? Unreached { get; private set; }

    /// <param name="backups">Those that recovery may start from on this path.</param>
    /// <param name="end">The highest segment archived on the path.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    /// <returns>Null when no backup leads to the target.</returns>
    public async Task<FoundTarget?> FindAsync(
        IEnumerable<BackupDetail> backups, ulong end, CancellationToken cancellationToken)
    {
        WalFact? first = null;
        var (upper, upperSegment) = (new Lsn(ulong.MaxValue), end);
        foreach (var backup in backups.OrderByDescending(backup => backup.StartLsn.Value))
        {
            var lower = path.Size.SegmentNumber(backup.StartLsn);
            var pass = new Pass(backup.StartLsn, upper);
            if (lower <= upperSegment)
            {
                await ReadAsync(pass, lower, upperSegment, cancellationToken).ConfigureAwait(false);
            }

            first = pass.Found ?? (pass.IsCut ? null : first);
            if (first is not null && IsReachedFrom(backup, first))
            {
                return new FoundTarget(backup, first);
            }

            Unreached = first ?? Unreached;
            if (first is null && pass.HasNotBegun)
            {
                // The transaction began later than this backup, and all that came later was read.
                return null;
            }

            (upper, upperSegment) = (backup.StartLsn, lower);
        }

        return null;
    }

    private static bool Precedes(uint xid, uint other) => unchecked((int)(xid - other)) < 0;

    /// <summary>Names and "inclusive" stop behind the record, "exclusive" before it; by then the backup must have ended.</summary>
    private bool IsReachedFrom(BackupDetail backup, WalFact record) =>
        (target.Name is not null || target.Inclusive ? record.EndLsn : record.Lsn) >= backup.FinishLsn;

    private bool IsMatch(WalFact fact) => target.Name is not null
        ? fact.Kind == WalFactKind.RestorePoint && fact.Name == target.Name
        : fact.IsTransactionEnd && fact.Xid == xid;

    private async Task ReadAsync(Pass pass, ulong lower, ulong upper, CancellationToken cancellationToken)
    {
        log.RecoveryTargetSearched(path.SegmentAt(lower).ToString(), path.SegmentAt(upper).ToString());
        var mayLeap = target.Xid is not null;
        for (var from = lower; ;)
        {
            var leap = await ScanAsync(pass, from, upper, mayLeap, cancellationToken).ConfigureAwait(false);
            if (leap is null)
            {
                return;
            }

            mayLeap = false;
            from = Math.Max(leap.Value, lower);
        }
    }

    /// <returns>Where to go on instead, when the transaction has not begun yet; null at the end.</returns>
    private async Task<ulong?> ScanAsync(
        Pass pass, ulong from, ulong upper, bool mayLeap, CancellationToken cancellationToken)
    {
        var scan = new WalScan(archive, path);
        await foreach (var step in scan.ReadAsync(from, upper, cancellationToken).ConfigureAwait(false))
        {
            if (step.Fact is not { } fact || fact.Lsn < pass.From || fact.Lsn >= pass.Before)
            {
                continue;
            }

            Nearby.Take(fact);
            if (IsMatch(fact))
            {
                pass.Found = fact;
                return null;
            }

            if (target.Xid is null)
            {
                continue;
            }

            if (fact.OldestRunningXid is { } oldest && Precedes(xid, oldest))
            {
                return null;
            }

            if (mayLeap && fact.NextXid is { } next && !Precedes(xid, next))
            {
                pass.HasNotBegun = true;
                return await LeapAsync(path.Size.SegmentNumber(fact.Lsn), upper, cancellationToken).ConfigureAwait(false);
            }

            mayLeap &= fact.NextXid is null;
        }

        if (scan.Stop is { } stop && stop.SegmentNumber <= upper)
        {
            pass.IsCut = true;
            Obstacle ??= stop;
        }

        return null;
    }

    /// <summary>The segment before the first that says the transaction has begun: it may have begun and ended in that one.</summary>
    private async Task<ulong> LeapAsync(ulong from, ulong upper, CancellationToken cancellationToken)
    {
        var begun = await new WalBisection(archive, path).FindFirstAsync(
            from, upper, fact => fact.NextXid is { } next ? Precedes(xid, next) : null, null, cancellationToken).ConfigureAwait(false);
        return Math.Max(from, begun - 1);
    }

    /// <summary>The reading between one backup's start and the next one's.</summary>
    private sealed class Pass(Lsn from, Lsn before)
    {
        public Lsn From => from;

        public Lsn Before => before;

        public WalFact? Found { get; set; }

        /// <summary>The transaction had not begun at the beginning.</summary>
        public bool HasNotBegun { get; set; }

        /// <summary>WAL is missing or broken in between.</summary>
        public bool IsCut { get; set; }
    }
}
