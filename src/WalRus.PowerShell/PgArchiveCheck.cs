using WalRus.Verification;

namespace WalRus.Cmdlets;

/// <summary>Segments in a row of which the same is known.</summary>
public sealed class PgWalRange
{
    public uint Timeline { get; init; }

    public string First { get; init; } = "";

    public string Last { get; init; } = "";

    public ulong Count { get; init; }

    /// <summary>Found, MissingDelayed, MissingUploading or MissingLost.</summary>
    public string Status { get; init; } = "";

    /// <inheritdoc/>
    public override string ToString() => Count == 1 ? $"{First} {Status}" : $"{First}..{Last} {Status}";
}

/// <summary>The verdict on an archive's WAL, as Test-WalArchive emits it without -Deep.</summary>
public sealed class PgArchiveCheck
{
    /// <summary>The worse of the two checks: Ok, Warning or Failure.</summary>
    public string Status { get; init; } = "";

    /// <summary>Are all segments there?</summary>
    public string Integrity { get; init; } = "";

    /// <summary>Is the cluster on the archive's highest timeline?</summary>
    public string TimelineStatus { get; init; } = "";

    /// <summary>The cluster's timeline.</summary>
    public uint Timeline { get; init; }

    /// <summary>The archive's highest; null where it holds no WAL.</summary>
    public uint? HighestTimeline { get; init; }

    /// <summary>The backup whose start is the lower end of what was looked at; null without one.</summary>
    public string? BackupName { get; init; }

    /// <summary>What was looked at, lowest first.</summary>
    public IReadOnlyList<PgWalRange> Range { get; init; } = [];

    internal static PgArchiveCheck From(WalVerifyResult result) => new()
    {
        Status = result.Status.ToString(),
        Integrity = result.Integrity!.Status.ToString(),
        TimelineStatus = result.Timeline!.Status.ToString(),
        Timeline = result.Timeline.Current.Value,
        HighestTimeline = result.Timeline.Highest?.Value,
        BackupName = result.Integrity.BackupName,
        Range = result.Integrity.Ranges.Select(range => new PgWalRange
        {
            Timeline = range.Timeline.Value,
            First = range.First.ToString(),
            Last = range.Last.ToString(),
            Count = range.Count,
            Status = range.Status.ToString(),
        }).ToList(),
    };
}

/// <summary>One thing that is wrong with an archive, as Test-WalArchive -Deep emits it.</summary>
public sealed class PgArchiveFinding
{
    /// <summary>Error where something cannot be restored, else Warning.</summary>
    public string Severity { get; init; } = "";

    /// <summary>What it is, by a stable name.</summary>
    public string Kind { get; init; } = "";

    /// <summary>The object's key, or the name of what is missing.</summary>
    public string Object { get; init; } = "";

    /// <summary>The backup it belongs to; null for WAL.</summary>
    public string? BackupName { get; init; }

    public string Message { get; init; } = "";

    /// <summary>What to do about it.</summary>
    public string RecommendedAction { get; init; } = "";

    /// <inheritdoc/>
    public override string ToString() => $"{Object}: {Message}";

    internal static PgArchiveFinding From(ArchiveFinding finding) => new()
    {
        Severity = finding.Severity.ToString(),
        Kind = finding.Kind.ToString(),
        Object = finding.Object,
        BackupName = finding.Backup,
        Message = finding.Message,
        RecommendedAction = finding.Action,
    };
}

/// <summary>One WAL file that the archive lacked, as Repair-WalArchive emits it.</summary>
public sealed class PgWalRepair
{
    public string Name { get; init; } = "";

    /// <summary>Restored, AlreadyArchived, or NotFound where none of the sources has it.</summary>
    public string State { get; init; } = "";

    /// <summary>The folder or store it came from.</summary>
    public string? Source { get; init; }

    public long Bytes { get; init; }

    public long StoredBytes { get; init; }

    public TimeSpan Duration { get; init; }

    internal static PgWalRepair From(WalRepairItem item) => new()
    {
        Name = item.Name,
        State = item.State.ToString(),
        Source = item.Source,
        Bytes = item.Bytes,
        StoredBytes = item.StoredBytes,
        Duration = item.Duration,
    };
}
