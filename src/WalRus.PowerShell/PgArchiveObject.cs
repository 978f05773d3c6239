using WalRus.Retention;

namespace WalRus.Cmdlets;

/// <summary>One object of the archive, and what was or would be done with it.</summary>
public sealed class PgArchiveObject
{
    /// <summary>Its key below the archive's prefix.</summary>
    public required string Key { get; init; }

    /// <summary>Sentinel, BackupData, BackupMetadata or Wal.</summary>
    public required string Kind { get; init; }

    /// <summary>The backup it belongs to; null for WAL.</summary>
    public string? Backup { get; init; }

    public long Size { get; init; }

    public DateTimeOffset LastModified { get; init; }

    /// <summary>Kept, Planned, Deleted or NotDeleted.</summary>
    public required string State { get; init; }

    /// <summary>The rule that keeps or drops it.</summary>
    public required string Rule { get; init; }

    /// <summary>Why the rule does, or why it could not be deleted.</summary>
    public required string Reason { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Key;

    internal static PgArchiveObject From(PlannedObject item) => From(item, item.Keeps ? "Kept" : "Planned", item.Why);

    internal static PgArchiveObject From(DeletedObject deleted) =>
        From(deleted.Object, deleted.Failure is null ? "Deleted" : "NotDeleted", deleted.Failure ?? deleted.Object.Why);

    private static PgArchiveObject From(PlannedObject item, string state, string reason) => new()
    {
        Key = item.Key.ToString(),
        Kind = item.Kind.ToString(),
        Backup = item.Backup?.Name.ToString(),
        Size = item.SizeBytes,
        LastModified = item.LastModified,
        State = state,
        Rule = item.Rule.ToString(),
        Reason = reason,
    };
}
