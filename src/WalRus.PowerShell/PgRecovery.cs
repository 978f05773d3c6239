using WalRus.Backup;

namespace WalRus.Cmdlets;

/// <summary>Segments that are not archived although a recovery needs them.</summary>
public sealed class PgWalGap
{
    public required string First { get; init; }

    public required string Last { get; init; }

    public ulong Count { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Count == 1 ? First : $"{First}..{Last}";
}

/// <summary>How far one timeline can be recovered, as Measure-PgRecovery emits it; see <see cref="PgRecoveryPoint"/> for the texts.</summary>
public sealed class PgRecovery
{
    public uint Timeline { get; init; }

    /// <summary>True for the newest timeline.</summary>
    public bool IsNewest { get; init; }

    /// <summary>Backups from which replay gets to this timeline.</summary>
    public int BackupCount { get; init; }

    /// <summary>The backup that a recovery to the newest point starts from.</summary>
    public string? BackupName { get; init; }

    public DateTimeOffset? OldestTime { get; init; }

    public DateTimeOffset? NewestTime { get; init; }

    public string? OldestLsn { get; init; }

    public string? NewestLsn { get; init; }

    public string? NewestSegment { get; init; }

    /// <summary>When that segment was archived, by the store's clock.</summary>
    public DateTimeOffset? NewestSegmentTime { get; init; }

    /// <summary>From the newest time that can be reached to now: what may be lost at most. Null for timelines that were left.</summary>
    public TimeSpan? Rpo { get; init; }

    public IReadOnlyList<PgWalGap> Gap { get; init; } = [];

    /// <summary>Fetching the backup and the WAL from it to the newest point; how long the server replays is not in it.</summary>
    public TimeSpan? Rto { get; init; }

    /// <summary>What the Rto is based on.</summary>
    public string? RtoBasis { get; init; }

    public long BackupBytes { get; init; }

    public long WalSegmentCount { get; init; }

    public long? BackupBytesPerSecond { get; init; }

    public long? WalBytesPerSecond { get; init; }

    /// <summary>What Restore-PgBackup takes to recover to the newest point.</summary>
    public string TargetTimeline { get; init; } = "";

    internal static PgRecovery From(TimelineRecovery recovery) => new()
    {
        Timeline = recovery.Timeline.Value,
        IsNewest = recovery.IsNewest,
        BackupCount = recovery.BackupCount,
        BackupName = recovery.NewestBackup?.Name.ToString(),
        OldestTime = recovery.OldestTime,
        NewestTime = recovery.NewestTime,
        OldestLsn = recovery.OldestLsn?.ToString(),
        NewestLsn = recovery.NewestLsn?.ToString(),
        NewestSegment = recovery.NewestSegment?.ToString(),
        NewestSegmentTime = recovery.NewestSegmentTime,
        Rpo = recovery.RecoveryPointAge,
        Gap = [.. recovery.Gaps.Select(gap => new PgWalGap { First = gap.First.ToString(), Last = gap.Last.ToString(), Count = gap.Count })],
        Rto = recovery.ExpectedDuration,
        RtoBasis = recovery.Rate?.Basis,
        BackupBytes = recovery.BackupBytes,
        WalSegmentCount = recovery.WalSegmentCount,
        BackupBytesPerSecond = (long?)recovery.Rate?.BackupBytesPerSecond,
        WalBytesPerSecond = (long?)recovery.Rate?.WalBytesPerSecond,
        TargetTimeline = recovery.Timeline.ToString(),
    };
}
