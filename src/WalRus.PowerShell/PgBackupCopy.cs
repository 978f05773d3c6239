using WalRus.Transfer;

namespace WalRus.Cmdlets;

/// <summary>A copied backup as Copy-PgBackup emits it; without a name the WAL beyond the backups' own.</summary>
public sealed class PgBackupCopy
{
    /// <summary>The backup; null for the WAL history.</summary>
    public string? Name { get; init; }

    /// <summary>The target archive.</summary>
    public required string Destination { get; init; }

    /// <summary>Objects that the target had not, WAL included.</summary>
    public long ObjectsCopied { get; init; }

    /// <summary>Objects that were there already and equal.</summary>
    public long ObjectsKept { get; init; }

    /// <summary>Their size at the target.</summary>
    public long BytesCopied { get; init; }

    public TimeSpan Duration { get; init; }

    /// <inheritdoc/>
    public override string ToString() => Name ?? "WAL";

    internal static PgBackupCopy From(CopiedBackup copied, string destination) => new()
    {
        Name = copied.Name,
        Destination = destination,
        ObjectsCopied = copied.ObjectsCopied,
        ObjectsKept = copied.ObjectsKept,
        BytesCopied = copied.BytesCopied,
        Duration = copied.Duration,
    };
}
