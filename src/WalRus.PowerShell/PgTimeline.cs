using WalRus.Verification;

namespace WalRus.Cmdlets;

/// <summary>What the archive holds of one timeline, as Get-WalTimeline emits it.</summary>
public sealed class PgTimeline
{
    public uint Timeline { get; init; }

    /// <summary>The timeline it came from; null for the first, or where its history is not archived.</summary>
    public uint? Parent { get; init; }

    /// <summary>Where it came from its parent.</summary>
    public string? SwitchPoint { get; init; }

    /// <summary>"OK", or "LOST_SEGMENTS" where segments between the first and the last are missing, or there is none.</summary>
    public string Status { get; init; } = "";

    /// <summary>The first archived segment; null where only backups are left of the timeline.</summary>
    public string? First { get; init; }

    public string? Last { get; init; }

    public ulong SegmentCount { get; init; }

    public ulong MissingCount { get; init; }

    /// <summary>Missing segments between the first and the last.</summary>
    public IReadOnlyList<PgWalGap> Gap { get; init; } = [];

    /// <summary>Names of the backups taken on it, newest first; Restore-PgBackup and Test-PgBackup take them.</summary>
    public IReadOnlyList<string> Backup { get; init; } = [];

    /// <summary>Objects in the archive's WAL folder with the timeline's name.</summary>
    public long ObjectCount { get; init; }

    /// <summary>Bytes stored in those.</summary>
    public long StoredBytes { get; init; }

    /// <summary>When the newest segment was archived, by the store's clock.</summary>
    public DateTimeOffset? LastArchived { get; init; }

    internal static PgTimeline From(ArchivedTimeline timeline) => new()
    {
        Timeline = timeline.Timeline.Value,
        Parent = timeline.History?.Parent?.Value,
        SwitchPoint = timeline.History is { Switches: { Count: > 0 } switches } ? switches[^1].SwitchPoint.ToString() : null,
        Status = timeline.IsComplete ? "OK" : "LOST_SEGMENTS",
        First = timeline.First?.ToString(),
        Last = timeline.Last?.ToString(),
        SegmentCount = timeline.SegmentCount,
        MissingCount = timeline.RangeSize - timeline.SegmentCount,
        Gap = [.. timeline.Gaps.Select(gap => new PgWalGap { First = gap.First.ToString(), Last = gap.Last.ToString(), Count = gap.Count })],
        Backup = [.. timeline.Backups.Select(backup => backup.Name.ToString())],
        ObjectCount = timeline.ObjectCount,
        StoredBytes = timeline.SizeBytes,
        LastArchived = timeline.LastModified,
    };
}
