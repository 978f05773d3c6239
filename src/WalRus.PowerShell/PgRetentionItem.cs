using WalRus.Retention;

namespace WalRus.Cmdlets;

/// <summary>One line of a retention plan: a backup, or WAL of one timeline that one rule keeps or drops.</summary>
public sealed class PgRetentionItem
{
    /// <summary>Backup or Wal.</summary>
    public required string Kind { get; init; }

    /// <summary>The backup's name; for WAL the lowest file's.</summary>
    public required string Name { get; init; }

    /// <summary>For WAL the highest file's name.</summary>
    public string? LastName { get; init; }

    /// <summary>Keep or Drop.</summary>
    public required string Action { get; init; }

    /// <summary>The rule that keeps or drops it.</summary>
    public required string Rule { get; init; }

    public required string Reason { get; init; }

    /// <summary>For a backup the moment the rules count by: when it ended.</summary>
    public DateTimeOffset? Time { get; init; }

    public long ObjectCount { get; init; }

    /// <summary>Bytes in the store.</summary>
    public long Size { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"{Action} {Name} ({Rule})";

    internal static PgRetentionItem From(PlanLine line) => new()
    {
        Kind = line.Backup is null ? "Wal" : "Backup",
        Name = line.Backup?.Name.ToString() ?? line.First,
        LastName = line.Backup is null ? line.Last : null,
        Action = line.Keeps ? "Keep" : "Drop",
        Rule = line.Rule.ToString(),
        Reason = line.Why,
        Time = line.Backup?.Time,
        ObjectCount = line.ObjectCount,
        Size = line.SizeBytes,
    };
}
