using System.Text.Json;
using WalRus.Archiving;
using WalRus.Delta;

namespace WalRus.Backup;

/// <summary>What a delta is made from.</summary>
public enum DeltaOrigin
{
    /// <summary>The newest backup, a delta or not.</summary>
    Latest,

    /// <summary>The full backup at the root of the newest backup's chain.</summary>
    LatestFull,
}

/// <summary>When a backup is a delta, of what, and how its changed blocks are found and written.</summary>
public sealed record BackupDeltaOptions
{
    /// <summary><c>WALG_DELTA_MAX_STEPS</c>: deltas in a row after a full backup; 0 makes every backup full.</summary>
    public int MaxSteps { get; init; }

    /// <summary><c>WALG_DELTA_ORIGIN</c>.</summary>
    public DeltaOrigin Origin { get; init; }

    /// <summary><c>WALG_DELTA_FROM_NAME</c>: the parent instead of the newest backup; null for that.</summary>
    public string? FromName { get; init; }

    /// <summary><c>WALG_DELTA_FROM_USER_DATA</c>: the parent by its user data; not together with a name.</summary>
    public JsonElement? FromUserData { get; init; }

    /// <summary>How changed pages are written. wal-g reads <see cref="IncrementFormat.Wi1"/> only.</summary>
    public IncrementFormat Format { get; init; }

    /// <summary>Opens what proposes changed blocks; by default every page of a changed file is looked at.</summary>
    public ChangedBlockSourceOpener OpenSource { get; init; } = PageLsnSource.OpenAsync;

    /// <summary>
    /// <c>WALG_FORCE_WAL_DELTA</c>: a backup whose source cannot be opened fails, instead of looking at every page.
    /// </summary>
    public bool RequireSource { get; init; }
}

/// <summary>What a backup is going to be.</summary>
/// <param name="Parent">For a delta its parent; null for a full backup.</param>
/// <param name="Count">The sentinel's DeltaCount; 0 for a full backup.</param>
/// <param name="Reason">Why, for people: one sentence without its full stop.</param>
/// <param name="IsFallback">A delta was asked for and cannot be made: more than the settings say is needed to repair that.</param>
public sealed record BackupPushPlan(BackupDetail? Parent, int Count, string Reason, bool IsFallback)
{
    /// <summary>The chain that the delta continues, the full backup first and the parent last; empty for a full backup.</summary>
    public IReadOnlyList<BackupDetail> Chain { get; init; } = [];

    /// <summary>The parent was named by whoever asks: when it cannot be used that is an error, not a reason for a full backup.</summary>
    internal bool IsParentNamed { get; init; }

    internal BackupPushPlan Fallback(string why) => new(null, 0, why, IsFallback: true);
}

/// <summary>What a finished delta consists of.</summary>
public sealed record BackupDeltaFacts
{
    public required string Parent { get; init; }

    /// <summary>What proposed the changed blocks: <see cref="IChangedBlockSource.Name"/>.</summary>
    public required string BlockSource { get; init; }

    /// <summary>Why every page was looked at although another source was asked for; null when that is not so.</summary>
    public string? BlockSourceFallback { get; init; }

    /// <summary>Files that are as in the parent; of those not one byte was read.</summary>
    public long UnchangedFileCount { get; init; }

    /// <summary>Files of which only changed pages are in the delta.</summary>
    public long IncrementedFileCount { get; init; }

    /// <summary>Pages in all increments.</summary>
    public long ChangedBlockCount { get; init; }

    /// <summary>Bytes of relation files read to find changed pages, those pages included.</summary>
    public long ScannedBytes { get; init; }
}
