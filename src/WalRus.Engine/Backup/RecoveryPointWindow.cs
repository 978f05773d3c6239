using WalRus.Postgres;

namespace WalRus.Backup;

/// <summary>Which part of a timeline's WAL a request is about, and which of its records.</summary>
internal sealed class RecoveryPointWindow(RecoveryPointRequest request)
{
    private readonly uint? xid = request.Xid is { } given ? unchecked((uint)given) : null;

    /// <summary>False when backups alone are wanted.</summary>
    public bool ReadsWal => (request.Kinds & ~RecoveryPointKinds.Backup) != 0;

    /// <summary>True when <see cref="IsReached"/> can tell where the window begins.</summary>
    public bool HasBeginning => request.From is not null || xid is not null;

    /// <summary>
    /// Whether a record comes when the window has begun. Times are taken with a margin, since they are written in order only nearly.
    /// </summary>
    public bool? IsReached(WalFact fact) =>
        xid is { } wanted ? fact.NextXid is { } next ? Precedes(wanted, next) : null
        : request.From is { } from ? LastCommitLookup.IsReached(fact, from - LastCommitLookup.Disorder) : true;

    /// <summary>Segments archived before it hold nothing of the window.</summary>
    public DateTimeOffset? ArchivedBefore => xid is null ? request.From - LastCommitLookup.Disorder : null;

    /// <summary>True for a record behind which nothing of the window can follow.</summary>
    public bool IsPast(WalFact fact) =>
        (xid is { } wanted && fact.OldestRunningXid is { } oldest && Precedes(wanted, oldest))
        || (request.To is { } to && fact.Kind is WalFactKind.RestorePoint or WalFactKind.Commit or WalFactKind.Abort
            && fact.Time > to + LastCommitLookup.Disorder);

    /// <summary>The segments of a run that may hold something, as far as positions tell; null for none.</summary>
    public (ulong First, ulong Last)? Clip(ulong first, ulong last, WalSegmentSize size)
    {
        if (request.Lsn is { } lsn)
        {
            var number = size.SegmentNumber(lsn);
            first = Math.Max(first, number == 0 ? 0 : number - 1);
            last = Math.Min(last, number + 1);
        }

        return first <= last ? (first, last) : null;
    }

    public bool Takes(WalFact fact) => fact.Kind switch
    {
        WalFactKind.RestorePoint => Wants(RecoveryPointKinds.RestorePoint) && xid is null
            && (request.Name is null || request.Name(fact.Name!)) && IsInTime(fact.Time),
        WalFactKind.Commit or WalFactKind.CommitPrepared => Wants(RecoveryPointKinds.Commit) && TakesTransaction(fact),
        WalFactKind.Abort or WalFactKind.AbortPrepared => Wants(RecoveryPointKinds.Abort) && TakesTransaction(fact),
        _ => false,
    };

    public bool TakesSegmentEnd(DateTimeOffset? time) =>
        Wants(RecoveryPointKinds.SegmentEnd) && request.Name is null && xid is null && IsInTime(time);

    public bool TakesBackup(DateTimeOffset time, Lsn end, WalSegmentSize size) =>
        Wants(RecoveryPointKinds.Backup) && request.Name is null && xid is null && IsInTime(time)
        && Clip(size.SegmentNumber(end), size.SegmentNumber(end), size) is not null;

    private static bool Precedes(uint xid, uint other) => unchecked((int)(xid - other)) < 0;

    private bool TakesTransaction(WalFact fact) =>
        request.Name is null && (xid is null || fact.Xid == xid) && IsInTime(fact.Time);

    private bool Wants(RecoveryPointKinds kind) => (request.Kinds & kind) != 0;

    private bool IsInTime(DateTimeOffset? time) =>
        (request.From is null && request.To is null)
        || (time is { } known && !(known < request.From) && !(known > request.To));
}
