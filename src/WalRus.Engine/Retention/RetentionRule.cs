namespace WalRus.Retention;

/// <summary>Why an object is kept or dropped. The names are stable: scripts match on them.</summary>
public enum RetentionRule
{
    // Kept by a policy
    KeepLast,
    KeepFor,
    KeepDaily,
    KeepWeekly,
    KeepMonthly,
    KeepYearly,
    MinimumCount,

    /// <summary>The backup from which recovery to the beginning of the window starts, and WAL from it on.</summary>
    PointInTimeWindow,

    // Kept whatever was asked
    Permanent,

    /// <summary>A delta that stays is based on it.</summary>
    NeededByDelta,
    BeingWritten,
    Unreadable,

    /// <summary>A delta whose parents are not all there: it counts for nothing, and a person should decide.</summary>
    NotRestorable,

    /// <summary>WAL without which a backup that stays is not consistent.</summary>
    NeededByBackup,
    TimelineHistory,
    Foreign,

    /// <summary>Not below what was asked to be deleted.</summary>
    NotSelected,

    // Dropped
    Selected,

    /// <summary>Based on a backup that is dropped.</summary>
    DeltaOfSelected,
    Obsolete,
    Leftover,
}
